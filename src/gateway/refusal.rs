//! How clients are refused: in the words their programs understand.

use serde_json::{Value, json};

use super::device_proof::ProofError;
use super::handshake::{PROTOCOL, PROTOCOL_OF_PROBES};
use super::wire::Connect;
use crate::frame::ErrorBody;

/// A client that is not let in.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The answer to its `connect`.
    pub error: ErrorBody,
    /// The code its socket is closed with.
    pub close: u16,
}

impl Refusal {
    /// With this sentence and these details.
    pub(super) fn invalid(message: impl Into<String>, details: Value) -> Self {
        Self { error: ErrorBody::invalid(message).with(details), close: 1008 }
    }

    /// Something about the request itself is wrong.
    pub(super) fn plain(message: impl Into<String>) -> Self {
        Self { error: ErrorBody::invalid(message), close: 1008 }
    }

    /// A secret that is wrong or missing, or another reason to mistrust it.
    pub(super) fn unauthorized(code: &str, reason: &str, what: &str) -> Self {
        let next = match reason {
            "token_missing" | "password_missing" => "update_auth_configuration",
            _ => "update_auth_credentials",
        };
        let details = json!({
            "code": code,
            "authReason": reason,
            "canRetryWithDeviceToken": false,
            "recommendedNextStep": next,
        });
        Self::invalid(format!("unauthorized: {what}"), details)
    }

    /// The same for a device that may try its own token.
    pub(super) fn or_with_device_token(mut self) -> Self {
        if let Some(details) = &mut self.error.details {
            details["canRetryWithDeviceToken"] = json!(true);
            details["recommendedNextStep"] = json!("retry_with_device_token");
        }
        self
    }

    /// Too many wrong guesses.
    pub(super) fn too_many(wait_ms: u64) -> Self {
        let details = json!({
            "code": "AUTH_RATE_LIMITED",
            "authReason": "rate_limited",
            "canRetryWithDeviceToken": false,
            "recommendedNextStep": "wait_then_retry",
        });
        let what = "unauthorized: too many failed authentication attempts (retry later)";
        let mut refusal = Self::invalid(what, details);
        refusal.error.retryable = true;
        refusal.error.retry_after_ms = Some(wait_ms);
        refusal
    }

    pub(super) fn proof(error: ProofError) -> Self {
        let (code, reason, text) = error.texts();
        Self::invalid(text, json!({"code": code, "reason": reason}))
    }

    pub(super) fn version(connect: &Connect) -> Self {
        let details = json!({
            "code": "PROTOCOL_MISMATCH",
            "clientMinProtocol": connect.min_protocol,
            "clientMaxProtocol": connect.max_protocol,
            "expectedProtocol": PROTOCOL,
            "minimumProbeProtocol": PROTOCOL_OF_PROBES,
        });
        Self { close: 1002, ..Self::invalid("protocol mismatch", details) }
    }

    pub(super) fn foreign_page() -> Self {
        let text = "origin not allowed (open the Control UI from the gateway host or allow it in \
                    gateway.controlUi.allowedOrigins)";
        let details =
            json!({"code": "CONTROL_UI_ORIGIN_NOT_ALLOWED", "reason": "origin not allowed"});
        Self::invalid(text, details)
    }

    pub(super) fn device_required() -> Self {
        Self::not_paired("device identity required", json!({"code": "DEVICE_IDENTITY_REQUIRED"}))
    }

    /// A person has to approve it first.
    pub(super) fn pairing_required(reason: Reason, request: &str) -> Self {
        let (name, text) = reason.texts();
        let details = json!({
            "code": "PAIRING_REQUIRED",
            "reason": name,
            "requestId": request,
        });
        Self::not_paired(format!("pairing required: {text}"), details)
    }

    fn not_paired(message: impl Into<String>, details: Value) -> Self {
        let error = ErrorBody {
            code: "NOT_PAIRED".into(),
            message: message.into(),
            details: Some(details),
            ..ErrorBody::default()
        };
        Self { error, close: 1008 }
    }

    /// It can't be judged at the moment.
    pub(super) fn later(error: impl ToString) -> Self {
        Self { error: ErrorBody::unavailable(error.to_string()), close: 1013 }
    }
}

/// What has to be approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The device itself.
    NotPaired,
    /// Another role.
    RoleUpgrade,
    /// More rights.
    ScopeUpgrade,
}

impl Reason {
    fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::NotPaired => ("not-paired", "device is not approved yet"),
            Self::RoleUpgrade => {
                ("role-upgrade", "device is asking for a higher role than currently approved")
            }
            Self::ScopeUpgrade => {
                ("scope-upgrade", "device is asking for more scopes than currently approved")
            }
        }
    }
}
