//! How much of a tool's answer the model reads.

/// Characters of one result, whatever the model: beyond it a result crowds out the conversation.
pub const RESULT_CHARS_MAX: usize = 16_000;

/// The beginning and the end of a text that is longer than `max` characters, with a mark between
/// that says how much is missing.
pub fn cap(text: &str, max: usize) -> String {
    let chars = text.chars().count();
    if chars <= max {
        return text.to_owned();
    }
    let mark = |missing: usize| format!("\n[... {missing} characters left out ...]\n");
    let room = max.saturating_sub(mark(chars).chars().count());
    let (head, tail) = (room - room / 4, room / 4);
    let begin: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(chars - tail).collect();
    format!("{begin}{}{end}", mark(chars - head - tail))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_fits_stays_and_what_does_not_keeps_both_ends(text in "(?s).{0,400}", max in 60usize..300) {
            let capped = cap(&text, max);
            prop_assert!(capped.chars().count() <= max.max(text.chars().count().min(max)));
            if text.chars().count() <= max {
                prop_assert_eq!(capped, text);
            } else {
                prop_assert!(capped.contains("characters left out"));
                prop_assert_eq!(capped.chars().next(), text.chars().next());
            }
        }
    }
}
