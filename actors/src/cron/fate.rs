//! What has become of a run's announcement since it was written to the outbox.
//!
//! That a run has written it is in the history; whether it has left is known to the outbox, the
//! receipts and the dead letters, and asked there when somebody wants to know.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use super::job::Delivered;
use crate::dead_letter::{self, DeadLetter, Item, Reason};
use crate::message::Destination;
use crate::outbox::{EntryId, entry_key, receipt_key};
use crate::store::{Store, StoreError};

/// What has become of it; the worst of its parts counts, and stands last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// All of it is out, provably.
    Delivered,
    /// Some of it is on its way.
    Waits,
    /// Nobody knows of some of it, for this reason.
    Unknown(String),
    /// Some of it was refused, for this reason.
    Refused(String),
}

/// Asks for many runs; reads the dead letters at most once.
pub struct Fates {
    store: Store,
    letters: OnceCell<BTreeMap<u64, Fate>>,
}

impl Fates {
    /// Asks this store.
    pub fn new(store: Store) -> Self {
        Self { store, letters: OnceCell::new() }
    }

    /// The fate of an announcement; none where nothing was written.
    ///
    /// # Errors
    /// What the store says.
    pub fn of(&self, delivered: &Delivered) -> Result<Option<Fate>, StoreError> {
        let Delivered::Written { to, entries } = delivered else { return Ok(None) };
        let mut worst = Fate::Delivered;
        for entry in entries {
            worst = worst.max(self.part(to, *entry)?);
        }
        Ok(Some(worst))
    }

    fn part(&self, to: &Destination, entry: u64) -> Result<Fate, StoreError> {
        let id = EntryId(entry);
        if self.store.contains(&receipt_key(id))? {
            return Ok(Fate::Delivered);
        }
        if self.store.contains(&entry_key(to, id))? {
            return Ok(Fate::Waits);
        }
        if let Some(letter) = self.letters()?.get(&entry) {
            return Ok(letter.clone());
        }
        // It may have left between the two looks.
        if self.store.contains(&receipt_key(id))? {
            return Ok(Fate::Delivered);
        }
        let gone = "no record of it is left: it is old, or a person has replayed or dropped it";
        Ok(Fate::Unknown(gone.into()))
    }

    fn letters(&self) -> Result<&BTreeMap<u64, Fate>, StoreError> {
        if let Some(known) = self.letters.get() {
            return Ok(known);
        }
        let found: Vec<(_, DeadLetter)> = self.store.scan(&dead_letter::prefix())?;
        let found = found.into_iter().filter_map(|(_, letter)| {
            let Item::Outbound(entry) = &letter.item else { return None };
            let why = format!("dead letter {}: {}", letter.id, letter.reason);
            let is_unknown = matches!(letter.reason, Reason::Unknown { .. });
            let fate = if is_unknown { Fate::Unknown(why) } else { Fate::Refused(why) };
            Some((entry.id.0, fate))
        });
        Ok(self.letters.get_or_init(|| found.collect()))
    }
}
