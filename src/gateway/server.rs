//! The HTTP side of the port: takes connections, judges who knocks, hands requests to the router.
//!
//! Nobody is waited for without end: a request's headers have a deadline, and who has said nothing
//! may be pushed out by others (see `crowd.rs`).

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderValue, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use super::answer::Answer;
use super::door::{Door, Place};
use super::identity::{ceiling, named_by_proxy, named_by_tailscale};
use super::settings::Settings;
use super::stall::Stall;
use super::tls::Tls;
use super::visitor::{Approach, Page, TurnedAway, Via, Visitor, visitor};

/// A connection, encrypted or not.
type Wire = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// Pause after a connection could not be taken, as when no file is left to open.
const REST: Duration = Duration::from_millis(100);
/// How long a client may leave an answer unread.
const UNREAD_MAX: Duration = Duration::from_secs(30);
/// Newcomers that push somebody out before there is a pause, and the pause: a flood has a part of
/// the processors' time, and somebody honest waits behind it for a tenth of a second.
const PUSHING_MAX: u32 = 4;
const PUSHING_REST: Duration = Duration::from_millis(1);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// What is said with every answer unless its page says otherwise.
const HEADERS: [(HeaderName, &str); 5] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
];

/// What all ports share.
#[derive(Clone)]
pub(super) struct Front {
    pub(super) app: Router,
    pub(super) settings: Arc<Settings>,
    pub(super) door: Door,
    /// Encrypts the gateway's own port, where it does.
    pub(super) tls: Option<Arc<Tls>>,
    /// Tells every connection that it ends after the request it serves.
    pub(super) stopping: watch::Receiver<bool>,
}

impl Front {
    /// Whether many people may stand behind this address.
    fn is_proxy(&self, peer: SocketAddr, via: Via) -> bool {
        let address = peer.ip();
        via == Via::Tailscale || self.settings.house.proxies.iter().any(|it| it.contains(address))
    }
}

/// Takes connections until it is dropped, and with it they end.
pub(super) async fn serve(listener: TcpListener, via: Via, front: Front) {
    let mut connections = JoinSet::new();
    let mut pushing = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    if let Some(place) = front.door.enter(peer.ip(), front.is_proxy(peer, via)) {
                        pushing += u32::from(place.pushes());
                        let place = Arc::new(place);
                        connections.spawn(connection(stream, peer, via, place, front.clone()));
                    } else {
                        tracing::warn!(%peer, "too many connections");
                    }
                    // Whoever is here has a turn before the next newcomer, and a flood, of which
                    // each pushes out the one before, waits outside.
                    if pushing >= PUSHING_MAX {
                        pushing = 0;
                        tokio::time::sleep(PUSHING_REST).await;
                    } else {
                        tokio::task::yield_now().await;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(REST).await;
                }
            },
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a connection failed");
                }
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    via: Via,
    place: Arc<Place>,
    front: Front,
) {
    // Frames are small and answers are waited for.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no delay");
    }
    let deadline = front.settings.policy.handshake_max;
    let stream = tokio::select! {
        stream = tokio::time::timeout(deadline, encrypted(stream, via, &front)) => stream,
        () = place.pushed_out() => return tracing::debug!(%peer, "pushed out by others"),
    };
    let stream = match stream {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%peer, %error, "no encryption was agreed on"),
        Err(_) => return tracing::debug!(%peer, "encryption was not agreed on in time"),
    };
    let kept = place.clone();
    let app = TowerToHyperService::new(front.app);
    let (settings, mut stopping) = (front.settings, front.stopping);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let judged = judge(&settings, peer, via, &request);
        // Who asks for a WebSocket has still to say who it is.
        let asking = (!is_upgrade(&request)).then(|| kept.asks());
        if let Ok(visitor) = &judged {
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(visitor.clone());
            request.extensions_mut().insert(kept.clone());
        }
        let answer = judged.is_ok().then(|| app.call(request));
        async move {
            let response = match (judged, answer) {
                (Ok(_), Some(answer)) => answer.await?,
                (Ok(_), None) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
                (Err(refused), _) => refused,
            };
            let response = with_headers(response);
            Ok::<_, Infallible>(match asking {
                Some(asking) => response.map(|body| Body::new(Answer { body, _asking: asking })),
                None => response,
            })
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(deadline)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(Stall::new(stream, UNREAD_MAX)), service)
        .with_upgrades();
    tokio::pin!(served);
    // A sender that is gone means the same.
    let stops = async { drop(stopping.wait_for(|stops| *stops).await) };
    let ended = tokio::select! {
        served = served.as_mut() => served,
        () = place.pushed_out() => return tracing::debug!(%peer, "pushed out by others"),
        () = stops => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection ended");
    }
}

/// Agrees on encryption where the port encrypts. What Tailscale carries it has decrypted already.
async fn encrypted(stream: TcpStream, via: Via, front: &Front) -> std::io::Result<Wire> {
    match front.tls.as_ref().filter(|_| via == Via::Port) {
        Some(tls) => Ok(Wire::Right(Box::new(tls.acceptor().accept(stream).await?))),
        None => Ok(Wire::Left(stream)),
    }
}

fn is_upgrade<B>(request: &Request<B>) -> bool {
    // Others are offers, such as `h2c`, and are answered as if they had not been made.
    let wanted = request.headers().get_all(axum::http::header::UPGRADE);
    wanted.iter().any(|it| it.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Who asks; or the answer to somebody who may not even.
#[expect(clippy::result_large_err, reason = "an answer is made once and handed on")]
fn judge<B>(
    settings: &Settings,
    peer: SocketAddr,
    via: Via,
    request: &Request<B>,
) -> Result<Visitor, Response> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: Vec<(String, String)> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), text(value)))
        .collect();
    let approach = Approach { peer: peer.ip(), via, headers: &headers };
    let mut visitor = visitor(&settings.house, &approach).map_err(|away| {
        tracing::warn!(%peer, why = away.code(), "turned away");
        turned_away(&away)
    })?;
    // A WebSocket is told so in its own protocol.
    if matches!(visitor.page, Page::Foreign(_)) && !is_upgrade(request) {
        return Err(denied("origin_not_allowed", "this page may not speak to the gateway"));
    }
    visitor.claim = match &settings.proxy {
        Some(rules) => {
            // An address that can be bound is one of this machine's.
            let is_ours =
                visitor.proxy.is_some_and(|proxy| std::net::UdpSocket::bind((proxy, 0)).is_ok());
            named_by_proxy(rules, &approach, &visitor, is_ours)
        }
        None if settings.whois.is_some() => named_by_tailscale(&approach, &visitor),
        None => None,
    };
    // Also where it names nobody: this only narrows.
    if settings.proxy.is_some() {
        visitor.ceiling = ceiling(&approach);
    }
    Ok(visitor)
}

fn turned_away(away: &TurnedAway) -> Response {
    denied(away.code(), &away.text())
}

fn denied(code: &str, text: &str) -> Response {
    let error = json!({"message": text, "type": "forbidden", "param": null, "code": code});
    let body = json!({"ok": false, "error": error});
    (StatusCode::FORBIDDEN, axum::Json(body)).into_response()
}

fn with_headers(mut response: Response<Body>) -> Response<Body> {
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_websocket_is_an_upgrade() {
        for (value, expected) in [("websocket", true), ("WebSocket", true), ("h2c", false)] {
            let request = Request::builder().header("upgrade", value).body(()).unwrap();
            assert_eq!(is_upgrade(&request), expected, "{value}");
        }
        assert!(!is_upgrade(&Request::new(())));
    }
}
