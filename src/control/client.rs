//! The asking side of the control socket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::UnixStream;
use tokio_util::codec::{Framed, LinesCodec};

use super::listener::socket_path;
use crate::frame::{ErrorBody, FRAME_BYTES_MAX, Frame, Request};

/// How long a question may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody listens.
    #[error("no telson is running on {dir}; start it with `telson run`")]
    NotRunning {
        /// The state directory.
        dir: PathBuf,
    },
    /// The socket is there, but cannot be used.
    #[error("cannot ask the telson running on {dir}: {reason}")]
    Broken {
        /// The state directory.
        dir: PathBuf,
        /// What happened.
        reason: String,
    },
    /// The service answered with an error.
    #[error("{}", .0.message)]
    Refused(ErrorBody),
}

/// A connection to a running service.
pub struct Client {
    wire: Framed<UnixStream, LinesCodec>,
    dir: PathBuf,
    asked: u64,
}

impl Client {
    /// Connects to the service of a state directory.
    ///
    /// # Errors
    /// [`CallError::NotRunning`] if there is none.
    pub async fn connect(state_dir: &Path) -> Result<Self, CallError> {
        let dir = state_dir.to_owned();
        match UnixStream::connect(socket_path(state_dir)).await {
            Ok(stream) => {
                let codec = LinesCodec::new_with_max_length(FRAME_BYTES_MAX);
                Ok(Self { wire: Framed::new(stream, codec), dir, asked: 0 })
            }
            Err(error) if is_nobody(&error) => Err(CallError::NotRunning { dir }),
            Err(error) => Err(CallError::Broken { dir, reason: error.to_string() }),
        }
    }

    /// Asks one question.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call(&mut self, method: &str, params: Value) -> Result<Value, CallError> {
        self.asked += 1;
        let id = self.asked.to_string();
        let request = Request { id: id.clone(), method: method.into(), params };
        let answer = tokio::time::timeout(ANSWER_MAX, async {
            self.wire
                .send(Frame::Req(request).encode())
                .await
                .map_err(|error| self.broken(error.to_string()))?;
            self.answer_to(&id).await
        });
        match answer.await {
            Ok(answer) => answer,
            Err(_) => Err(self.broken("no answer within 30 s")),
        }
    }

    /// The next event, after a subscription; `None` at the end of the stream.
    pub async fn event(&mut self) -> Option<(String, Value)> {
        loop {
            let line = self.wire.next().await?.ok()?;
            if let Ok(Frame::Event { event, payload, .. }) = Frame::parse(&line) {
                return Some((event, payload));
            }
        }
    }

    async fn answer_to(&mut self, id: &str) -> Result<Value, CallError> {
        while let Some(line) = self.wire.next().await {
            let line = line.map_err(|error| self.broken(error.to_string()))?;
            match Frame::parse(&line) {
                Ok(Frame::Res(response)) if response.id == id => {
                    return match response.error {
                        Some(error) => Err(CallError::Refused(error)),
                        None => Ok(response.payload.unwrap_or_default()),
                    };
                }
                Ok(_) => {}
                Err(error) => return Err(self.broken(error.message)),
            }
        }
        Err(self.broken("it closed the connection"))
    }

    fn broken(&self, reason: impl Into<String>) -> CallError {
        CallError::Broken { dir: self.dir.clone(), reason: reason.into() }
    }
}

/// No socket, or a socket nobody listens on any more.
fn is_nobody(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused)
}
