//! Values as bytes: a version, a checksum over key and payload, then bincode.
//!
//! ```text
//! 0        version of the record type
//! 1..5     CRC-32 of key, version and payload, little-endian
//! 5..      bincode 2 (serde, standard configuration)
//! ```
//!
//! The checksum covers the key, so a value that turns up under another key is found out too.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::key::Key;

pub(super) const HEADER_BYTES: usize = 5;

/// A type that is stored. A change of its layout needs a new version and a migration.
pub trait Record: Serialize + DeserializeOwned {
    /// The layout's version.
    const VERSION: u8;

    /// A record from the payload of an older layout; nothing if that one is not known any more.
    fn from_older(_version: u8, _payload: &[u8]) -> Option<Self> {
        None
    }
}

/// The payload of an older layout, as the type it had.
pub fn older<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
    bincode::serde::decode_from_slice(payload, bincode::config::standard())
        .ok()
        .map(|(record, _)| record)
}

/// Why stored bytes are not the record they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The checksum does not match: the value was damaged or moved.
    #[error("damaged record: checksum mismatch")]
    Checksum,
    /// Shorter than its header.
    #[error("damaged record: {0} bytes is too short")]
    TooShort(usize),
    /// Written by another version of the program.
    #[error("record version {found} is not {known}: use the program version that wrote it")]
    Version {
        /// In the store.
        found: u8,
        /// In this program.
        known: u8,
    },
    /// The payload is not what the type says.
    #[error("unreadable record: {0}")]
    Payload(String),
}

/// Encodes a record for a key.
pub fn encode<R: Record>(key: &Key, record: &R) -> Vec<u8> {
    let mut bytes = vec![R::VERSION, 0, 0, 0, 0];
    // Writing to a Vec cannot fail, and our records hold nothing bincode refuses.
    if let Err(error) =
        bincode::serde::encode_into_std_write(record, &mut bytes, bincode::config::standard())
    {
        tracing::error!(%error, "record could not be encoded");
    }
    let sum = checksum(key, bytes[0], &bytes[HEADER_BYTES..]);
    bytes[1..HEADER_BYTES].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// Decodes the record of a key.
pub fn decode<R: Record>(key: &Key, bytes: &[u8]) -> Result<R, RecordError> {
    let (version, payload) = check(key, bytes)?;
    if version != R::VERSION {
        let known = R::VERSION;
        let older = (version < known).then(|| R::from_older(version, payload)).flatten();
        return older.ok_or(RecordError::Version { found: version, known });
    }
    bincode::serde::decode_from_slice(payload, bincode::config::standard())
        .map(|(record, _)| record)
        .map_err(|error| RecordError::Payload(error.to_string()))
}

/// The version and the payload of a sound value, whatever its type.
pub(super) fn check<'a>(key: &Key, bytes: &'a [u8]) -> Result<(u8, &'a [u8]), RecordError> {
    let Some((header, payload)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(RecordError::TooShort(bytes.len()));
    };
    let [version, sum @ ..] = *header;
    if checksum(key, version, payload) != u32::from_le_bytes(sum) {
        return Err(RecordError::Checksum);
    }
    Ok((version, payload))
}

fn checksum(key: &Key, version: u8, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key.as_bytes());
    hasher.update(&[version]);
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::super::key::Space;
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Sample {
        number: u64,
        text: String,
        list: Vec<Option<bool>>,
    }

    impl Record for Sample {
        const VERSION: u8 = 3;
    }

    #[derive(Debug, Serialize, Deserialize)]
    struct Newer;

    impl Record for Newer {
        const VERSION: u8 = 4;
    }

    fn key() -> Key {
        Key::of(Space::Meta).text("sample")
    }

    #[test]
    fn the_stored_bytes_are_golden() {
        // A change here is a change of the stored format: it needs a migration, not a new literal.
        let sample = Sample { number: 300, text: "hi".into(), list: vec![None, Some(true)] };
        let bytes = encode(&key(), &sample);
        assert_eq!(bytes[0], 3);
        assert_eq!(&bytes[5..], [251, 44, 1, 2, b'h', b'i', 2, 0, 1, 1]);
    }

    #[test]
    fn another_version_is_refused() {
        let bytes = encode(&key(), &Sample { number: 1, text: String::new(), list: vec![] });
        let error = decode::<Newer>(&key(), &bytes).unwrap_err();
        assert_eq!(error, RecordError::Version { found: 3, known: 4 });
    }

    proptest! {
        #[test]
        fn round_trip(number: u64, text: String, list: Vec<Option<bool>>) {
            let sample = Sample { number, text, list };
            let bytes = encode(&key(), &sample);
            prop_assert_eq!(decode::<Sample>(&key(), &bytes).unwrap(), sample);
        }

        #[test]
        fn every_flipped_bit_is_found(text in ".{0,40}", at: prop::sample::Index, bit in 0u8..8) {
            let sample = Sample { number: 7, text, list: vec![] };
            let mut bytes = encode(&key(), &sample);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(decode::<Sample>(&key(), &bytes).is_err());
        }

        #[test]
        fn never_panics(bytes: Vec<u8>) {
            prop_assert!(decode::<Sample>(&key(), &bytes).is_err());
        }
    }
}
