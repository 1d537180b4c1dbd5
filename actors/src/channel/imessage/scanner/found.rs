//! What one look at chat.db has collected: messages to offer, and rows that are none.

use super::super::row::Row;
use super::super::verdict::IgnoreReason;
use crate::dead_letter::Reason;
use crate::message::{AccountKey, Inbound};
use crate::router::DeclinedRow;

/// What one look has collected.
pub(super) struct Found {
    pub(super) inbound: Vec<Inbound>,
    pub(super) declined: Vec<DeclinedRow>,
    /// Guids that are decided with it.
    pub(super) decided: Vec<String>,
    account: AccountKey,
}

impl Found {
    pub(super) fn new(account: &AccountKey) -> Self {
        Self {
            inbound: Vec::new(),
            declined: Vec::new(),
            decided: Vec::new(),
            account: account.clone(),
        }
    }

    pub(super) fn deliver(&mut self, inbound: Inbound) {
        self.decided.push(inbound.dedupe_key.clone());
        self.inbound.push(inbound);
    }

    pub(super) fn ignore(&mut self, row: &Row, reason: &IgnoreReason) {
        self.decided.push(row.guid.clone());
        let Some((text, dead_letter)) = declined(row, reason) else {
            tracing::debug!(account = %self.account, guid = row.guid, reason = reason.name(),
                "row is no prompt");
            return;
        };
        tracing::info!(account = %self.account, guid = row.guid, reason = %text, "row declined");
        self.declined.push(DeclinedRow {
            dedupe_key: row.guid.clone(),
            sender: row.sender.clone().unwrap_or_default(),
            text: row.prompt(),
            reason: text,
            dead_letter,
        });
    }
}

/// What is written down about a row that is not offered; nothing where the verdict is the same after
/// every restart.
fn declined(row: &Row, reason: &IgnoreReason) -> Option<(String, Option<Reason>)> {
    match reason {
        IgnoreReason::Stale { age } => {
            let minutes = age.as_secs() / 60;
            Some((format!("too old: it was {minutes} minutes old when it appeared"), None))
        }
        IgnoreReason::PreviewFolded { parent, .. } => {
            Some((format!("link preview of {parent}"), None))
        }
        IgnoreReason::Unresolved(hold) => {
            let message = format!("row {} never became whole: {}", row.rowid, hold.name());
            Some((message.clone(), Some(Reason::Unreadable { message })))
        }
        IgnoreReason::Own
        | IgnoreReason::Ghost
        | IgnoreReason::Duplicate
        | IgnoreReason::Event
        | IgnoreReason::Reaction
        | IgnoreReason::Spam
        | IgnoreReason::SelfChat
        | IgnoreReason::Unsent
        | IgnoreReason::Deleted
        | IgnoreReason::App => None,
    }
}
