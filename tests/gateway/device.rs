//! A device that proves who it is.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A device with a key.
pub(crate) struct Device(SigningKey);

impl Device {
    pub(crate) fn new(seed: u8) -> Self {
        Self(SigningKey::from_bytes(&[seed; 32]))
    }

    pub(crate) fn id(&self) -> String {
        let raw = self.0.verifying_key().to_bytes();
        Sha256::digest(raw).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Adds the proof to the parameters of `connect`.
    pub(crate) fn sign(&self, mut params: Value, nonce: &str, ts: i64, version: u8) -> Value {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let auth = &params["auth"];
        let secret = ["token", "deviceToken", "bootstrapToken"]
            .iter()
            .map(|key| text(&auth[*key]))
            .find(|secret| !secret.is_empty())
            .unwrap_or_default();
        let scopes: Vec<String> = params["scopes"].as_array().unwrap().iter().map(text).collect();
        let client = &params["client"];
        let mut payload = format!(
            "v{version}|{}|{}|{}|{}|{}|{ts}|{secret}|{nonce}",
            self.id(),
            text(&client["id"]),
            text(&client["mode"]),
            text(&params["role"]),
            scopes.join(","),
        );
        if version == 3 {
            let lower = |key: &str| text(&client[key]).to_lowercase();
            payload.push_str(&format!("|{}|{}", lower("platform"), lower("deviceFamily")));
        }
        let signature = self.0.sign(payload.as_bytes()).to_bytes();
        params["device"] = json!({
            "id": self.id(),
            "publicKey": URL_SAFE_NO_PAD.encode(self.0.verifying_key().to_bytes()),
            "signature": URL_SAFE_NO_PAD.encode(signature),
            "signedAt": ts,
            "nonce": nonce,
        });
        params
    }
}
