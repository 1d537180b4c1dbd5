//! Which events wait for a session: the newest few, none twice in a row.

use super::record::EventRecord;

/// Events that wait for one session. Beyond it the oldest gives way: what is new matters more to
/// somebody who has not looked for long.
pub const EVENTS_MAX: usize = 20;

/// Characters kept of one event. Events are notes; whoever has more to say writes a message.
pub const TEXT_CHARS_MAX: usize = 4_000;

/// What becomes of a reported event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admit {
    /// It waits with this text, and the oldest ones give way.
    Waits {
        /// What it says, trimmed.
        text: String,
        /// Numbers of the events that give way.
        dropped: Vec<u64>,
    },
    /// The newest waiting event, of this number, says the same.
    Repeats(u64),
    /// It says nothing.
    Empty,
}

/// Decides about an event; `waiting` are those that wait, oldest first.
pub fn admit(waiting: &[(u64, EventRecord)], text: &str) -> Admit {
    let text = cut(text.trim());
    if text.is_empty() {
        return Admit::Empty;
    }
    match waiting.last() {
        Some((number, newest)) if newest.text == text => Admit::Repeats(*number),
        _ => {
            let over = (waiting.len() + 1).saturating_sub(EVENTS_MAX);
            let dropped = waiting.iter().take(over).map(|(number, _)| *number).collect();
            Admit::Waits { text, dropped }
        }
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{} [...]", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Timestamp;

    fn event(text: &str) -> EventRecord {
        EventRecord { at: Timestamp(0), text: text.into(), wakes: false }
    }

    /// The queue as a plain model: what waits after all these reports.
    fn reported(texts: &[String]) -> Vec<(u64, EventRecord)> {
        let mut waiting: Vec<(u64, EventRecord)> = Vec::new();
        for (number, text) in (1..).zip(texts) {
            if let Admit::Waits { text, dropped } = admit(&waiting, text) {
                waiting.retain(|(number, _)| !dropped.contains(number));
                waiting.push((number, event(&text)));
            }
        }
        waiting
    }

    proptest! {
        #[test]
        fn the_newest_twenty_wait_in_order_and_none_twice_in_a_row(
            texts in prop::collection::vec("[ab ]{0,3}", 0..60),
        ) {
            let waiting = reported(&texts);
            let mut expected: Vec<String> = Vec::new();
            for text in texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty()) {
                if expected.last().map(String::as_str) != Some(text) {
                    expected.push(text.to_owned());
                }
            }
            let newest = expected.split_off(expected.len().saturating_sub(EVENTS_MAX));
            let said: Vec<String> = waiting.into_iter().map(|(_, event)| event.text).collect();
            prop_assert_eq!(said, newest);
        }

        #[test]
        fn a_text_is_trimmed_and_bounded(text in "\\PC{0,40}", times in 1usize..300) {
            match admit(&[], &text.repeat(times)) {
                Admit::Waits { text, .. } => {
                    prop_assert_eq!(text.trim(), &text);
                    prop_assert!(text.chars().count() <= TEXT_CHARS_MAX + 6);
                }
                other => prop_assert_eq!(other, Admit::Empty),
            }
        }
    }

    #[test]
    fn the_same_text_with_another_one_between_waits_twice() {
        let texts: Vec<String> = ["a", " a", "b", "a"].map(Into::into).into();
        assert_eq!(reported(&texts).len(), 3);
        assert_eq!(admit(&reported(&texts), "a\n"), Admit::Repeats(4));
    }
}
