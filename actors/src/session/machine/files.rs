//! The files that came with the messages of the turn in flight.

use super::Session;
use crate::message::{AccountKey, Attachment};

/// What stands in a text for a file.
const PLACEHOLDER: &str = "<media:";

impl Session {
    /// The files of the turn in flight, each with the account it came in on and whether the text
    /// names it already.
    pub fn files(&self) -> Vec<(AccountKey, Attachment, bool)> {
        let members = self.turn.iter().flat_map(|turn| &turn.members);
        let messages = members.filter_map(|id| self.records.get(id));
        let files = messages.flat_map(|record| {
            let inbound = &record.envelope.inbound;
            let is_named = inbound.text.contains(PLACEHOLDER);
            let of = move |file: &Attachment| (inbound.account.clone(), file.clone(), is_named);
            inbound.attachments.iter().map(of)
        });
        files.collect()
    }
}
