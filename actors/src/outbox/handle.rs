//! What the session writes through: the entry and the work it ends become durable together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use telson_supervision::Registry;

use super::actor::{DeliveryMessage, delivery_name};
use super::record::{EntryId, EntryRecord, EntryState, entry_key};
use crate::channel::chunk::{chunk, chunk_paragraphs};
use crate::channel::{Capabilities, LengthUnit, webhook};
use crate::clock::Timestamp;
use crate::message::{AccountKey, Destination, SessionKey};
use crate::reply::{Speaker, prefixed};
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
    /// Put before every answer, its variables not filled in; may be empty.
    pub prefix: String,
    /// Whether what an agent says between its tool calls is sent as well.
    pub blocks: bool,
    /// Whether each paragraph is a message of its own, and not only what is too long for one.
    pub by_paragraph: bool,
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
    /// The agent who says it, for the account's prefix; `None` for the gateway itself.
    pub speaker: Option<Speaker>,
}

/// How many replies of one account wait to be sent: those its delivery actor knows, and those on
/// their way to it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Backlog(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    told: AtomicUsize,
    known: AtomicUsize,
    running: AtomicUsize,
    /// Those that are about to start something.
    starting: AtomicUsize,
    is_held: AtomicBool,
}

/// The right to start attempts; what is held waits until this is dropped.
#[derive(Debug)]
pub(super) struct Starting(Backlog);

impl Drop for Starting {
    fn drop(&mut self) {
        self.0.0.starting.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Backlog {
    /// All of them.
    pub fn len(&self) -> usize {
        let (told, known) = (&self.0.told, &self.0.known);
        told.load(Ordering::Acquire).saturating_add(known.load(Ordering::Acquire))
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether something is being done about a reply at this moment: it is on its way to its
    /// delivery actor, or an attempt or a look at the platform runs. What waits for a time, for
    /// permission or for evidence is not.
    pub fn is_moving(&self) -> bool {
        let Counts { told, running, starting, .. } = &*self.0;
        // In the order in which a reply comes from one to the next.
        [told, starting, running].into_iter().any(|count| count.load(Ordering::SeqCst) > 0)
    }

    /// Attempts may be started; nothing while they are held. Counted first, so that whoever holds
    /// them sees every one that still starts.
    pub(super) fn starting(&self) -> Option<Starting> {
        self.0.starting.fetch_add(1, Ordering::SeqCst);
        let starting = Starting(self.clone());
        (!self.0.is_held.load(Ordering::SeqCst)).then_some(starting)
    }

    fn tell(&self, entries: usize) {
        self.0.told.fetch_add(entries, Ordering::AcqRel);
    }

    /// The delivery actor has taken so many out of its mailbox.
    pub(super) fn heard(&self, entries: usize) {
        let told = &self.0.told;
        let mut before = told.load(Ordering::Acquire);
        while let Err(now) = told.compare_exchange_weak(
            before,
            before.saturating_sub(entries),
            Ordering::AcqRel,
            Ordering::Acquire,
        ) {
            before = now;
        }
    }

    /// A new delivery actor has an empty mailbox, and nothing runs for it; nor for one that is gone.
    pub(super) fn restarted(&self) {
        self.0.told.store(0, Ordering::Release);
        self.0.running.store(0, Ordering::Release);
    }

    /// The delivery actor knows so many, and works on so many of them.
    pub(super) fn knows(&self, entries: usize, running: usize) {
        self.0.known.store(entries, Ordering::Release);
        self.0.running.store(running, Ordering::Release);
    }
}

#[derive(Debug)]
struct Account {
    style: Style,
    backlog: Backlog,
}

/// The outbox. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbox {
    store: Store,
    registry: Registry,
    accounts: Arc<BTreeMap<AccountKey, Account>>,
}

impl Outbox {
    /// An outbox for these accounts.
    pub fn new(store: Store, registry: Registry, accounts: BTreeMap<AccountKey, Style>) -> Self {
        let with_backlog = |style| Account { style, backlog: Backlog::default() };
        let accounts = accounts.into_iter().map(|(key, style)| (key, with_backlog(style)));
        Self { store, registry, accounts: Arc::new(accounts.collect()) }
    }

    /// What waits to be sent on an account; an account that is not configured has nothing.
    pub fn backlog(&self, account: &AccountKey) -> Backlog {
        self.accounts.get(account).map(|account| account.backlog.clone()).unwrap_or_default()
    }

    /// The accounts people are written to from, in order.
    pub fn accounts(&self) -> impl Iterator<Item = &AccountKey> {
        // What agents and clients may name: a program's address gets events only.
        self.accounts.keys().filter(|account| account.channel != webhook::CHANNEL)
    }

    /// Whether it sends through this account, people's or not.
    pub fn has(&self, account: &AccountKey) -> bool {
        self.accounts.contains_key(account)
    }

    /// Whether an account sends what an agent says between its tool calls.
    pub fn sends_blocks(&self, account: &AccountKey) -> bool {
        self.accounts.get(account).is_some_and(|account| account.style.blocks)
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
        let style = self.accounts.get(&draft.to.account).map(|account| &account.style);
        let limits = style.map_or(UNKNOWN_ACCOUNT, |style| style.capabilities);
        let text = match (style, &draft.speaker) {
            (Some(style), Some(speaker)) => prefixed(&style.prefix, speaker, &draft.text),
            _ => draft.text.clone(),
        };
        let mut entries = Vec::new();
        let by_paragraph = style.is_some_and(|style| style.by_paragraph && draft.speaker.is_some());
        let cut = if by_paragraph { chunk_paragraphs } else { chunk };
        for (part, text) in (0..).zip(cut(&text, limits.text_max, limits.text_unit)) {
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

    /// Whether something is being done about any reply at this moment. Whoever was killed has left
    /// his counts behind, and does nothing.
    pub fn is_moving(&self) -> bool {
        let is_there = |account: &AccountKey| {
            !self.registry.via::<DeliveryMessage>(delivery_name(account)).is_gone()
        };
        let mut accounts = self.accounts.iter();
        accounts.any(|(key, account)| account.backlog.is_moving() && is_there(key))
    }

    /// Starts no attempt any more, or starts them again; what is written waits meanwhile.
    pub fn hold(&self, is_held: bool) {
        for (account, Account { backlog, .. }) in self.accounts.iter() {
            let was_held = backlog.0.is_held.swap(is_held, Ordering::SeqCst);
            if !was_held || is_held {
                continue;
            }
            let delivery = self.registry.via::<DeliveryMessage>(delivery_name(account));
            if delivery.cast(DeliveryMessage::Wake).is_err() {
                tracing::debug!(%account, "delivery is not up; it goes on when it starts");
            }
        }
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
            let (backlog, count) = (self.backlog(&account), entries.len());
            backlog.tell(count);
            if delivery.cast(DeliveryMessage::Append(entries)).is_err() {
                backlog.heard(count);
                tracing::debug!(%account, "delivery is not up; entries wait in the store");
            }
        }
    }
}
