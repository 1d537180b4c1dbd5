//! Cuts a body into whole lines of text, with limits, before an event parser sees it.
//!
//! The parser rescans what it holds with every chunk and cannot read a byte order mark. Handing it
//! whole lines without that mark keeps its work linear and bounds what a hostile server can cost.

/// One JSON document of an answer: a line of a stream, or a whole plain answer. The longest
/// answers of today's models stay below 2 MiB even when every character is escaped.
pub(super) const DOCUMENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Why a body cannot be cut further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineFault {
    /// A line or the whole body is longer than allowed; the limit in bytes.
    TooLong(usize),
    /// A line is not UTF-8.
    NotText,
}

/// The lines of a body which arrives in pieces.
#[derive(Debug)]
pub(super) struct Lines {
    buffer: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Up to where no line end was found.
    scanned: usize,
    received: usize,
    body_bytes_max: usize,
    first: bool,
}

impl Lines {
    /// No bytes yet; at most `body_bytes_max` may come.
    pub(super) fn new(body_bytes_max: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, scanned: 0, received: 0, body_bytes_max, first: true }
    }

    /// Takes the next piece. All lines of the earlier pieces must have been taken out.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), LineFault> {
        self.received = self.received.saturating_add(piece.len());
        if self.received > self.body_bytes_max {
            return Err(LineFault::TooLong(self.body_bytes_max));
        }
        self.buffer.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(piece);
        Ok(())
    }

    /// The next whole line with its end. `\r\n` comes as two: the parser joins them again.
    pub(super) fn next_line(&mut self) -> Result<Option<String>, LineFault> {
        let fresh = &self.buffer[self.scanned..];
        let found = fresh.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        self.scanned = found.map_or(self.buffer.len(), |at| self.scanned + at + 1);
        let line = &self.buffer[self.start..self.scanned];
        if line.len() > DOCUMENT_BYTES_MAX {
            return Err(LineFault::TooLong(DOCUMENT_BYTES_MAX));
        }
        if found.is_none() {
            return Ok(None);
        }
        let text = str::from_utf8(line).map_err(|_| LineFault::NotText)?;
        let text = if self.first { text.trim_start_matches('\u{feff}') } else { text };
        let text = text.to_owned();
        self.start = self.scanned;
        self.first = false;
        Ok(Some(text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All lines of a body that arrives in these pieces, and the fault that ended it.
    fn cut<'a>(
        pieces: impl IntoIterator<Item = &'a [u8]>,
        max: usize,
    ) -> (Vec<String>, Option<LineFault>) {
        let mut lines = Lines::new(max);
        let mut found = Vec::new();
        for piece in pieces {
            if let Err(fault) = lines.push(piece) {
                return (found, Some(fault));
            }
            loop {
                match lines.next_line() {
                    Ok(Some(line)) => found.push(line),
                    Ok(None) => break,
                    Err(fault) => return (found, Some(fault)),
                }
            }
        }
        (found, None)
    }

    #[test]
    fn byte_order_marks_are_dropped_at_the_start_only() {
        let body = "\u{feff}\u{feff}a\n\u{feff}b\n";
        let (lines, _) = cut([body.as_bytes()], 100);
        assert_eq!(lines, ["a\n", "\u{feff}b\n"]);
    }

    #[test]
    fn an_endless_line_is_refused() {
        let piece = vec![b'x'; 1024 * 1024];
        let (lines, fault) = cut(std::iter::repeat_n(piece.as_slice(), 6), usize::MAX);
        assert!(lines.is_empty());
        assert_eq!(fault, Some(LineFault::TooLong(DOCUMENT_BYTES_MAX)));
    }

    #[test]
    fn a_line_that_is_not_text_is_refused() {
        assert_eq!(cut([b"ok\n\xff\xfe\n".as_slice()], 100).1, Some(LineFault::NotText));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(body: Vec<u8>, size in 1_usize..9, max in 0_usize..200) {
            let whole = cut(body.chunks(1), max);
            prop_assert_eq!(cut(body.chunks(size), usize::MAX), cut(body.chunks(1), usize::MAX));
            prop_assert!(whole.0.concat().len() <= max);
            if body.len() <= max {
                prop_assert_ne!(whole.1, Some(LineFault::TooLong(max)));
            }
        }

        #[test]
        fn lines_are_the_body_again(body in "(?s)[^\u{feff}].*\n") {
            let (lines, fault) = cut([body.as_bytes()], usize::MAX);
            prop_assert_eq!(fault, None);
            prop_assert_eq!(lines.concat(), body);
        }
    }
}
