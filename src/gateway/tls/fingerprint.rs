//! What a certificate is known by: the SHA-256 of its bytes.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// Shown as `AB:CD:...`; read with or without colons, in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a certificate's DER.
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl FromStr for Fingerprint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.trim().to_ascii_lowercase();
        let bare = lower.strip_prefix("sha256").unwrap_or(&lower);
        let bare = bare.trim_start_matches([':', '=', ' ']);
        let digits: Vec<u32> = bare
            .chars()
            .filter(|c| *c != ':')
            .map(|c| c.to_digit(16))
            .collect::<Option<_>>()
            .unwrap_or_default();
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return Err(format!("{text:?} is no SHA-256 fingerprint: 64 hex digits, or AB:CD:..."));
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::try_from(pair[0] * 16 + pair[1]).unwrap_or_default();
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_is_read_as_people_write_it() {
        let own = Fingerprint::of(b"certificate");
        let shown = own.to_string();
        assert_eq!(shown.len(), 32 * 3 - 1);
        for text in [
            shown.clone(),
            shown.to_lowercase(),
            shown.replace(':', ""),
            format!("sha256:{shown}"),
            format!("SHA256 {shown}"),
            format!(" sha256={shown}\n"),
        ] {
            assert_eq!(text.parse(), Ok(own), "{text}");
        }
        for text in ["", "sha256:", "AB:CD", "zz", &shown[1..], &format!("{shown}:00")] {
            assert!(text.parse::<Fingerprint>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_one_or_refused(text in ".{0,100}") {
            if let Ok(read) = text.parse::<Fingerprint>() {
                prop_assert_eq!(read.to_string().parse::<Fingerprint>(), Ok(read));
            }
        }
    }
}
