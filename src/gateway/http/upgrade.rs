//! From HTTP to WebSocket.

use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::Routes;
use crate::gateway::connection::Arrival;
use crate::gateway::door::Place;
use crate::gateway::page;
use crate::gateway::visitor::Visitor;

/// A WebSocket for those who ask for one, the page for everybody else.
pub(super) async fn root(
    State(routes): State<Routes>,
    Extension(visitor): Extension<Visitor>,
    Extension(place): Extension<Arc<Place>>,
    mut request: Request,
) -> Response {
    match accept_key(request.headers()).filter(|_| request.method() == Method::GET) {
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
        None => page::index(request.headers()),
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
