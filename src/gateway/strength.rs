//! Secrets that are easily guessed.

/// Shortest secret that counts as a good one, in characters.
const CHARS_MIN: usize = 24;
/// Fewest different characters of one.
const DIFFERENT_MIN: usize = 8;

/// Why a secret is easily guessed; nothing if it is not.
pub(crate) fn weakness(secret: &str) -> Option<&'static str> {
    let chars: std::collections::BTreeSet<char> = secret.chars().collect();
    if secret.trim() != secret {
        return Some("it begins or ends with a space");
    }
    if secret.chars().count() < CHARS_MIN {
        return Some("it has fewer than 24 characters");
    }
    (chars.len() < DIFFERENT_MIN).then_some("it repeats a few characters")
}

#[cfg(test)]
mod tests {
    use super::weakness;

    #[test]
    fn what_can_be_guessed_is_named() {
        for bad in ["", "hunter2", "password1234567890", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
            assert!(weakness(bad).is_some(), "{bad}");
        }
        assert!(weakness(" 0123456789abcdef0123456789abcdef").is_some());
        assert_eq!(weakness("tok-test-0123456789abcdef"), None);
    }
}
