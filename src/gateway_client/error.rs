//! Why a gateway could not be asked, in words that say what to do.

use super::Address;
use crate::frame::ErrorBody;
use crate::gateway::Fingerprint;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Nobody takes the connection.
    #[error("no gateway answers at {url}: {reason}")]
    NotThere {
        /// Where.
        url: String,
        /// What happened.
        reason: String,
    },
    /// Its certificate is another one than it should be.
    #[error(
        "the gateway at {url} shows another certificate than expected: {shown}; compare it with \
         `telson gateway status` on its machine: if it is the same there, it was renewed, and if \
         not, somebody stands between you and the gateway"
    )]
    OtherCertificate {
        /// Where.
        url: String,
        /// What it shows.
        shown: Fingerprint,
    },
    /// Nobody this machine trusts has signed its certificate.
    #[error(
        "the certificate of the gateway at {url} is not trusted: {reason}; if it made it itself, \
         give its fingerprint with --tls-fingerprint, as `telson gateway status` shows it there"
    )]
    Untrusted {
        /// Where.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something else than a gateway listens there.
    #[error("what listens at {url} is no gateway: {reason}")]
    NoGateway {
        /// Where.
        url: String,
        /// What it did.
        reason: String,
    },
    /// It does not let this program in.
    #[error("the gateway at {url} refuses this program: {}; {help}", .error.message)]
    NotLetIn {
        /// Where.
        url: String,
        /// What it says.
        error: ErrorBody,
        /// What to do.
        help: &'static str,
    },
    /// It answered a question with an error.
    #[error("{}", .0.message)]
    Refused(ErrorBody),
    /// The connection broke.
    #[error("the connection to the gateway at {url} is lost: {reason}")]
    Lost {
        /// Where.
        url: String,
        /// What happened.
        reason: String,
    },
    /// It did not answer in time.
    #[error("the gateway at {url} does not answer {method} within {seconds} s")]
    Late {
        /// Where.
        url: String,
        /// Which question.
        method: String,
        /// How long was waited.
        seconds: u64,
    },
}

impl GatewayError {
    /// A refusal of `connect`.
    pub(super) fn not_let_in(address: &Address, error: ErrorBody) -> Self {
        let code = error.details.as_ref().and_then(|details| details["code"].as_str());
        let help = match code.unwrap_or(&error.code) {
            "AUTH_TOKEN_MISMATCH" => {
                "check the token: --token, TELSON_GATEWAY_TOKEN, or the file gateway-token in the \
                 gateway's state directory"
            }
            "DEVICE_IDENTITY_REQUIRED" | "AUTH_TOKEN_MISSING" => {
                "give the token with --token or TELSON_GATEWAY_TOKEN"
            }
            "PROTOCOL_MISMATCH" => "one of the two programs is too old: update it",
            "AUTH_RATE_LIMITED" => "too many tries with a wrong token; wait and try again",
            "NOT_PAIRED" | "PAIRING_REQUIRED" => "approve it with `telson devices approve`",
            _ => "see the gateway's log",
        };
        Self::NotLetIn { url: address.to_string(), error, help }
    }
}
