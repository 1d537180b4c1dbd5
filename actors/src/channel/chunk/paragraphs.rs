//! Cuts at every blank line outside a fence first: a message for each paragraph.

use super::{chunk, fence};
use crate::channel::LengthUnit;

/// One part for each paragraph, and more where a paragraph is longer than `max`. A fence is one
/// paragraph whatever it holds. Everything else is as with [`chunk`].
pub fn chunk_paragraphs(text: &str, max: usize, unit: LengthUnit) -> Vec<String> {
    split(text).into_iter().flat_map(|paragraph| chunk(paragraph, max, unit)).collect()
}

fn split(text: &str) -> Vec<&str> {
    let fences = fence::find(text);
    let (mut paragraphs, mut start, mut at) = (Vec::new(), 0, 0);
    for line in text.split_inclusive('\n') {
        let is_inside = fences.iter().any(|fence| fence.start < at && at < fence.end);
        if line.trim().is_empty() && !is_inside {
            paragraphs.push(&text[start..at]);
            start = at + line.len();
        }
        at += line.len();
    }
    paragraphs.push(&text[start..]);
    paragraphs.iter().map(|paragraph| paragraph.trim_end()).filter(|p| !p.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paragraphs_are_parts_and_fences_stay_whole() {
        let text = "One\nline\n\n  \nTwo\n\n```rust\nfn a() {}\n\nfn b() {}\n```\n\nThree\n";
        let parts = chunk_paragraphs(text, 100, LengthUnit::Chars);
        assert_eq!(parts, ["One\nline", "Two", "```rust\nfn a() {}\n\nfn b() {}\n```", "Three"]);
        let parts = chunk_paragraphs("Long words\n\nb", 5, LengthUnit::Chars);
        assert_eq!(parts, ["Long", "words", "b"]);
        assert!(chunk_paragraphs(" \n\n", 5, LengthUnit::Chars).is_empty());
    }

    proptest! {
        #[test]
        fn nothing_but_white_space_is_lost(text in "([a-c] ?|\n|```\n|    x){0,40}") {
            let parts = chunk_paragraphs(&text, 10_000, LengthUnit::Bytes);
            let solid = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(solid(&parts.concat()), solid(&text));
            for part in &parts {
                prop_assert!(!part.trim().is_empty());
                prop_assert!(part.contains("```") || !part.contains("\n\n"), "{:?}", part);
            }
        }

        #[test]
        fn parts_fit(text in ".{0,80}", max in 8usize..30) {
            for part in chunk_paragraphs(&text, max, LengthUnit::Chars) {
                let graphemes = unicode_segmentation::UnicodeSegmentation::graphemes(part.as_str(), true);
                prop_assert!(part.chars().count() <= max || graphemes.count() == 1);
            }
        }
    }
}
