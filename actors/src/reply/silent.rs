//! An agent that has nothing to say says the silent token, and nothing is sent.

/// What an agent answers to say nothing. Case does not matter; anything beside it does.
pub const SILENT_TOKEN: &str = "NO_REPLY";

/// Whether an answer is nothing but the token.
pub fn is_silent(answer: &str) -> bool {
    answer.trim().eq_ignore_ascii_case(SILENT_TOKEN)
}

/// Keeps back the beginning of a streamed answer while it may still become the token: a person
/// must not see `NO_` and then nothing.
#[derive(Debug, Default)]
pub struct Holdback {
    held: String,
    is_open: bool,
}

impl Holdback {
    /// Takes a piece; gives what may be shown now, which may be nothing.
    pub fn push<'a>(&'a mut self, piece: &'a str) -> &'a str {
        if self.is_open {
            return piece;
        }
        self.held.push_str(piece);
        if may_become_silent(&self.held) {
            return "";
        }
        self.is_open = true;
        &self.held
    }

    /// The end of the answer: what was kept back and is not the token after all.
    pub fn finish(self) -> Option<String> {
        let rest = !self.is_open && !self.held.is_empty() && !is_silent(&self.held);
        rest.then_some(self.held)
    }
}

fn may_become_silent(text: &str) -> bool {
    let begun = text.trim_start();
    let word = begun.trim_end();
    // White space inside the token ends it; behind the whole token it may go on.
    let is_cut = word.len() < begun.len() && word.len() < SILENT_TOKEN.len() && !word.is_empty();
    !is_cut && SILENT_TOKEN.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn streamed(pieces: &[String]) -> (Vec<String>, Option<String>) {
        let mut holdback = Holdback::default();
        let shown = pieces.iter().map(|piece| holdback.push(piece).to_owned()).collect();
        (shown, holdback.finish())
    }

    #[test]
    fn only_the_token_alone_is_silence() {
        for text in ["NO_REPLY", "no_reply", " No_Reply\n"] {
            assert!(is_silent(text), "{text:?}");
        }
        for text in ["", "NO_REPLY.", "NO REPLY", "NO_REPLY because", "**NO_REPLY**"] {
            assert!(!is_silent(text), "{text:?}");
        }
    }

    #[test]
    fn the_first_piece_of_another_answer_is_not_kept_back() {
        assert_eq!(Holdback::default().push("Hello"), "Hello");
        assert_eq!(Holdback::default().push("No problem"), "No problem");
        assert_eq!(Holdback::default().push("No "), "No ");
    }

    fn pieces() -> impl Strategy<Value = Vec<String>> {
        let piece = prop_oneof![
            "[NORno_EPLYeply ]{0,4}",
            Just("NO_".into()),
            Just("REPLY".into()),
            ".{0,6}"
        ];
        prop::collection::vec(piece, 0..6)
    }

    proptest! {
        #[test]
        fn everything_is_shown_once_and_of_the_token_nothing(pieces in pieces()) {
            let text = pieces.concat();
            let (shown, rest) = streamed(&pieces);
            let all = shown.concat() + rest.as_deref().unwrap_or_default();
            if is_silent(&text) {
                prop_assert_eq!(all, "");
            } else {
                prop_assert_eq!(all, text);
            }
        }

        #[test]
        fn nothing_is_shown_that_might_have_been_silence(pieces in pieces()) {
            let (shown, _) = streamed(&pieces);
            let mut seen = String::new();
            for (piece, shown) in pieces.iter().zip(&shown) {
                seen.push_str(piece);
                if !shown.is_empty() {
                    // No end of it makes this the token.
                    for cut in 0..=SILENT_TOKEN.len() {
                        let whole = seen.clone() + &SILENT_TOKEN[cut..];
                        prop_assert!(!is_silent(&whole), "{:?}", seen);
                    }
                }
            }
        }

        #[test]
        fn a_piece_is_kept_back_only_while_it_may_be_silence(text in ".{1,30}") {
            let mut holdback = Holdback::default();
            if holdback.push(&text).is_empty() {
                prop_assert!(text.trim().len() <= SILENT_TOKEN.len());
            }
        }
    }
}
