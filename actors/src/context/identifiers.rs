//! Names that a summary must keep to the letter: whoever needs one later can't guess it.

/// How many are asked for, the last ones mentioned: more would be a list and no summary.
const IDENTIFIERS_MAX: usize = 12;
/// Longest one that is asked for, in characters.
const CHARS_MAX: usize = 200;

/// The names in a text, each once, in the order in which they were last mentioned; the last
/// [`IDENTIFIERS_MAX`] of them.
pub(super) fn identifiers(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for word in text.split_whitespace().rev() {
        let word = word.trim_matches(|c: char| !(c.is_alphanumeric() || "#/@_~".contains(c)));
        if is_identifier(word) && !found.contains(&word) {
            found.push(word);
            if found.len() == IDENTIFIERS_MAX {
                break;
            }
        }
    }
    found.reverse();
    found
}

/// Whether a word is a name that has to be right to the letter: an address, a path, a number with
/// many digits, letters and digits mixed.
fn is_identifier(word: &str) -> bool {
    let chars = word.chars().count();
    if !(4..=CHARS_MAX).contains(&chars) {
        return false;
    }
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let letters = word.chars().filter(|c| c.is_alphabetic()).count();
    let is_address = word.contains("://") || (word.contains('@') && word.contains('.'));
    let is_path = word.starts_with(['/', '~']) && word.matches('/').count() >= 2 && letters > 0;
    is_address
        || is_path
        || (digits >= 1 && letters >= 1 && chars >= 6)
        || (digits >= 6)
        || (word.starts_with('#') && digits >= 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_told_from_words() {
        let text = "Please pay invoice INV-20931 (see https://pay.example/i/9) to anna@example.org, \
                    file ~/docs/bill.pdf, by 17:30 on the 3rd; call +491701234567 about #4711. Thanks!";
        let wanted = [
            "INV-20931",
            "https://pay.example/i/9",
            "anna@example.org",
            "~/docs/bill.pdf",
            "491701234567",
            "#4711",
        ];
        assert_eq!(identifiers(text), wanted);
    }

    proptest! {
        #[test]
        fn there_are_few_and_each_stands_in_the_text(text in "([a-z0-9#@./:]{0,12} ){0,40}") {
            let found = identifiers(&text);
            prop_assert!(found.len() <= IDENTIFIERS_MAX);
            for name in &found {
                prop_assert!(text.contains(name));
                prop_assert_eq!(found.iter().filter(|other| other == &name).count(), 1);
            }
        }
    }
}
