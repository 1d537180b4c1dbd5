//! A device's proof that it holds its key: an Ed25519 signature over what it asks for.
//!
//! ```text
//! v3|deviceId|clientId|clientMode|role|scopes by comma|signedAt|token|nonce|platform|deviceFamily
//! v2|deviceId|clientId|clientMode|role|scopes by comma|signedAt|token|nonce
//! ```

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

use super::wire::{Connect, DeviceProof};

/// Text as clients write keys and signatures.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a proof is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofError {
    /// The key can't be read, or is none.
    PublicKeyInvalid,
    /// The id is not the key's fingerprint.
    DeviceIdMismatch,
    /// It does not belong to this challenge.
    SignatureExpired,
    /// It names no challenge.
    NonceRequired,
    /// It names another one.
    NonceMismatch,
    /// The key has not signed this.
    SignatureInvalid,
}

impl ProofError {
    /// Code, reason and sentence, as clients know them.
    pub fn texts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::PublicKeyInvalid => {
                ("DEVICE_AUTH_PUBLIC_KEY_INVALID", "device-public-key", "device public key invalid")
            }
            Self::DeviceIdMismatch => {
                ("DEVICE_AUTH_DEVICE_ID_MISMATCH", "device-id-mismatch", "device identity mismatch")
            }
            Self::SignatureExpired => (
                "DEVICE_AUTH_SIGNATURE_EXPIRED",
                "device-signature-stale",
                "device signature expired",
            ),
            Self::NonceRequired => {
                ("DEVICE_AUTH_NONCE_REQUIRED", "device-nonce-missing", "device nonce required")
            }
            Self::NonceMismatch => {
                ("DEVICE_AUTH_NONCE_MISMATCH", "device-nonce-mismatch", "device nonce mismatch")
            }
            Self::SignatureInvalid => {
                ("DEVICE_AUTH_SIGNATURE_INVALID", "device-signature", "device signature invalid")
            }
        }
    }
}

/// The id of a device with this key.
pub fn device_id(public_key: &[u8]) -> String {
    crate::hex::hex(&Sha256::digest(public_key))
}

/// Checks a proof against the challenge it answers.
///
/// # Errors
/// Why it is none.
pub fn check(
    proof: &DeviceProof,
    connect: &Connect,
    nonce: &str,
    ts: i64,
) -> Result<(), ProofError> {
    let raw = BASE64.decode(&proof.public_key).map_err(|_| ProofError::PublicKeyInvalid)?;
    let raw: [u8; 32] = raw.try_into().map_err(|_| ProofError::PublicKeyInvalid)?;
    if proof.id != device_id(&raw) {
        return Err(ProofError::DeviceIdMismatch);
    }
    let key = VerifyingKey::from_bytes(&raw).map_err(|_| ProofError::PublicKeyInvalid)?;
    if proof.signed_at != ts {
        return Err(ProofError::SignatureExpired);
    }
    match proof.nonce.as_deref() {
        None | Some("") => return Err(ProofError::NonceRequired),
        Some(shown) if shown != nonce => return Err(ProofError::NonceMismatch),
        Some(_) => {}
    }
    let signature = BASE64.decode(&proof.signature).map_err(|_| ProofError::SignatureInvalid)?;
    let signature = Signature::from_slice(&signature).map_err(|_| ProofError::SignatureInvalid)?;
    let [newer, older] = payloads(proof, connect, nonce);
    // A strict check: a weak key can't have signed everything.
    let has_signed = |text: &str| key.verify_strict(text.as_bytes(), &signature).is_ok();
    if has_signed(&newer) || has_signed(&older) {
        Ok(())
    } else {
        Err(ProofError::SignatureInvalid)
    }
}

/// What a device signs, newest version first.
pub fn payloads(proof: &DeviceProof, connect: &Connect, nonce: &str) -> [String; 2] {
    let auth = connect.auth.as_ref();
    let secret = auth.and_then(|auth| {
        let mut shown = [&auth.token, &auth.device_token, &auth.bootstrap_token].into_iter();
        shown.find_map(|secret| secret.as_deref().filter(|secret| !secret.is_empty()))
    });
    let client = &connect.client;
    let lower = |text: &str| text.trim().to_ascii_lowercase();
    let common = format!(
        "{}|{}|{}|{}|{}|{}|{}|{nonce}",
        proof.id,
        client.id,
        client.mode,
        connect.role.as_deref().unwrap_or("operator"),
        connect.scopes.join(","),
        proof.signed_at,
        secret.unwrap_or_default(),
    );
    let platform = lower(&client.platform);
    let family = lower(client.device_family.as_deref().unwrap_or_default());
    [format!("v3|{common}|{platform}|{family}"), format!("v2|{common}")]
}

#[cfg(test)]
pub(super) mod tests {
    use ed25519_dalek::{Signer, SigningKey};
    use serde_json::json;

    use super::*;

    /// A `connect` of a device, signed for a challenge.
    pub(crate) fn signed(seed: u8, mut connect: serde_json::Value, version: usize) -> Connect {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let raw = key.verifying_key().to_bytes();
        connect["device"] = json!({
            "id": device_id(&raw), "publicKey": BASE64.encode(raw), "signature": "",
            "signedAt": 1000, "nonce": "nonce",
        });
        let mut connect: Connect = serde_json::from_value(connect).unwrap();
        let proof = connect.device.clone().unwrap();
        let payload = payloads(&proof, &connect, "nonce")[version].clone();
        let signature = BASE64.encode(key.sign(payload.as_bytes()).to_bytes());
        connect.device.as_mut().unwrap().signature = signature;
        connect
    }

    fn connect() -> serde_json::Value {
        json!({
            "minProtocol": 4, "maxProtocol": 4, "role": "operator", "scopes": ["operator.read"],
            "client": {"id": "cli", "version": "1", "platform": "linux", "deviceFamily": "Linux", "mode": "cli"},
            "auth": {"token": "secret"},
        })
    }

    fn verdict(connect: &Connect) -> Result<(), ProofError> {
        check(connect.device.as_ref().unwrap(), connect, "nonce", 1000)
    }

    #[test]
    fn a_recorded_signature_is_good() {
        // As the incumbent's own client signed it.
        let connect: Connect = serde_json::from_value(json!({
            "minProtocol": 4, "maxProtocol": 4, "role": "operator", "scopes": ["operator.read"],
            "client": {"id": "cli", "version": "2026.9.6", "platform": "linux", "deviceFamily": "Linux", "mode": "cli"},
            "auth": {"token": "tok-test-0123456789abcdef"},
            "device": {
                "id": "b2250b9267285816348757f980ff30584126679ed12a936128b248fd920bcdbe",
                "publicKey": "8HdUx4IgguIPn_7L2X1tjCsYAUEM80vDbdjLzuLAGeo",
                "signature": "71SYNXYqSxZr4LZQj18Wt2soN0OCSB5Rra3BfpmlUhAQZMLVpouGlSC9xK-7Pwmxqvw3cyPP09FS5yq9tHY5Dg",
                "signedAt": 1_795_219_279_407_i64, "nonce": "71c5526e-8753-47f0-ae21-cf16384766fe",
            },
        }))
        .unwrap();
        let (nonce, ts) = ("71c5526e-8753-47f0-ae21-cf16384766fe", 1_795_219_279_407);
        assert_eq!(check(connect.device.as_ref().unwrap(), &connect, nonce, ts), Ok(()));
    }

    #[test]
    fn both_versions_are_good_and_bind_everything_they_say() {
        for version in [0, 1] {
            let good = signed(1, connect(), version);
            assert_eq!(verdict(&good), Ok(()));
            let mut other = good.clone();
            other.scopes = vec!["operator.admin".into()];
            assert_eq!(verdict(&other), Err(ProofError::SignatureInvalid));
            let mut other = good.clone();
            other.auth.as_mut().unwrap().token = Some("another".into());
            assert_eq!(verdict(&other), Err(ProofError::SignatureInvalid));
            let mut other = good.clone();
            other.role = Some("node".into());
            assert_eq!(verdict(&other), Err(ProofError::SignatureInvalid));
            let mut other = good;
            other.client.platform = "macos".into();
            let expected = if version == 0 { Err(ProofError::SignatureInvalid) } else { Ok(()) };
            assert_eq!(verdict(&other), expected, "only v3 binds the platform");
        }
    }

    #[test]
    fn every_way_to_be_wrong_has_its_name() {
        let wrong = |change: fn(&mut DeviceProof)| {
            let mut connect = signed(1, connect(), 0);
            change(connect.device.as_mut().unwrap());
            verdict(&connect).unwrap_err()
        };
        assert_eq!(wrong(|proof| proof.public_key = "?".into()), ProofError::PublicKeyInvalid);
        assert_eq!(wrong(|proof| proof.public_key = "AAAA".into()), ProofError::PublicKeyInvalid);
        assert_eq!(wrong(|proof| proof.id = "00".into()), ProofError::DeviceIdMismatch);
        assert_eq!(wrong(|proof| proof.id.make_ascii_uppercase()), ProofError::DeviceIdMismatch);
        assert_eq!(wrong(|proof| proof.signed_at += 1), ProofError::SignatureExpired);
        assert_eq!(wrong(|proof| proof.nonce = None), ProofError::NonceRequired);
        assert_eq!(wrong(|proof| proof.nonce = Some("x".into())), ProofError::NonceMismatch);
        assert_eq!(wrong(|proof| proof.signature = "A".repeat(86)), ProofError::SignatureInvalid);
        assert_eq!(wrong(|proof| proof.signature = "A".into()), ProofError::SignatureInvalid);
    }
}
