//! `GET /api/diagnostics/prometheus`: what a monitoring system reads.
//!
//! What happens is counted as it happens ([`Metrics`]); what is the case is looked at when somebody
//! asks ([`snapshot`]). Each gateway has a registry of its own. Every label's values are bounded:
//! names from the config, fixed words, and the routes there are.

mod counted;
mod process;
mod route;
mod snapshot;
mod watch;

pub use counted::Metrics;
pub(in super::super) use watch::watch;

use axum::extract::{Extension, Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use super::error::HttpError;
use super::{Routes, auth};
use crate::gateway::visitor::Visitor;
use crate::methods::Scope;

/// The media type of the text.
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) async fn scrape(
    State(routes): State<Routes>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    auth::operator(&routes, &visitor, &headers, Scope::Read)?;
    let engine = routes.engine()?;
    let now = snapshot::snapshot(&engine);
    let text = routes.served.host.metrics.text(&now).map_err(HttpError::internal)?;
    Ok(([(CONTENT_TYPE, TEXT)], text).into_response())
}

/// Counts what is asked over HTTP.
pub(super) async fn count(State(routes): State<Routes>, request: Request, next: Next) -> Response {
    let hooks = routes.hooks.as_ref().map(|hooks| hooks.path().to_owned());
    let route = route::of(request.uri().path(), hooks.as_deref());
    let begun = Instant::now();
    let response = next.run(request).await;
    routes.served.host.metrics.answered(route, response.status().as_u16(), begun.elapsed());
    response
}
