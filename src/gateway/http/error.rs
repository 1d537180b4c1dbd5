//! What is told to a client that gets no answer: one shape for every path, which clients of OpenAI's
//! API understand.

use std::time::Duration;

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HttpError {
    pub(super) status: u16,
    /// The kind of error, for programs.
    pub(super) kind: &'static str,
    /// Which error, for programs.
    pub(super) code: Option<&'static str>,
    /// The parameter it is about.
    pub(super) param: Option<String>,
    /// A sentence.
    pub(super) message: String,
    pub(super) retry_after: Option<Duration>,
}

impl HttpError {
    pub(super) fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, kind, code: None, param: None, message, retry_after: None }
    }

    /// 400.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// 400 because of one parameter.
    pub(super) fn param(param: &str, message: impl Into<String>) -> Self {
        Self { param: Some(param.to_owned()), ..Self::invalid(message) }
    }

    /// 404.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "not_found", message)
    }

    /// 503, to be tried again.
    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, "unavailable", message).after(Duration::from_secs(1))
    }

    /// 500.
    pub(super) fn internal(message: impl ToString) -> Self {
        Self::new(500, "internal_error", message.to_string())
    }

    pub(super) fn code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    pub(super) fn after(self, pause: Duration) -> Self {
        Self { retry_after: Some(pause), ..self }
    }

    /// The error as a client of OpenAI's API reads it.
    pub(super) fn body(&self) -> Value {
        let Self { kind, code, param, message, .. } = self;
        json!({"message": message, "type": kind, "param": param, "code": code})
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = json!({"ok": false, "error": self.body()});
        let mut response = (status, axum::Json(body)).into_response();
        if let Some(pause) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(pause.as_secs().max(1)));
        }
        response
    }
}
