//! HTTP on the gateway's port, and the way from there to WebSocket.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::connection::{Arrival, Served};
use super::door::Place;
use super::listener::Opener;
use super::visitor::Visitor;

/// What the routes work with.
#[derive(Clone)]
pub(super) struct Routes {
    pub(super) served: Served,
    pub(super) opener: Opener,
}

/// Every route.
pub(super) fn router(routes: Routes) -> Router {
    Router::new()
        .route("/", get(root))
        .route("/healthz", get(alive))
        .route("/health", get(alive))
        .route("/readyz", get(ready))
        .route("/ready", get(ready))
        .with_state(routes)
}

async fn alive() -> impl IntoResponse {
    axum::Json(json!({"ok": true, "status": "live"}))
}

/// Whether it takes work.
async fn ready(State(routes): State<Routes>) -> Response {
    match routes.served.engine.get() {
        Some(_) => axum::Json(json!({"ok": true, "status": "ready"})).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, axum::Json(json!({"ok": false}))).into_response(),
    }
}

/// A WebSocket for those who ask for one.
async fn root(
    State(routes): State<Routes>,
    Extension(visitor): Extension<Visitor>,
    Extension(place): Extension<Arc<Place>>,
    mut request: Request,
) -> Response {
    match accept_key(request.headers()) {
        Some(accept) => {
            let arrival = Arrival { visitor, place };
            routes.opener.open(hyper::upgrade::on(&mut request), arrival);
            let headers = [
                (CONNECTION, "Upgrade".to_owned()),
                (UPGRADE, "websocket".to_owned()),
                (SEC_WEBSOCKET_ACCEPT, accept),
            ];
            (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
        }
        None => (StatusCode::NOT_FOUND, "this port speaks the gateway protocol\n").into_response(),
    }
}

fn accept_key(headers: &HeaderMap) -> Option<String> {
    let is_upgrade = headers
        .get(UPGRADE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|_| is_upgrade)?;
    Some(derive_accept_key(key.as_bytes()))
}
