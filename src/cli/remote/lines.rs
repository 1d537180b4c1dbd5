//! The lines a person types, or a program pipes in, read beside everything else.

use std::io::BufRead;

use tokio::sync::mpsc::{Receiver, channel};

/// Lines typed ahead.
const LINES_MAX: usize = 16;

/// What stands in a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// A text.
    Said(String),
    /// Bytes that are no text: the number of the line, from one.
    NoText(u64),
    /// Nothing more can be read, and why.
    Broken(String),
}

/// Standard input by lines, until its end. Its thread is nobody's: it waits for a person, and ends
/// with the process.
pub(super) fn lines() -> Receiver<Typed> {
    let (sender, receiver) = channel(LINES_MAX);
    std::thread::spawn(move || {
        read(std::io::stdin().lock(), |typed| sender.blocking_send(typed).is_ok());
    });
    receiver
}

/// Tells each line of its source, until that ends or nobody listens.
fn read(mut source: impl BufRead, mut tell: impl FnMut(Typed) -> bool) {
    let mut line = Vec::new();
    for number in 1u64.. {
        line.clear();
        let typed = match source.read_until(b'\n', &mut line) {
            Ok(0) => return,
            // A line that can't be read takes none of the others with it.
            Ok(_) => match std::str::from_utf8(&line) {
                Ok(text) => Typed::Said(text.trim_end_matches(['\n', '\r']).to_owned()),
                Err(_) => Typed::NoText(number),
            },
            Err(error) => Typed::Broken(error.to_string()),
        };
        let is_last = matches!(typed, Typed::Broken(_));
        if !tell(typed) || is_last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_no_text_takes_no_other_with_it() {
        let mut heard = Vec::new();
        read(&b"one\r\n\xff bad\n\ntwo"[..], |typed| {
            heard.push(typed);
            true
        });
        let said = |text: &str| Typed::Said(text.into());
        assert_eq!(heard, [said("one"), Typed::NoText(2), said(""), said("two")]);
    }

    #[test]
    fn nothing_is_read_for_nobody() {
        let mut heard = 0;
        read(&b"one\ntwo\n"[..], |_| {
            heard += 1;
            false
        });
        assert_eq!(heard, 1);
    }
}
