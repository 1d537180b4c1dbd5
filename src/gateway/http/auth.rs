//! Who an HTTP request comes from: an operator by the gateway's secret.

use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use super::Routes;
use super::error::HttpError;
use crate::gateway::visitor::Visitor;
use crate::methods::Scope;

/// The token of `Authorization: Bearer`, if there is one.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Lets an operator pass, as [the settings](crate::gateway::Settings::check_bearer) judge, who is not
/// limited by his proxy to less than this right.
///
/// # Errors
/// 401 without the secret; 403 for somebody who is limited; 429 for somebody who guesses; 503 while nobody can judge.
pub(super) fn operator(
    routes: &Routes,
    visitor: &Visitor,
    headers: &HeaderMap,
    needed: Scope,
) -> Result<(), HttpError> {
    let now = routes.engine()?.clock().steady().0;
    let judged = routes.served.settings.check_bearer(visitor, bearer(headers), now);
    judged.map_err(|refusal| match refusal.error.retry_after_ms {
        Some(wait) => HttpError::new(429, "rate_limit_error", refusal.error.message)
            .after(Duration::from_millis(wait)),
        None => unauthorized(&refusal.error.message),
    })?;
    let is_limited = |most: &Vec<Scope>| !most.iter().any(|scope| scope.includes(needed));
    if visitor.ceiling.as_ref().is_some_and(is_limited) {
        let text = format!("the proxy in front does not let you have {}", needed.name());
        return Err(HttpError::new(403, "forbidden", text).code("missing_scope"));
    }
    Ok(())
}

pub(super) fn unauthorized(message: &str) -> HttpError {
    HttpError::new(401, "authentication_error", message).code("unauthorized")
}
