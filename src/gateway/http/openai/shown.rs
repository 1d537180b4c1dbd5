//! What of a turn's stream a client is shown, so that the pieces make up the answer. Pure.
//!
//! What was sent can't be taken back. An attempt that fails after its first words is followed by
//! another, and rounds of tools by other rounds: each begins a new paragraph, unless it goes on
//! exactly where the client is.

/// What one client has been shown.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// Everything.
    whole: String,
    /// Where the present part begins.
    begin: usize,
    /// Bytes of the present part that the present attempt has said too.
    said: usize,
    /// Whether pieces were missed: what follows would stand behind a hole.
    is_broken: bool,
}

impl Shown {
    /// A model begins an answer, or begins it again.
    pub(super) fn attempt(&mut self, is_new_round: bool) {
        if is_new_round {
            self.begin = self.whole.len();
        }
        self.said = 0;
    }

    /// Pieces were missed. Nothing is shown until the whole answer is known, of which what was shown
    /// is the beginning.
    pub(super) fn gap(&mut self) {
        self.is_broken = true;
    }

    /// The next piece of the answer; gives what is to be sent.
    pub(super) fn piece(&mut self, piece: &str) -> Option<String> {
        if self.is_broken {
            return None;
        }
        let part = self.whole.get(self.begin..).unwrap_or_default();
        let ahead = part.get(self.said..).unwrap_or_default();
        if ahead.starts_with(piece) {
            // An attempt before came as far as this.
            self.said += piece.len();
            return None;
        }
        if let Some(more) = piece.strip_prefix(ahead).filter(|_| self.goes_on()) {
            self.said += piece.len();
            self.whole.push_str(more);
            return Some(more.to_owned());
        }
        let text = part.get(..self.said).unwrap_or_default().to_owned() + piece;
        Some(self.paragraph(&text))
    }

    /// The whole answer; gives what is still to be sent.
    pub(super) fn end(&mut self, answer: &str) -> Option<String> {
        let part = self.whole.get(self.begin..).unwrap_or_default();
        if answer.is_empty() || part == answer {
            return None;
        }
        if let Some(more) = answer.strip_prefix(part).filter(|_| self.goes_on()) {
            self.whole.push_str(more);
            return Some(more.to_owned());
        }
        Some(self.paragraph(answer))
    }

    /// Whether the present part has begun, or is the first.
    fn goes_on(&self) -> bool {
        self.whole.is_empty() || self.begin < self.whole.len()
    }

    /// A part of its own.
    fn paragraph(&mut self, text: &str) -> String {
        let more = format!("\n\n{text}");
        self.begin = self.whole.len() + 2;
        self.said = text.len();
        self.whole.push_str(&more);
        more
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Shown;

    fn shown(attempts: &[&[&str]], answer: &str) -> String {
        let mut shown = Shown::default();
        let mut sent = String::new();
        for pieces in attempts {
            shown.attempt(false);
            for piece in *pieces {
                sent.extend(shown.piece(piece));
            }
        }
        sent.extend(shown.end(answer));
        sent
    }

    #[test]
    fn a_second_attempt_goes_on_where_it_can_and_begins_anew_where_not() {
        assert_eq!(shown(&[&["he", "llo"]], "hello"), "hello");
        assert_eq!(shown(&[&["he"], &["h", "ello"]], "hello"), "hello");
        assert_eq!(shown(&[&["he"], &["good"]], "good"), "he\n\ngood");
        assert_eq!(shown(&[], "missed"), "missed");
        assert_eq!(shown(&[&["he"]], "hello"), "hello");
        assert_eq!(shown(&[&["he"]], "changed"), "he\n\nchanged");
    }

    #[test]
    fn rounds_are_paragraphs() {
        let mut shown = Shown::default();
        shown.attempt(true);
        let mut sent = shown.piece("let me look").unwrap();
        shown.attempt(true);
        sent.extend(shown.piece("done"));
        sent.extend(shown.piece("!"));
        sent.extend(shown.end("done!"));
        assert_eq!(sent, "let me look\n\ndone!");
    }

    proptest! {
        #[test]
        fn one_attempt_is_shown_as_it_is(pieces in prop::collection::vec("[a-zé ]{0,4}", 0..12)) {
            let answer = pieces.concat();
            let all: Vec<&str> = pieces.iter().map(String::as_str).collect();
            prop_assert_eq!(shown(&[&all], &answer), answer);
        }

        #[test]
        fn a_gap_is_filled_at_the_end(
            pieces in prop::collection::vec("[ab]{1,3}", 1..12),
            missed in (0usize..12, 0usize..12),
        ) {
            let answer = pieces.concat();
            let (from, to) = (missed.0.min(pieces.len()), missed.0.saturating_add(missed.1));
            let mut shown = Shown::default();
            shown.attempt(true);
            let mut sent = String::new();
            for (place, piece) in pieces.iter().enumerate() {
                if place == from {
                    shown.gap();
                }
                if place < from || place >= to {
                    sent.extend(shown.piece(piece));
                }
            }
            sent.extend(shown.end(&answer));
            prop_assert_eq!(sent, answer);
        }

        #[test]
        fn whatever_happens_the_answer_comes_last(
            first in prop::collection::vec("[ab]{1,2}", 0..4),
            second in prop::collection::vec("[ab]{1,2}", 0..4),
            answer in "[ab]{1,6}",
        ) {
            let (first, second): (Vec<&str>, Vec<&str>) = (
                first.iter().map(String::as_str).collect(),
                second.iter().map(String::as_str).collect(),
            );
            prop_assert!(shown(&[&first, &second], &answer).ends_with(&answer));
        }
    }
}
