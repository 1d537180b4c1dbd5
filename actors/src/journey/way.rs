//! How far the answer of a turn has come.

use super::find::{dead_journey, delivered};
use super::view::EntryView;
use crate::dead_letter::{self, DeadLetter, Item};
use crate::outbox::{EntryId, EntryRecord, ReceiptRecord, receipt_key, receipt_prefix};
use crate::session::{Exchange, UnsentRecord, unsent_key};
use crate::store::{Key, Space, Store, StoreError};

/// The way out of one turn's answer.
pub(super) struct Way {
    /// `answered`, `waiting`, `dead_letter` or `ended`: an answer nobody has received is none.
    pub(super) state: &'static str,
    /// Why it is not simply answered.
    pub(super) reason: Option<String>,
    /// Its entries, those put back to work by a person included.
    pub(super) entries: Vec<EntryView>,
}

/// Follows the entries of a turn.
pub(super) fn way(store: &Store, exchange: &Exchange) -> Result<Way, StoreError> {
    if exchange.entries.is_empty()
        && let Some(unsent) = store.get::<UnsentRecord>(&unsent_key(exchange.turn))?
    {
        return Ok(Way { state: "answered", reason: Some(unsent.reason), entries: Vec::new() });
    }
    let pending = values::<EntryRecord>(store, &Key::of(Space::Outbox))?;
    let letters = values::<DeadLetter>(store, &dead_letter::prefix())?;
    let mut way = Way { state: "answered", reason: None, entries: Vec::new() };
    let mut missing = false;
    for id in &exchange.entries {
        if let Some(receipt) = store.get::<ReceiptRecord>(&receipt_key(EntryId(*id)))? {
            way.entries.push(delivered(&receipt));
        } else if !way.adds(&pending, &letters, |entry| entry.id.0 == *id) {
            missing = true;
        }
    }
    if missing {
        // Put back to work it has a new number; dropped or very old it is nowhere.
        let again = |entry: &EntryRecord| {
            entry.turn == exchange.turn && !exchange.entries.contains(&entry.id.0)
        };
        let receipts = values::<ReceiptRecord>(store, &receipt_prefix())?;
        let sent = receipts.iter().filter(|receipt| again(&receipt.entry)).map(delivered);
        way.entries.extend(sent);
        way.adds(&pending, &letters, again);
    }
    let way = way.concluded(missing);
    match exchange.unanswered().filter(|_| way.state == "answered") {
        Some(reason) => Ok(Way { state: "ended", reason: Some(reason.into()), ..way }),
        None => Ok(way),
    }
}

impl Way {
    /// Adds the entries that wait or are dead letters; tells whether there were any.
    fn adds(
        &mut self,
        pending: &[EntryRecord],
        letters: &[DeadLetter],
        wanted: impl Fn(&EntryRecord) -> bool,
    ) -> bool {
        let before = self.entries.len();
        self.entries.extend(pending.iter().filter(|entry| wanted(entry)).map(EntryView::from));
        let is_wanted =
            |letter: &&DeadLetter| matches!(&letter.item, Item::Outbound(entry) if wanted(entry));
        for letter in letters.iter().filter(is_wanted) {
            let letter = dead_journey(letter.clone());
            self.entries.extend(letter.entries);
            self.state = letter.state;
            self.reason = letter.reason;
        }
        self.entries.len() > before
    }

    fn concluded(mut self, missing: bool) -> Self {
        if self.state == "answered" {
            if self.entries.iter().any(|entry| entry.state != "delivered") {
                self.state = "waiting";
                self.reason = Some("answered, and the answer is on its way out".into());
            } else if missing && self.entries.is_empty() {
                self.reason = Some("what became of the answer is not on record any more".into());
            }
        }
        self
    }
}

fn values<R: crate::store::Record>(store: &Store, prefix: &Key) -> Result<Vec<R>, StoreError> {
    Ok(store.scan::<R>(prefix)?.into_iter().map(|(_, record)| record).collect())
}
