//! `gateway.tls`: encryption on the gateway's own port.

use schemars::JsonSchema;
use serde::Deserialize;

/// Encryption on the port.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct GatewayTls {
    /// Whether the port speaks HTTPS and `wss://` only. Default: false. Said in so many words,
    /// false also allows a port beyond this machine that does not encrypt.
    pub enabled: bool,
    /// Whether a certificate and its key are made where both files are missing. Default: true.
    pub auto_generate: bool,
    /// The certificate, or its chain, as PEM. Default: `gateway/tls/gateway-cert.pem` in the state
    /// directory.
    pub cert_path: Option<String>,
    /// Its private key, as PEM. Default: `gateway/tls/gateway-key.pem` in the state directory.
    pub key_path: Option<String>,
    /// Certificates between that one and the authority that clients trust, as PEM. Default: none.
    pub ca_path: Option<String>,
}

impl Default for GatewayTls {
    fn default() -> Self {
        Self { enabled: false, auto_generate: true, cert_path: None, key_path: None, ca_path: None }
    }
}
