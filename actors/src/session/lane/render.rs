//! What the agent reads of a batch.

use unicode_segmentation::UnicodeSegmentation;

use super::Batch;

/// Characters kept of one folded message. Ordinary messages stay whole; a flood of long ones must
/// not fill the model's window.
pub const FOLDED_TEXT_MAX_CHARS: usize = 2_000;

const CUT_MARK: &str = " [...]";

/// The text of a batch.
///
/// A single message is its own text. Several are paragraphs of their own, folded ones first under a
/// heading; line ends inside a message stay, so that a later cut falls between messages or lines.
pub fn render(batch: &Batch) -> String {
    if let ([only], []) = (batch.members.as_slice(), batch.folded.as_slice()) {
        return only.text.clone();
    }
    let mut paragraphs = Vec::new();
    if !batch.folded.is_empty() {
        paragraphs.push(format!("[{} earlier messages, summarised]", batch.folded.len()));
        paragraphs.extend(batch.folded.iter().map(|message| compact(&message.text)));
    }
    paragraphs.extend(batch.members.iter().map(|message| message.text.trim_end().to_owned()));
    paragraphs.retain(|paragraph| !paragraph.trim().is_empty());
    paragraphs.join("\n\n")
}

/// The lines of a text without blank ones, cut to the limit between graphemes.
fn compact(text: &str) -> String {
    let lines: Vec<&str> =
        text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let text = lines.join("\n");
    if text.chars().count() <= FOLDED_TEXT_MAX_CHARS {
        return text;
    }
    let room = FOLDED_TEXT_MAX_CHARS - CUT_MARK.len();
    let mut kept = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        used += grapheme.chars().count();
        if used > room {
            break;
        }
        kept.push_str(grapheme);
    }
    kept + CUT_MARK
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::message;
    use super::*;

    fn batch(folded: &[&str], members: &[&str]) -> Batch {
        let make = |texts: &[&str]| {
            texts
                .iter()
                .map(|&text| super::super::Waiting { text: text.to_owned(), ..message(1, "x", 0) })
                .collect()
        };
        Batch {
            members: make(members),
            folded: make(folded),
            reply_to: message(1, "x", 0).reply_to,
        }
    }

    #[test]
    fn one_message_is_its_own_text() {
        assert_eq!(render(&batch(&[], &[" a\n\nb "])), " a\n\nb ");
        assert_eq!(render(&batch(&[], &[""])), "");
    }

    #[test]
    fn several_are_paragraphs_with_the_folded_ones_first() {
        assert_eq!(render(&batch(&[], &["a\nb\n", "", "c"])), "a\nb\n\nc");
        assert_eq!(
            render(&batch(&["x\n\n y", "z"], &["a"])),
            "[2 earlier messages, summarised]\n\nx\n y\n\nz\n\na"
        );
    }

    #[test]
    fn only_very_long_folded_messages_are_cut() {
        let whole = "é".repeat(FOLDED_TEXT_MAX_CHARS);
        assert!(render(&batch(&[&whole], &["a"])).contains(&whole));
        let long = format!("{whole}é");
        let text = render(&batch(&[&long], &[&long]));
        let lines: Vec<_> = text.split("\n\n").collect();
        assert_eq!(lines[1].chars().count(), FOLDED_TEXT_MAX_CHARS);
        assert!(lines[1].ends_with(CUT_MARK));
        assert_eq!(lines[2], long);
    }

    proptest! {
        #[test]
        fn every_message_appears_in_order(
            folded in prop::collection::vec("[a-z]{1,8}(\n[a-z]{1,8}){0,2}", 0..5),
            members in prop::collection::vec("[a-z]{1,8}(\n[a-z]{1,8}){0,2}", 1..5),
        ) {
            let borrow = |texts: &[String]| -> Vec<String> { texts.to_vec() };
            let (f, m) = (borrow(&folded), borrow(&members));
            let f: Vec<&str> = f.iter().map(String::as_str).collect();
            let m: Vec<&str> = m.iter().map(String::as_str).collect();
            let text = render(&batch(&f, &m));
            let heading = usize::from(!folded.is_empty());
            let paragraphs: Vec<&str> = text.split("\n\n").skip(heading).collect();
            let all: Vec<&str> = f.into_iter().chain(m).collect();
            prop_assert_eq!(paragraphs, all);
        }
    }
}
