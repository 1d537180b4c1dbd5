//! Finds the code fences of a text: lines of three or more backticks or tildes, and what they hold.

use unicode_segmentation::UnicodeSegmentation;

use super::{LengthUnit, length};

/// One fenced block, as byte offsets into the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fence {
    /// Where the opening line begins.
    pub(super) start: usize,
    /// Where the content begins.
    pub(super) body_start: usize,
    /// Where the closing line begins; the end of the text if there is none.
    pub(super) body_end: usize,
    /// Behind the closing marker.
    pub(super) end: usize,
    /// Opens the fence again.
    pub(super) head: String,
    /// Closes the fence early.
    pub(super) tail: String,
}

impl Fence {
    /// Whether every part of the fence has room for its widest grapheme. If not, it can only be cut
    /// as plain text.
    pub(super) fn fits(&self, text: &str, max: usize, unit: LengthUnit) -> bool {
        let opening = length(&text[self.start..self.body_start], unit);
        let closing = length(&text[self.body_end..self.end], unit) + 1;
        let around = opening.max(length(&self.head, unit)) + closing.max(length(&self.tail, unit));
        let body = &text[self.body_start..self.body_end];
        let widest = body.graphemes(true).map(|grapheme| length(grapheme, unit)).max();
        around + widest.unwrap_or(0) <= max
    }
}

/// The fences of `text`, in order. One that is never closed reaches to the end.
pub(super) fn find(text: &str) -> Vec<Fence> {
    let mut fences: Vec<Fence> = Vec::new();
    let mut open: Option<(Fence, &str)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let next = at + line.len();
        open = match open {
            None => opening(line, at, text.len()),
            Some((fence, marker)) if closes(line, marker) => {
                fences.push(Fence { body_end: at, end: at + line.trim_end().len(), ..fence });
                None
            }
            still_open => still_open,
        };
        at = next;
    }
    fences.extend(open.map(|(fence, _)| fence));
    fences
}

/// Whether a line that began with this would open or close a fence.
pub(super) fn looks_like_marker(text: &str) -> bool {
    text.starts_with("```") || text.starts_with("~~~")
}

fn opening(line: &str, start: usize, text_end: usize) -> Option<(Fence, &str)> {
    let (marker, info) = split_marker(line)?;
    // Backticks further on make it inline code.
    if marker.starts_with('`') && info.contains('`') {
        return None;
    }
    let fence = Fence {
        start,
        body_start: start + line.len(),
        body_end: text_end,
        end: text_end,
        head: format!("{marker}{}\n", info.trim_end()),
        tail: format!("\n{marker}"),
    };
    Some((fence, marker))
}

fn closes(line: &str, open: &str) -> bool {
    split_marker(line)
        .is_some_and(|(marker, rest)| marker.starts_with(open) && rest.trim().is_empty())
}

/// The marker a line begins with, and what follows. Any indentation counts: fences in lists have it,
/// and chat platforms do not mind it.
fn split_marker(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start_matches([' ', '\t']);
    let sign = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let rest = line.trim_start_matches(sign);
    let marker = &line[..line.len() - rest.len()];
    (marker.len() >= 3).then_some((marker, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fences_are_found_with_their_info_string() {
        let text = "a\n```rust\nlet x;\n```\nb\n  ~~~~\n~~~\n~~~~~ \n`` ` ``\n```x`y\n```\nopen";
        let found = find(text);
        let slices: Vec<_> = found.iter().map(|f| &text[f.start..f.end]).collect();
        assert_eq!(slices, ["```rust\nlet x;\n```", "  ~~~~\n~~~\n~~~~~", "```\nopen"]);
        let bodies: Vec<_> = found.iter().map(|f| &text[f.body_start..f.body_end]).collect();
        assert_eq!(bodies, ["let x;\n", "~~~\n", "open"]);
        assert_eq!((found[0].head.as_str(), found[0].tail.as_str()), ("```rust\n", "\n```"));
    }

    proptest! {
        #[test]
        fn fences_are_ordered_and_inside_the_text(text in "([`~]{2,4}|[a ]|\n|é){0,40}") {
            let mut behind = 0;
            for fence in find(&text) {
                prop_assert!(behind <= fence.start && fence.start < fence.body_start);
                prop_assert!(fence.body_start <= fence.body_end && fence.body_end <= fence.end);
                prop_assert!(text.is_char_boundary(fence.start) && text.is_char_boundary(fence.end));
                behind = fence.end;
            }
            prop_assert!(behind <= text.len());
        }
    }
}
