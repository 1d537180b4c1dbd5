//! Reading a body: never more than a limit, never longer than a deadline.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use futures_util::StreamExt;
use serde_json::Value;

use super::error::HttpError;

/// Time for a whole body. The largest takes this long at 700 kB/s.
const BODY_MAX: Duration = Duration::from_secs(30);

/// The whole body.
///
/// # Errors
/// 413 beyond `bytes_max`, 408 if it takes too long, 400 if it breaks off.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<Bytes, HttpError> {
    let stated = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if stated.is_some_and(|stated: u64| usize::try_from(stated).map_or(true, |it| it > bytes_max)) {
        return Err(too_large(bytes_max));
    }
    let late = || HttpError::new(408, "timeout", "the body took too long to arrive");
    tokio::time::timeout(BODY_MAX, collect(body, bytes_max)).await.map_err(|_| late())?
}

async fn collect(body: Body, bytes_max: usize) -> Result<Bytes, HttpError> {
    let mut pieces = body.into_data_stream();
    let mut whole: Vec<u8> = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece
            .map_err(|error| HttpError::invalid(format!("the body could not be read: {error}")))?;
        if whole.len() + piece.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.into())
}

/// A JSON object.
///
/// # Errors
/// 415 for another media type, 400 for anything else that is no JSON object.
pub(super) fn object(headers: &HeaderMap, body: &[u8]) -> Result<Value, HttpError> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind != "application/json" && !kind.ends_with("+json") {
        let text = format!("the body must be application/json, not {kind:?}");
        return Err(HttpError::new(415, "invalid_request_error", text));
    }
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| HttpError::invalid(format!("the body is no JSON: {error}")))?;
    if value.is_object() {
        return Ok(value);
    }
    Err(HttpError::invalid("the body must be a JSON object"))
}

fn too_large(bytes_max: usize) -> HttpError {
    let text = format!("the body is larger than {bytes_max} bytes");
    HttpError::new(413, "invalid_request_error", text).code("payload_too_large")
}
