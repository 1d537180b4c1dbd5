//! What the session writes through: the entry and the work it ends become durable together.

use std::collections::BTreeMap;
use std::sync::Arc;

use telson_supervision::Registry;

use super::actor::{DeliveryMessage, delivery_name};
use super::record::{EntryId, EntryRecord, EntryState, entry_key};
use crate::channel::chunk::chunk;
use crate::channel::{Capabilities, LengthUnit};
use crate::clock::Timestamp;
use crate::message::{AccountKey, Destination, SessionKey};
use crate::store::{Batch, Space, Store, StoreError};

/// Limits assumed for an account that is not configured (any more): its entries wait, visibly.
const UNKNOWN_ACCOUNT: Capabilities = Capabilities {
    text_max: 4000,
    text_unit: LengthUnit::Chars,
    sends_in_flight_max: 1,
    leaves_evidence: false,
};

/// How an account writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Style {
    /// Its limits.
    pub capabilities: Capabilities,
    /// Put before every answer; may be empty.
    pub prefix: String,
}

/// A text to be sent, before it is cut into parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Whose answer it is.
    pub session: SessionKey,
    /// The turn that wrote it.
    pub turn: u64,
    /// Where it goes.
    pub to: Destination,
    /// What it says.
    pub text: String,
    /// Whether an agent says it, and not the gateway itself.
    pub is_answer: bool,
}

/// The outbox. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbox {
    store: Store,
    registry: Registry,
    accounts: Arc<BTreeMap<AccountKey, Style>>,
}

impl Outbox {
    /// An outbox for these accounts.
    pub fn new(store: Store, registry: Registry, accounts: BTreeMap<AccountKey, Style>) -> Self {
        Self { store, registry, accounts: Arc::new(accounts) }
    }

    /// Adds the parts of a draft to `batch`; they exist once the batch is committed.
    ///
    /// # Errors
    /// When the store can't number them.
    pub fn add(
        &self,
        batch: &mut Batch,
        draft: &Draft,
        now: Timestamp,
    ) -> Result<Vec<EntryRecord>, StoreError> {
        let style = self.accounts.get(&draft.to.account);
        let limits = style.map_or(UNKNOWN_ACCOUNT, |style| style.capabilities);
        let text = match style {
            Some(style) if draft.is_answer => format!("{}{}", style.prefix, draft.text),
            _ => draft.text.clone(),
        };
        let mut entries = Vec::new();
        for (part, text) in (0..).zip(chunk(&text, limits.text_max, limits.text_unit)) {
            let entry = EntryRecord {
                id: EntryId(self.store.next_id()?),
                session: draft.session.clone(),
                turn: draft.turn,
                part,
                to: draft.to.clone(),
                text,
                created_at: now,
                attempts: 0,
                state: EntryState::Pending { not_before: now },
                notes: Vec::new(),
            };
            batch.put(entry_key(&entry.to, entry.id), &entry).tally(Space::Outbox, 1);
            entries.push(entry);
        }
        Ok(entries)
    }

    /// Asks every delivery actor to read its entries from the store again: somebody who wrote some
    /// may have died before telling.
    pub fn reread(&self) {
        for account in self.accounts.keys() {
            let delivery = self.registry.via::<DeliveryMessage>(delivery_name(account));
            if delivery.cast(DeliveryMessage::Reread).is_err() {
                tracing::debug!(%account, "delivery is not up; it reads the store when it starts");
            }
        }
    }

    /// Tells the delivery actors about entries that are durable now. Losing this costs time only:
    /// a delivery actor reads its entries from the store when it starts.
    pub fn written(&self, entries: Vec<EntryRecord>) {
        let mut by_account: BTreeMap<AccountKey, Vec<EntryRecord>> = BTreeMap::new();
        for entry in entries {
            by_account.entry(entry.to.account.clone()).or_default().push(entry);
        }
        for (account, entries) in by_account {
            let delivery = self.registry.via::<DeliveryMessage>(delivery_name(&account));
            if delivery.cast(DeliveryMessage::Append(entries)).is_err() {
                tracing::debug!(%account, "delivery is not up; entries wait in the store");
            }
        }
    }
}
