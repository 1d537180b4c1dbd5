//! The files that came with a turn's messages: read once for the turn, shown to models that see them.

use super::State;
use crate::context::{FileWish, Found, Inputs, add_to, bytes_max, parts};
use crate::session::machine::{Ask, Session};

/// The files of the turn in flight, as they were read when it first asked: whoever asks whether it
/// is still asked must ask the same.
#[derive(Default)]
pub(super) struct Files {
    /// The turn, and how many files it had.
    of: (u64, usize),
    found: Vec<Found>,
}

impl State {
    /// Puts the turn's files into its question.
    pub(super) async fn add_files(&mut self, ask: &mut Ask) {
        let mut files = self.session.as_ref().map(Session::files).unwrap_or_default();
        files.retain(|(account, _, _)| !self.deps.context.hidden_files.contains(account));
        if files.is_empty() {
            return;
        }
        let of = (ask.turn, files.len());
        if self.files.as_ref().is_none_or(|known| known.of != of) {
            let wish = |file: &crate::message::Attachment| FileWish {
                path: file.path.clone(),
                bytes_max: bytes_max(file),
            };
            let wishes = files.iter().map(|(_, file, _)| wish(file)).collect();
            let read = match &self.deps.context.files {
                Some(source) => source(wishes).await,
                None => Vec::new(),
            };
            let missing = || Err("nobody reads files here".to_owned());
            let mut read = read.into_iter();
            let found = files.into_iter().map(|(_, attachment, is_named)| Found {
                attachment,
                bytes: read.next().unwrap_or_else(missing),
                is_named,
            });
            self.files = Some(Box::new(Files { of, found: found.collect() }));
        }
        let inputs = self.deps.context.inputs_of(&ask.asked.model);
        // Before a turn is given up as too long its files stay out.
        let inputs = if ask.is_last_try { Inputs::default() } else { inputs };
        if let Some(files) = &self.files {
            add_to(&mut ask.messages, parts(&files.found, &inputs));
        }
    }
}
