//! The beginning and the end of what a command writes, however much that is.

use std::collections::VecDeque;

/// Keeps a bounded number of bytes: the first half as written, of the rest the newest.
#[derive(Debug)]
pub(super) struct Output {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    half: usize,
    missing: u64,
}

impl Output {
    pub(super) fn new(max: usize) -> Self {
        Self { head: Vec::new(), tail: VecDeque::new(), half: max / 2, missing: 0 }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        let room = self.half.saturating_sub(self.head.len()).min(bytes.len());
        let (first, rest) = bytes.split_at(room);
        self.head.extend(first);
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(self.half);
        self.tail.drain(..over);
        self.missing += over as u64;
    }

    pub(super) fn text(&self) -> String {
        let (front, back) = self.tail.as_slices();
        let tail = [front, back].concat();
        if self.missing == 0 {
            return String::from_utf8_lossy(&[self.head.as_slice(), &tail].concat()).into_owned();
        }
        let (head, tail) = (String::from_utf8_lossy(&self.head), String::from_utf8_lossy(&tail));
        format!("{head}\n[... {} bytes left out ...]\n{tail}", self.missing)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn both_ends_stay_and_no_more_is_kept(pieces in prop::collection::vec("[a-z]{0,40}", 0..30), max in 2usize..200) {
            let mut output = Output::new(max);
            for piece in &pieces {
                output.write(piece.as_bytes());
            }
            let all = pieces.concat();
            prop_assert!(output.head.len() + output.tail.len() <= max);
            if all.len() <= max / 2 * 2 {
                prop_assert_eq!(output.text(), all);
            } else {
                let text = output.text();
                prop_assert!(text.starts_with(&all[..max / 2]) && text.ends_with(&all[all.len() - max / 2..]));
                prop_assert!(text.contains("left out"));
            }
        }
    }
}
