//! Making one batch of an admission: dedupe keys, envelopes, refusals, pairing codes and cursor
//! together, so that all of it is durable or nothing (D1).

use std::collections::BTreeMap;

use super::{Router, note_of_gateway};
use crate::channel::webchat;
use crate::client_tool::client_tools_key;
use crate::clock::Timestamp;
use crate::dead_letter::{self, DeadLetter, DeadLetterId, Item};
use crate::event::{JourneyStep, excerpt};
use crate::inbox::{
    CursorRecord, DedupeRecord, Fate, InboxRecord, cursor_key, dedupe_key, digest, inbox_key,
};
use crate::message::{AccountKey, Envelope, EnvelopeId, Inbound, SessionKey};
use crate::outbox::{Draft, EntryRecord, Outbox};
use crate::router::admission::{Admission, Admitted, DeclinedRow, Relayed};
use crate::router::callers::Callers;
use crate::router::handle::normalise;
use crate::router::pairing::{PairingBook, Requested};
use crate::router::record::{callers_key, pairing_key};
use crate::router::route::{Route, route};
use crate::store::{Batch, Expect, Key, Space, StoreError};
use crate::system_event::event_key;

/// An admission that can be written.
pub(super) struct Prepared {
    /// When it came.
    pub(super) at: Timestamp,
    /// What is written.
    pub(super) batch: Batch,
    /// What follows once it is durable.
    pub(super) pending: Pending,
    /// The pairing books it changes, and where those who wait in them are told.
    pub(super) books: BTreeMap<AccountKey, (PairingBook, Callers)>,
}

/// What follows from an admission on its way to the disk.
#[derive(Default)]
pub(super) struct Pending {
    /// For their sessions.
    pub(super) records: Vec<InboxRecord>,
    /// For their delivery actors.
    pub(super) replies: Vec<EntryRecord>,
    /// The dedupe keys it takes.
    pub(super) keys: Vec<Key>,
    /// For those who watch.
    pub(super) steps: Vec<(Option<SessionKey>, JourneyStep)>,
    /// For its channel.
    pub(super) result: Admitted,
}

impl Prepared {
    pub(super) fn new(at: Timestamp) -> Self {
        Self { at, batch: Batch::new(), pending: Pending::default(), books: BTreeMap::new() }
    }

    /// Whether nothing in it is new.
    pub(super) fn is_without_keys(&self) -> bool {
        self.pending.keys.is_empty()
    }

    pub(super) fn has_replies(&self) -> bool {
        !self.pending.replies.is_empty()
    }

    /// Adds an answer of the gateway itself.
    pub(super) fn reply(&mut self, outbox: &Outbox, draft: &Draft) -> Result<(), StoreError> {
        self.pending.replies.extend(outbox.add(&mut self.batch, draft, self.at)?);
        Ok(())
    }

    /// What becomes of a message is written under its dedupe key, and only if nothing is.
    fn settle(&mut self, key: Key, fate: Fate, text: Option<u64>) {
        self.batch.expect(Expect::Absent(key.clone()));
        self.take_key(key, fate, text);
    }

    fn take_key(&mut self, key: Key, fate: Fate, text: Option<u64>) {
        self.batch.put(key.clone(), &DedupeRecord { at: self.at, fate, text });
        self.pending.keys.push(key);
    }

    fn decline(&mut self, inbound: &Inbound, reason: String) -> Fate {
        self.pending.result.declined += 1;
        let sender = inbound.sender.clone();
        let step = JourneyStep::Declined { sender: sender.clone(), reason: reason.clone() };
        self.pending.steps.push((None, step));
        Fate::Declined { reason, sender, excerpt: excerpt(&inbound.text) }
    }
}

impl Router {
    /// Everything an admission changes. Nothing of it counts before it is on its way to the disk: one
    /// that fails half-way is offered again, whole.
    pub(super) fn prepare(&self, admission: Admission) -> Result<Prepared, StoreError> {
        let mut to = Prepared::new(self.deps.clock.now());
        for row in admission.declined {
            self.prepare_declined(&admission.account, row, &mut to)?;
        }
        for inbound in admission.inbound {
            self.prepare_inbound(inbound, &mut to)?;
        }
        for relayed in admission.relayed {
            self.prepare_relayed(relayed, &mut to)?;
        }
        for id in admission.history {
            let key = dedupe_key(&admission.account, &id);
            to.batch.put(key, &DedupeRecord { at: to.at, fate: Fate::History, text: None });
        }
        if let Some(position) = admission.cursor {
            let cursor = CursorRecord { at: to.at, position };
            to.batch.put(cursor_key(&admission.account), &cursor);
        }
        Ok(to)
    }

    /// Where a message goes by today's rules and books.
    pub(super) fn route_of(&self, inbound: &Inbound) -> Route {
        let book = self.pairing.get(&inbound.account);
        let paired = |sender: &str| book.is_some_and(|book| book.is_paired(sender));
        route(inbound, &self.deps.rules, &paired)
    }

    /// D5: the same platform id inside the window has no effect.
    pub(super) fn is_known(&self, key: &Key, prepared: &Prepared) -> Result<bool, StoreError> {
        Ok(self.in_flight.contains(key)
            || prepared.pending.keys.contains(key)
            || self.deps.store.contains(key)?)
    }

    fn prepare_inbound(&self, inbound: Inbound, to: &mut Prepared) -> Result<(), StoreError> {
        let Some(key) = self.new_key(&inbound, to)? else { return Ok(()) };
        let fate = match self.route_of(&inbound) {
            Route::Session { agent, key: session } => {
                self.bind(inbound, agent.as_str(), session, to)?
            }
            Route::Refused(refusal) => to.decline(&inbound, refusal.to_string()),
            Route::Pairing => self.offer_pairing(inbound, to)?,
        };
        to.settle(key, fate, None);
        Ok(())
    }

    /// A message from inside: its session was chosen by who may choose.
    fn prepare_relayed(
        &self,
        Relayed { session, agent, inbound, tools }: Relayed,
        to: &mut Prepared,
    ) -> Result<(), StoreError> {
        let Some(key) = self.new_key(&inbound, to)? else { return Ok(()) };
        if let Some(tools) = tools {
            to.batch.put(client_tools_key(&inbound.account, &inbound.dedupe_key), &tools);
        }
        // Whoever offers a message from inside chose its key, and may have chosen it twice.
        let text = Some(digest(&inbound.text));
        if inbound.account == webchat::account() {
            // What was reported under this id waits for its turn: nobody is to be told it twice.
            to.batch.expect(Expect::Absent(event_key(&inbound.dedupe_key)));
        }
        let fate = self.bind(inbound, &agent, session, to)?;
        to.settle(key, fate, text);
        Ok(())
    }

    /// The dedupe key of a message that is new; one that is known is counted.
    fn new_key(&self, inbound: &Inbound, to: &mut Prepared) -> Result<Option<Key>, StoreError> {
        let key = dedupe_key(&inbound.account, &inbound.dedupe_key);
        if self.is_known(&key, to)? {
            to.pending.result.duplicates += 1;
            return Ok(None);
        }
        Ok(Some(key))
    }

    fn bind(
        &self,
        inbound: Inbound,
        agent: &str,
        session: SessionKey,
        to: &mut Prepared,
    ) -> Result<Fate, StoreError> {
        let id = EnvelopeId(self.deps.store.next_id()?);
        let step = JourneyStep::Admitted { message: id.0, excerpt: excerpt(&inbound.text) };
        to.pending.steps.push((Some(session.clone()), step));
        let record = InboxRecord {
            envelope: Envelope { id, admitted_at: to.at, inbound },
            session: session.clone(),
            agent: agent.to_owned(),
            epoch: self.deps.store.epoch().0,
        };
        to.batch.put(inbox_key(&session, id), &record).tally(Space::Inbox, 1);
        to.pending.records.push(record);
        to.pending.result.admitted += 1;
        Ok(Fate::Admitted { envelope: id, session })
    }

    fn offer_pairing(&self, inbound: Inbound, to: &mut Prepared) -> Result<Fate, StoreError> {
        let account = &inbound.account;
        let known = || {
            let book = self.pairing.get(account).cloned().unwrap_or_default();
            (book, self.callers.get(account).cloned().unwrap_or_default())
        };
        let (book, callers) = to.books.entry(account.clone()).or_insert_with(known);
        let reason = match book.request(&inbound.sender, to.at, (self.deps.codes)()) {
            Requested::New { code } => {
                callers.add(&normalise(&inbound.sender), inbound.reply_to.clone(), book, to.at);
                to.batch.put(pairing_key(account), &*book).put(callers_key(account), &*callers);
                let note = note_of_gateway(&pairing_text(&code), inbound.reply_to.clone());
                to.reply(&self.deps.outbox, &note)?;
                "sender is not known yet: a pairing code was sent"
            }
            Requested::AlreadyPending => "sender is not known yet: a pairing code was sent before",
            Requested::LimitReached => "sender is not known, and too many pairing codes are out",
            Requested::AlreadyPaired => "sender was approved in this moment; let them write again",
        };
        Ok(to.decline(&inbound, reason.into()))
    }

    fn prepare_declined(
        &self,
        account: &AccountKey,
        row: DeclinedRow,
        to: &mut Prepared,
    ) -> Result<(), StoreError> {
        let key = dedupe_key(account, &row.dedupe_key);
        if self.is_known(&key, to)? {
            return Ok(());
        }
        let fate = Fate::Declined {
            reason: row.reason.clone(),
            sender: row.sender.clone(),
            excerpt: excerpt(&row.text),
        };
        to.take_key(key, fate, None);
        to.pending.result.declined += 1;
        let step = if let Some(reason) = row.dead_letter {
            let id = DeadLetterId(self.deps.store.next_id()?);
            let item = Item::Row { account: account.clone(), platform_id: row.dedupe_key };
            let step = JourneyStep::DeadLettered { dead_letter: id.0, reason: reason.to_string() };
            dead_letter::add(&mut to.batch, &DeadLetter { id, at: to.at, reason, item });
            step
        } else {
            JourneyStep::Declined { sender: row.sender, reason: row.reason }
        };
        to.pending.steps.push((None, step));
        Ok(())
    }
}

fn pairing_text(code: &str) -> String {
    format!(
        "I do not know you yet. Give the operator of this gateway the code {code}; it is valid for \
         one hour. Your message was not processed."
    )
}
