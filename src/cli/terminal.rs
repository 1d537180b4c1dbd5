//! What is known of the terminal that standard output is.

use std::io::IsTerminal;

/// Its columns; nothing where standard output is no terminal, or one that does not say.
pub(super) fn columns() -> Option<usize> {
    let out = std::io::stdout();
    if !out.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&out).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// Whether a line on it can be taken back and written anew.
pub(super) fn moves_the_cursor() -> bool {
    let kind = std::env::var_os("TERM");
    let is_plain = kind.is_none_or(|kind| kind.is_empty() || kind == "dumb");
    std::io::stdout().is_terminal() && !is_plain
}
