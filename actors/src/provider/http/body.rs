//! Reads a body with a limit on silence and on size: as events, as one document, or its beginning.

use std::time::Duration;

use eventsource_stream::{EventStream, EventStreamError};
use futures_util::{Stream, StreamExt, stream};
use tokio::time::timeout;

use super::sse::{DOCUMENT_BYTES_MAX, LineFault, Lines};

/// How much of an error answer is read: its type stands at the beginning.
const ERROR_BODY_BYTES_MAX: usize = 64 * 1024;

/// Why a body cannot be read further. `E` is the transport's own error.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BodyFault<E> {
    /// No byte came for too long.
    Silent,
    /// The connection broke.
    Broken(E),
    /// More bytes than the limit, which is told.
    TooLong(usize),
    /// What came is no text, or no events.
    Malformed,
}

impl<E> From<LineFault> for BodyFault<E> {
    fn from(fault: LineFault) -> Self {
        match fault {
            LineFault::TooLong(limit) => Self::TooLong(limit),
            LineFault::NotText => Self::Malformed,
        }
    }
}

/// The data of the events of a stream. Any byte ends a silence, a comment as well; only events come
/// out.
pub(super) fn events<B: AsRef<[u8]>, E>(
    body: impl Stream<Item = Result<B, E>>,
    idle: Duration,
    bytes_max: usize,
) -> impl Stream<Item = Result<String, BodyFault<E>>> {
    EventStream::new(lines(body, idle, bytes_max)).map(|event| match event {
        Ok(event) if event.data.len() > DOCUMENT_BYTES_MAX => {
            Err(BodyFault::TooLong(DOCUMENT_BYTES_MAX))
        }
        Ok(event) => Ok(event.data),
        Err(EventStreamError::Transport(fault)) => Err(fault),
        Err(EventStreamError::Utf8(_) | EventStreamError::Parser(_)) => Err(BodyFault::Malformed),
    })
}

/// The JSON documents of a stream that has one in each line.
pub(super) fn documents<B: AsRef<[u8]>, E>(
    body: impl Stream<Item = Result<B, E>>,
    idle: Duration,
    bytes_max: usize,
) -> impl Stream<Item = Result<String, BodyFault<E>>> {
    lines(body, idle, bytes_max).map(|line| Ok(line?.trim().to_owned()))
}

fn lines<B: AsRef<[u8]>, E>(
    body: impl Stream<Item = Result<B, E>>,
    idle: Duration,
    bytes_max: usize,
) -> impl Stream<Item = Result<String, BodyFault<E>>> {
    let start = (Box::pin(body), Lines::new(bytes_max));
    stream::try_unfold(start, move |(mut body, mut lines)| async move {
        loop {
            if let Some(line) = lines.next_line()? {
                return Ok(Some((line, (body, lines))));
            }
            match next_piece(&mut body, idle).await? {
                Some(piece) => lines.push(piece.as_ref())?,
                None => return Ok(None),
            }
        }
    })
}

/// The whole body as text, at most one document long.
pub(super) async fn whole<B: AsRef<[u8]>, E>(
    body: impl Stream<Item = Result<B, E>>,
    idle: Duration,
    bytes_max: usize,
) -> Result<String, BodyFault<E>> {
    document(body, idle, bytes_max.min(DOCUMENT_BYTES_MAX)).await
}

/// The whole body as text.
pub(super) async fn document<B: AsRef<[u8]>, E>(
    body: impl Stream<Item = Result<B, E>>,
    idle: Duration,
    limit: usize,
) -> Result<String, BodyFault<E>> {
    let mut body = Box::pin(body);
    let mut bytes = Vec::new();
    while let Some(piece) = next_piece(&mut body, idle).await? {
        let piece = piece.as_ref();
        if bytes.len().saturating_add(piece.len()) > limit {
            return Err(BodyFault::TooLong(limit));
        }
        bytes.extend_from_slice(piece);
    }
    String::from_utf8(bytes).map_err(|_| BodyFault::Malformed)
}

/// What can be had of an error body within `patience`. Its status is known already, so a body
/// that breaks or never ends costs nothing but words.
pub(super) async fn beginning<B: AsRef<[u8]>, E>(
    body: impl Stream<Item = Result<B, E>>,
    patience: Duration,
) -> String {
    let mut body = Box::pin(body);
    let mut bytes = Vec::new();
    let reading = async {
        while bytes.len() < ERROR_BODY_BYTES_MAX {
            let Some(Ok(piece)) = body.next().await else {
                break;
            };
            bytes.extend_from_slice(piece.as_ref());
        }
    };
    // An elapsed patience leaves what has been read so far.
    drop(timeout(patience, reading).await);
    bytes.truncate(ERROR_BODY_BYTES_MAX);
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn next_piece<B, E>(
    body: &mut (impl Stream<Item = Result<B, E>> + Unpin),
    idle: Duration,
) -> Result<Option<B>, BodyFault<E>> {
    match timeout(idle, body.next()).await {
        Ok(piece) => piece.transpose().map_err(BodyFault::Broken),
        Err(_) => Err(BodyFault::Silent),
    }
}

#[cfg(test)]
mod tests;
