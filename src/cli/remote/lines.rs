//! The lines a person types, read beside everything else.

use std::io::BufRead;

use tokio::sync::mpsc::{Receiver, channel};

/// Lines typed ahead.
const LINES_MAX: usize = 16;

/// Standard input by lines, until its end. Its thread is nobody's: it waits for a person, and ends
/// with the process.
pub(super) fn lines() -> Receiver<String> {
    let (sender, receiver) = channel(LINES_MAX);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
