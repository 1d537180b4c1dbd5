//! Who an HTTP request comes from: an operator by the gateway's secret.

use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use super::Routes;
use super::error::HttpError;
use crate::gateway::visitor::Visitor;

/// The token of `Authorization: Bearer`, if there is one.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Lets an operator pass, as [the settings](crate::gateway::Settings::check_bearer) judge.
///
/// # Errors
/// 401 without the secret; 429 for somebody who guesses; 503 while nobody can judge.
pub(super) fn operator(
    routes: &Routes,
    visitor: &Visitor,
    headers: &HeaderMap,
) -> Result<(), HttpError> {
    let now = routes.engine()?.clock().steady().0;
    let judged = routes.served.settings.check_bearer(visitor, bearer(headers), now);
    judged.map_err(|refusal| match refusal.error.retry_after_ms {
        Some(wait) => HttpError::new(429, "rate_limit_error", refusal.error.message)
            .after(Duration::from_millis(wait)),
        None => unauthorized(&refusal.error.message),
    })
}

pub(super) fn unauthorized(message: &str) -> HttpError {
    HttpError::new(401, "authentication_error", message).code("unauthorized")
}
