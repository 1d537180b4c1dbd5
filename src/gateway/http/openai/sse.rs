//! An answer as a stream of server-sent events, with a sign of life while nothing is said.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use futures_util::stream::unfold;
use serde_json::Value;

use super::turn::{Answer, Step, Turn};
use crate::gateway::http::error::HttpError;

/// Pause after which a comment is sent, so that proxies keep the connection.
const ALIVE_EVERY: Duration = Duration::from_secs(15);

/// How an answer is written, whole or in pieces.
pub(super) trait Shape {
    /// The whole answer.
    fn whole(&self, answer: &Answer) -> Value;
    /// The events before the first piece.
    fn begin(&mut self) -> Vec<Event>;
    /// The events of a piece.
    fn piece(&mut self, text: &str) -> Vec<Event>;
    /// The events of the end.
    fn done(&mut self, answer: &Answer) -> Vec<Event>;
    /// The events of an end without an answer.
    fn failed(&mut self, error: &HttpError) -> Vec<Event>;
}

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Event {
    /// Data by itself.
    Data(Value),
    /// Data under its own `type`.
    Named(Value),
    /// The end mark.
    End,
}

impl Event {
    fn write(&self, text: &mut String) {
        match self {
            Self::Data(data) => text.push_str(&format!("data: {data}\n\n")),
            Self::Named(data) => {
                let name = data["type"].as_str().unwrap_or_default();
                text.push_str(&format!("event: {name}\ndata: {data}\n\n"));
            }
            Self::End => text.push_str("data: [DONE]\n\n"),
        }
    }
}

struct Streamed<S> {
    turn: Turn,
    shape: S,
    phase: Phase,
}

enum Phase {
    Begin,
    Middle,
    Over,
}

/// The answer as a stream. Whoever leaves only ends the stream.
pub(super) fn stream<S: Shape + Send + 'static>(turn: Turn, shape: S) -> Response {
    let streamed = Streamed { turn, shape, phase: Phase::Begin };
    let pieces = unfold(streamed, |mut streamed| async {
        let text = streamed.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(text)), streamed))
    });
    let mut response = Response::new(Body::from_stream(pieces));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

impl<S: Shape> Streamed<S> {
    async fn next(&mut self) -> Option<String> {
        let events = match self.phase {
            Phase::Over => return None,
            Phase::Begin => {
                self.phase = Phase::Middle;
                self.shape.begin()
            }
            Phase::Middle => match tokio::time::timeout(ALIVE_EVERY, self.turn.next()).await {
                Err(_) => return Some(": still at it\n\n".to_owned()),
                Ok(Step::Text(text)) => self.shape.piece(&text),
                Ok(Step::Done(answer)) => {
                    self.phase = Phase::Over;
                    self.shape.done(&answer)
                }
                Ok(Step::Failed(error)) => {
                    self.phase = Phase::Over;
                    self.shape.failed(&error)
                }
            },
        };
        let mut text = String::new();
        for event in &events {
            event.write(&mut text);
        }
        // An empty piece would end the body's stream for some clients.
        Some(if text.is_empty() { ": \n\n".to_owned() } else { text })
    }
}
