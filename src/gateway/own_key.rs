//! Who this gateway is: a key of its own, made once and kept in the state directory.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use sha2::{Digest, Sha256};

use crate::hex::hex;

/// The file of the key, in the state directory.
const KEY_FILE: &str = "gateway-identity";

/// What others know this gateway by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The fingerprint of its key, in hex.
    pub(crate) device_id: String,
    /// Its public key, in base64 for URLs.
    pub(crate) public_key: String,
}

impl Identity {
    /// The identity kept in this directory; a new one if there is none.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub(crate) fn kept_in(state_dir: &Path) -> Result<Self, String> {
        let path = state_dir.join(KEY_FILE);
        let broken = |error: String| format!("{}: {error}", path.display());
        let seed = match std::fs::read(&path) {
            Ok(bytes) => <[u8; 32]>::try_from(bytes.as_slice())
                .map_err(|_| broken("not a key of 32 bytes; move it away to get a new one".into())),
            Err(error) if error.kind() == ErrorKind::NotFound => make(&path).map_err(broken),
            Err(error) => Err(broken(error.to_string())),
        }?;
        let public = SigningKey::from_bytes(&seed).verifying_key().to_bytes();
        let device_id = hex(&Sha256::digest(public));
        Ok(Self { device_id, public_key: URL_SAFE_NO_PAD.encode(public) })
    }
}

fn make(path: &Path) -> Result<[u8; 32], String> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| format!("no randomness: {error}"))?;
    let mut options = OpenOptions::new();
    let file = options.create_new(true).write(true).mode(0o600).open(path);
    file.and_then(|mut file| {
        file.write_all(&seed)?;
        file.sync_all()
    })
    .map_err(|error| error.to_string())?;
    Ok(seed)
}

/// SHA-256 of a text, in hex.
pub(crate) fn hash(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// A name made of a text: the first 128 bits of its SHA-256, written like a UUID.
pub(crate) fn short_hash(text: &str) -> String {
    let hash = hash(text);
    let part = |from: usize, to: usize| hash.get(from..to).unwrap_or_default().to_owned();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let first = Identity::kept_in(dir.path()).unwrap();
        assert_eq!(Identity::kept_in(dir.path()).unwrap(), first);
        assert_eq!((first.device_id.len(), first.public_key.len()), (64, 43));
        std::fs::write(dir.path().join(KEY_FILE), "short").unwrap();
        assert!(Identity::kept_in(dir.path()).unwrap_err().contains(KEY_FILE));
    }

    #[test]
    fn a_short_hash_looks_like_a_uuid() {
        assert_eq!(short_hash("a").len(), 36);
        assert_ne!(short_hash("a"), short_hash("b"));
    }
}
