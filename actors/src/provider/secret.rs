//! A key that must not end up in a log, an error or a debug print.

use std::fmt;

/// What stands where a secret was.
const HIDDEN: &str = "[hidden]";
/// Shortest secret that is looked for, in characters.
const HIDDEN_CHARS_MIN: usize = 6;

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
/// which begins like another leaves no tail behind. Those of less than [`HIDDEN_CHARS_MIN`]
/// characters stay: servers on one's own machine take any word for a key, and such words stand in
/// texts that have nothing to do with it.
pub(crate) fn hide(text: &str, secrets: &[Secret]) -> String {
    let mut words: Vec<&str> = secrets.iter().map(Secret::reveal).filter(is_guarding).collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words.iter().fold(text.to_owned(), |text, word| text.replace(word, HIDDEN))
}

fn is_guarding(word: &&str) -> bool {
    word.chars().count() >= HIDDEN_CHARS_MIN
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
        let secrets = [Secret::new("abcdef"), Secret::new("abcdefgh")];
        assert_eq!(hide("key abcdefgh!", &secrets), "key [hidden]!");
    }

    #[test]
    fn a_word_that_stands_for_a_key_tears_no_text() {
        let secrets = [Secret::new("k"), Secret::new("none")];
        assert_eq!(hide("mock fault: none", &secrets), "mock fault: none");
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
