//! How a command ends when it can't do what it was asked.

use std::process::ExitCode;

use serde_json::json;

use super::output::Output;
use crate::control::CallError;
use crate::demo::service::ServiceError;
use crate::gateway_client::GatewayError;

/// The exit code for a bad config, a held lock or a taken port: a supervisor must not retry it.
const CONFIG: u8 = 78;

/// A failure with its exit code and a text for people.
#[derive(Debug)]
pub(super) struct Failure {
    code: u8,
    kind: &'static str,
    message: String,
}

impl Failure {
    /// The command did not work.
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self { code: 1, kind: "failed", message: message.into() }
    }

    /// What was asked makes no sense.
    pub(super) fn rejected(message: impl Into<String>) -> Self {
        Self { code: 2, kind: "rejected", message: message.into() }
    }

    /// A person has to change the config or the surroundings first.
    pub(super) fn config(message: impl Into<String>) -> Self {
        Self { code: CONFIG, kind: "config", message: message.into() }
    }

    /// The text for people.
    pub(super) fn text(&self) -> &str {
        &self.message
    }

    /// Says so and gives the exit code.
    pub(super) fn report(self, output: &Output) -> ExitCode {
        let document = json!({"ok": false, "error": {"type": self.kind, "message": self.message}});
        output.failure(&document, &self.message);
        ExitCode::from(self.code)
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let message = error.to_string();
        match error {
            CallError::Refused(body) if body.code == "INVALID_REQUEST" => Self::rejected(message),
            CallError::Refused(_) | CallError::NotRunning { .. } | CallError::Broken { .. } => {
                Self::failed(message)
            }
        }
    }
}

impl From<GatewayError> for Failure {
    fn from(error: GatewayError) -> Self {
        let message = error.to_string();
        match error {
            GatewayError::Refused(body) if body.code == "INVALID_REQUEST" => {
                Self::rejected(message)
            }
            _ => Self::failed(message),
        }
    }
}
