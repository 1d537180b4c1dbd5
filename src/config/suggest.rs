//! The nearest known word to one a person probably mistyped.

/// The candidate closest to `word`, when it is close enough to be what was meant.
///
/// A word may be wrong in about a third of its letters; differences of case count for nothing.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let lowered = word.to_lowercase();
    let edits_max = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (edits(&lowered, candidate), candidate))
        .filter(|&(edits, _)| edits <= edits_max)
        .min()
        .map(|(_, candidate)| candidate)
}

fn edits(lowered: &str, candidate: &str) -> usize {
    strsim::damerau_levenshtein(lowered, &candidate.to_lowercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEYS: [&str; 4] = ["dmPolicy", "allowFrom", "groupPolicy", "groups"];

    #[test]
    fn slips_of_the_finger_are_recognised() {
        for (typed, meant) in [
            ("dmpolicy", "dmPolicy"),
            ("dmPolcy", "dmPolicy"),
            ("alowFrom", "allowFrom"),
            ("allowForm", "allowFrom"),
            ("group", "groups"),
        ] {
            assert_eq!(nearest(typed, KEYS), Some(meant), "{typed}");
        }
    }

    #[test]
    fn unrelated_words_suggest_nothing() {
        assert_eq!(nearest("telegram", KEYS), None);
        assert_eq!(nearest("", KEYS), None);
    }

    proptest! {
        #[test]
        fn a_known_word_suggests_itself(index in 0..KEYS.len()) {
            prop_assert_eq!(nearest(KEYS[index], KEYS), Some(KEYS[index]));
        }

        #[test]
        fn a_suggestion_is_always_a_candidate(word in ".{0,20}") {
            if let Some(found) = nearest(&word, KEYS) {
                prop_assert!(KEYS.contains(&found));
            }
        }
    }
}
