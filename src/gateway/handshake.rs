//! Who is let in, and with which rights. Rights come from the server's own record, never from what a
//! client says of itself.

use serde_json::json;
use subtle::ConstantTimeEq;

use super::wire::Connect;
use crate::frame::ErrorBody;
use crate::methods::Scope;

/// The version of the protocol.
pub const PROTOCOL: u32 = 4;
/// Clients that only look may be one version behind.
pub const PROTOCOL_OF_PROBES: u32 = 3;

/// A client that is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// `operator` or `node`.
    pub role: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// By what it was known: `token`.
    pub method: &'static str,
}

/// A client that is not.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The answer to its `connect`.
    pub error: ErrorBody,
    /// The code its socket is closed with.
    pub close: u16,
}

/// Judges the first request of a client.
///
/// # Errors
/// Why it is not let in.
pub fn judge(connect: &Connect, token: &str) -> Result<Grant, Refusal> {
    check_version(connect)?;
    let shown = connect.auth.as_ref().and_then(|auth| auth.token.as_deref());
    match shown {
        Some(shown) if is_same(shown, token) => {
            let asked = connect.scopes.iter().filter_map(|name| Scope::named(name)).collect();
            let role = connect.role.clone().unwrap_or_else(|| "operator".into());
            Ok(Grant { role, scopes: asked, method: "token" })
        }
        Some(_) => {
            let message =
                "unauthorized: gateway token mismatch (provide gateway auth token)".to_owned();
            let details = json!({
                "code": "AUTH_TOKEN_MISMATCH",
                "authReason": "token_mismatch",
                "canRetryWithDeviceToken": false,
                "recommendedNextStep": "update_auth_credentials",
            });
            Err(Refusal { error: ErrorBody::invalid(message).with(details), close: 1008 })
        }
        None => {
            let error = ErrorBody {
                code: "NOT_PAIRED".into(),
                message: "device identity required".into(),
                details: Some(json!({"code": "DEVICE_IDENTITY_REQUIRED"})),
                ..ErrorBody::default()
            };
            Err(Refusal { error, close: 1008 })
        }
    }
}

fn check_version(connect: &Connect) -> Result<(), Refusal> {
    let is_probe = connect.client.mode == "probe"
        || (connect.role.as_deref() == Some("node") && connect.client.mode == "node");
    let oldest = if is_probe { PROTOCOL_OF_PROBES } else { PROTOCOL };
    if connect.min_protocol <= PROTOCOL && connect.max_protocol >= oldest {
        return Ok(());
    }
    let details = json!({
        "code": "PROTOCOL_MISMATCH",
        "clientMinProtocol": connect.min_protocol,
        "clientMaxProtocol": connect.max_protocol,
        "expectedProtocol": PROTOCOL,
        "minimumProbeProtocol": PROTOCOL_OF_PROBES,
    });
    let error = ErrorBody::invalid("protocol mismatch").with(details);
    Err(Refusal { error, close: 1002 })
}

/// Takes the same time whatever is wrong.
fn is_same(shown: &str, secret: &str) -> bool {
    !secret.is_empty() && bool::from(shown.as_bytes().ct_eq(secret.as_bytes()))
}
