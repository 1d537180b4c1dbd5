//! Cuts a text into parts a platform accepts, at the best places for the reader.
//!
//! What holds for every text:
//! * Each part is at most `max` long in the platform's unit. (Only a single character that is longer
//!   than `max` by itself makes a longer part: nothing is ever lost or mangled.)
//! * Parts hold the text in order. Only white space at the cuts is dropped, and no part is blank.
//! * No grapheme cluster is split, unless it is longer than `max` by itself.
//! * A code fence that is cut is closed at the end of the part and opened again, with its info
//!   string, in the next. A fence that would leave no room for its content is cut like plain text.
//!
//! Places to cut, best first: between paragraphs (and around a fence), at a line end, behind a
//! sentence, at white space, inside a fence, anywhere.

mod fence;
mod paragraphs;

pub use paragraphs::chunk_paragraphs;

use unicode_segmentation::UnicodeSegmentation;

use self::fence::Fence;
use super::LengthUnit;

/// The length of a text in a platform's unit.
pub fn length(text: &str, unit: LengthUnit) -> usize {
    match unit {
        LengthUnit::Bytes => text.len(),
        LengthUnit::Utf16 => text.encode_utf16().count(),
        LengthUnit::Chars => text.chars().count(),
    }
}

/// Cuts `text` into parts of at most `max` units. A blank text has no parts.
pub fn chunk(text: &str, max: usize, unit: LengthUnit) -> Vec<String> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    if length(text, unit) <= max {
        return vec![text.to_owned()];
    }
    let fences = fence::find(text).into_iter().filter(|f| f.fits(text, max, unit)).collect();
    Cutter { text, max, unit, fences }.parts()
}

/// How good a place to cut is; earlier is better, and of equal places the last one is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Paragraph,
    Line,
    Sentence,
    Space,
    FencedParagraph,
    FencedLine,
    FencedSpace,
    Hard,
    /// The next part would begin with what looks like a fence.
    HardAtFence,
}

/// One part is `start..end`; the next one begins at `next`. Between them is only white space, or
/// the closing line of a fence.
#[derive(Debug, Clone, Copy)]
struct Cut {
    end: usize,
    next: usize,
}

struct Cutter<'a> {
    text: &'a str,
    max: usize,
    unit: LengthUnit,
    fences: Vec<Fence>,
}

impl Cutter<'_> {
    fn parts(&self) -> Vec<String> {
        let mut parts = Vec::new();
        let mut at = 0;
        while let Some(start) = self.skip_blank(at) {
            let fence = self.fence_at(start);
            if let Some(fence) = fence.filter(|fence| start >= fence.body_end) {
                // Nothing but the closing line is left, and the last part has closed the fence.
                at = fence.end;
                continue;
            }
            let head = fence.map_or("", |fence| fence.head.as_str());
            let cut = self.cut(start, self.max.saturating_sub(self.len(head)));
            at = cut.next;
            let body = &self.text[start..cut.end];
            if !body.trim().is_empty() {
                parts.push([head, body, self.tail(cut.end)].concat());
            }
        }
        parts
    }

    /// Where the next part begins: behind blank lines, before indentation. `None` at the end.
    fn skip_blank(&self, at: usize) -> Option<usize> {
        let rest = self.text.get(at..)?;
        let blank = rest.len() - rest.trim_start().len();
        if blank == rest.len() {
            return None;
        }
        Some(at + rest[..blank].rfind('\n').map_or(0, |newline| newline + 1))
    }

    /// The best cut for a part that begins at `start` and may be `room` long.
    fn cut(&self, start: usize, room: usize) -> Cut {
        let mut best: Option<(Rank, Cut)> = None;
        let mut used = 0;
        let mut before = "";
        for (offset, grapheme) in self.text[start..].grapheme_indices(true) {
            let at = start + offset;
            if !self.text[start..at].trim_start().is_empty() {
                let place = self.place(at, before, grapheme);
                let fits = |cut: Cut| used + self.len(self.tail(cut.end)) <= room;
                if let Some((rank, cut)) = place.filter(|(_, cut)| fits(*cut))
                    && best.is_none_or(|(best, _)| rank <= best)
                {
                    best = Some((rank, cut));
                }
            }
            used += self.len(grapheme);
            before = grapheme;
            if used > room {
                return best.map_or_else(|| self.forced(start, room), |(_, cut)| cut);
            }
        }
        Cut { end: self.text.len(), next: self.text.len() }
    }

    /// What cutting between the graphemes `before` and `after` (which begins at `at`) is worth.
    fn place(&self, at: usize, before: &str, after: &str) -> Option<(Rank, Cut)> {
        let fence = self.fence_at(at);
        if fence.is_some_and(|f| at < f.body_start) {
            return None;
        }
        if is_blank(after) && !is_blank(before) {
            return Some(self.place_at_run(at, before, fence));
        }
        if fence.is_some_and(|f| at >= f.body_end) {
            return None;
        }
        let rank = if before.ends_with(['。', '！', '？']) && fence.is_none() {
            Rank::Sentence
        } else if fence::looks_like_marker(&self.text[at..]) {
            Rank::HardAtFence
        } else {
            Rank::Hard
        };
        Some((rank, Cut { end: at, next: at }))
    }

    /// As above, for white space that begins at `at`. It is dropped up to its last newline, or as a
    /// whole when it has none: the indentation of a line stays with the line.
    fn place_at_run(&self, at: usize, before: &str, fence: Option<&Fence>) -> (Rank, Cut) {
        let run = blank_run(&self.text[at..]);
        let newlines = run.matches('\n').count();
        let next = at + run.rfind('\n').map_or(run.len(), |newline| newline + 1);
        let rank = match (fence, newlines) {
            // A marker in the middle of a line is text; at the beginning of a part it would not be.
            (_, 0) if fence::looks_like_marker(&self.text[next..]) => Rank::HardAtFence,
            (Some(_), 0) => Rank::FencedSpace,
            (Some(_), 1) => Rank::FencedLine,
            (Some(_), _) => Rank::FencedParagraph,
            (None, 0) if ends_sentence(before, &self.text[..at]) => Rank::Sentence,
            (None, 0) => Rank::Space,
            (None, 1) if !self.touches_fence(at, next) => Rank::Line,
            (None, _) => Rank::Paragraph,
        };
        // With nothing left of its content, a fence ends here.
        let next = fence.filter(|f| next >= f.body_end).map_or(next, |f| f.end);
        (rank, Cut { end: at, next })
    }

    /// The way on when no cut is possible: over white space longer than a part, or through a
    /// grapheme longer than a part.
    fn forced(&self, start: usize, room: usize) -> Cut {
        let run = blank_run(&self.text[start..]);
        if !run.is_empty() {
            return Cut { end: start, next: start + run.len() };
        }
        let (mut end, mut used) = (start, 0);
        for c in self.text[start..].chars() {
            used += self.len(c.encode_utf8(&mut [0; 4]));
            if end > start && used > room {
                break;
            }
            end += c.len_utf8();
        }
        Cut { end, next: end }
    }

    /// The fence whose inside holds `at`.
    fn fence_at(&self, at: usize) -> Option<&Fence> {
        let index = self.fences.partition_point(|fence| fence.end <= at);
        self.fences.get(index).filter(|fence| fence.start < at)
    }

    fn touches_fence(&self, end: usize, next: usize) -> bool {
        self.fences.binary_search_by_key(&next, |fence| fence.start).is_ok()
            || self.fences.binary_search_by_key(&end, |fence| fence.end).is_ok()
    }

    /// What has to be added to a part that ends at `end`.
    fn tail(&self, end: usize) -> &str {
        let cut = self.fence_at(end).filter(|_| end < self.text.len());
        cut.map_or("", |fence| fence.tail.as_str())
    }

    fn len(&self, text: &str) -> usize {
        length(text, self.unit)
    }
}

fn is_blank(grapheme: &str) -> bool {
    grapheme.chars().all(char::is_whitespace)
}

/// The white space at the beginning, in whole graphemes.
fn blank_run(text: &str) -> &str {
    let end = text.grapheme_indices(true).find(|(_, grapheme)| !is_blank(grapheme));
    &text[..end.map_or(text.len(), |(at, _)| at)]
}

/// Whether a sentence ends here: a full stop and the like, perhaps behind closing brackets.
fn ends_sentence(last: &str, text: &str) -> bool {
    if last.ends_with(char::is_alphanumeric) {
        return false;
    }
    let closing = ['"', '\'', ')', ']', '”', '’', '»', '*', '_'];
    text.trim_end_matches(closing).ends_with(['.', '!', '?', '…', '。', '！', '？'])
}

#[cfg(test)]
mod tests;
