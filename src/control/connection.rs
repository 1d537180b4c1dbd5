//! One connection: reads requests, answers each, and streams events to a subscriber.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use telson_actors::event::JourneyEvent;
use tokio::net::UnixStream;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::codec::{AnyDelimiterCodec, AnyDelimiterCodecError, Framed};

use crate::engine::{Engine, LateEngine};
use crate::frame::{ErrorBody, FRAME_BYTES_MAX, Frame, Request, Response};
use crate::host::Host;
use crate::methods::{self, Call, Caller};

/// Subscribes this connection to journeys; the only request that is answered more than once.
const SUBSCRIBE: &str = "telson.events.subscribe";

/// Lines are bytes until somebody has looked whether they are text: a line that is none is a mistake
/// of its sender, and no reason to hang up.
type Wire = Framed<UnixStream, AnyDelimiterCodec>;

/// Serves a connection until either side closes it.
pub(super) async fn serve(stream: UnixStream, engine: LateEngine, host: Host) {
    let lines = AnyDelimiterCodec::new_with_max_length(b"\n".into(), b"\n".into(), FRAME_BYTES_MAX);
    let mut wire = Framed::new(stream, lines);
    while let Some(line) = wire.next().await {
        let frame = match line {
            Ok(line) => Frame::read(&line),
            Err(AnyDelimiterCodecError::MaxChunkLengthExceeded) => Err(ErrorBody::too_long()),
            Err(AnyDelimiterCodecError::Io(_)) => return,
        };
        let response = match frame {
            Ok(Frame::Req(request)) if request.method == SUBSCRIBE => {
                return stream_events(wire, &request, &engine).await;
            }
            Ok(Frame::Req(request)) => answer(request, &engine, &host).await,
            Ok(Frame::Res(_) | Frame::Event { .. }) => {
                Response::new("invalid", Err(ErrorBody::invalid("only requests are served here")))
            }
            Err(error) => Response::new("invalid", Err(error)),
        };
        if wire.send(Frame::Res(response).encode()).await.is_err() {
            return;
        }
    }
}

async fn answer(request: Request, engine: &LateEngine, host: &Host) -> Response {
    let result = match engine.get() {
        Some(engine) => {
            let (host, caller, params) = (host.clone(), Caller::local(), request.params);
            let call = Call { engine, host, params, caller, link: None };
            methods::call(&request.method, call).await
        }
        None => methods::call_absent(engine.absence(), &request.method),
    };
    Response::new(&request.id, result)
}

async fn stream_events(mut wire: Wire, request: &Request, engine: &LateEngine) {
    let Some(mut events) = engine.get().map(|engine: Engine| engine.events()) else {
        let error = ErrorBody::unavailable("the service is starting or stopping");
        drop(wire.send(Frame::Res(Response::new(&request.id, Err(error))).encode()).await);
        return;
    };
    let accepted = Frame::Res(Response::new(&request.id, Ok(json!({"subscribed": true}))));
    if wire.send(accepted.encode()).await.is_err() {
        return;
    }
    let mut seq = 0;
    loop {
        let (event, payload) = tokio::select! {
            event = next_event(&mut events) => match event {
                Some(event) => event,
                None => return,
            },
            // A subscriber says nothing more: anything it sends, or its end, ends the stream.
            _ = wire.next() => return,
        };
        seq += 1;
        if wire.send(Frame::Event { event, payload, seq }.encode()).await.is_err() {
            return;
        }
    }
}

/// The next event; a reader that fell behind is told so instead.
async fn next_event(events: &mut broadcast::Receiver<JourneyEvent>) -> Option<(String, Value)> {
    match events.recv().await {
        Ok(event) => Some(("journey".into(), serde_json::to_value(event).unwrap_or_default())),
        Err(RecvError::Lagged(missed)) => Some(("missed".into(), json!({"events": missed}))),
        Err(RecvError::Closed) => None,
    }
}
