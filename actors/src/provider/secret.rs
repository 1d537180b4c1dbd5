//! A key that must not end up in a log, an error or a debug print.

use std::fmt;

/// What stands where a secret was.
const HIDDEN: &str = "[hidden]";

/// A secret text. It leaves this type only through [`reveal`](Self::reveal).
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place which sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// A mark that tells whether it has changed. 32 bits of a checksum give nothing away that would
    /// help to guess a key.
    pub fn mark(&self) -> u32 {
        crc32fast::hash(self.0.as_bytes())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([hidden])")
    }
}

/// `text` with every occurrence of every secret replaced. Longer secrets go first, so that one
/// which begins like another leaves no tail behind.
pub(crate) fn hide(text: &str, secrets: &[Secret]) -> String {
    let mut words: Vec<&str> =
        secrets.iter().map(Secret::reveal).filter(|word| !word.is_empty()).collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words.iter().fold(text.to_owned(), |text, word| text.replace(word, HIDDEN))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert!(!format!("{:?}", Secret::new("sk-very-secret")).contains("very"));
    }

    #[test]
    fn the_longer_of_two_overlapping_secrets_leaves_no_tail() {
        let secrets = [Secret::new("abcd"), Secret::new("abcdefgh")];
        assert_eq!(hide("key abcdefgh!", &secrets), "key [hidden]!");
    }

    proptest! {
        #[test]
        fn a_hidden_secret_is_gone(before in ".*", after in ".*", secret in "[A-Z0-9_-]{8,60}") {
            let text = format!("{before}{secret}{after}");
            let hidden = hide(&text, &[Secret::new(secret.clone())]);
            prop_assert!(!hidden.contains(&secret));
        }

        #[test]
        fn text_without_secrets_is_unchanged(text in ".*") {
            prop_assert_eq!(hide(&text, &[Secret::new("")]), text);
        }
    }
}
