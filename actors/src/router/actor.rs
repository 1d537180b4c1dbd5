//! The router actor: admits messages and binds them to sessions.
//!
//! Channels send to it and wait for the answer before they acknowledge anything to their platform.
//! It sends to sessions. [`route`](super::route()) decides; this file makes the decision durable.
//! Restart: finds what was admitted and not answered, and hands it to its sessions again.
//! Invariants: D1, D2, D5.

mod judge;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use telson_supervision::dynamic::DynamicMessage;
use telson_supervision::{Health, Registry, Via};

use super::admission::{Admission, AdmitError, Admitted, DeclinedRow, Relayed};
use super::busy::{self, BusyBook};
use super::callers::Callers;
use super::handle::normalise;
use super::pairing::{PAIRING_CODE_CHARS, PairingBook, Requested};
use super::pairings::{Judged, PairingError, Verdict};
use super::record::{callers_key, pairing_key};
use super::route::{Route, route};
use super::rules::Rules;
use crate::clock::{Clock, Timestamp};
use crate::crash_point::crash_point;
use crate::dead_letter::{self, DeadLetter, DeadLetterId, Item};
use crate::disk::DiskSpace;
use crate::event::{Journal, JourneyStep, excerpt};
use crate::hook::{HookEvent, Hooks, Moment};
use crate::inbox::{CursorRecord, DedupeRecord, Fate, InboxRecord, cursor_key, dedupe_key};
use crate::load::LoadSnapshot;
use crate::message::{AccountKey, Envelope, EnvelopeId, Inbound, SessionKey};
use crate::outbox::{Draft, EntryRecord, Outbox};
use crate::session::command::Command;
use crate::session::machine::Event;
use crate::session::{SESSIONS, SessionMessage, Sessions};
use crate::store::{Batch, Expect, Key, Space, Store, StoreError};

/// The name it answers to.
pub(super) const NAME: &str = "router";

/// Stops that are taken in beyond the limit of waiting messages. Each ends as soon as its session
/// reads it.
const STOPS_MAX: u64 = 100;

/// Makes the random part of pairing codes.
pub type CodeSource = Arc<dyn Fn() -> [u8; PAIRING_CODE_CHARS] + Send + Sync>;

/// What the router needs.
#[derive(Clone)]
pub struct RouterDeps {
    /// Who may speak, who answers.
    pub rules: Arc<Rules>,
    /// Where admissions become durable.
    pub store: Store,
    /// The way out, for pairing codes.
    pub outbox: Outbox,
    /// Time.
    pub clock: Clock,
    /// For those who watch.
    pub journal: Journal,
    /// Who is told of messages.
    pub hooks: Hooks,
    /// Unanswered messages beyond which nothing more is admitted.
    pub waiting_max: u64,
    /// Replies of an account waiting to be sent beyond which nothing more of it is admitted.
    pub undelivered_max: usize,
    /// Whether there is room on the disk.
    pub disk: DiskSpace,
    /// Random codes.
    pub codes: CodeSource,
    /// Where it answers to its name.
    pub registry: Registry,
    /// Completed work.
    pub health: Health,
}

/// What the router is told.
pub enum RouterMessage {
    /// New messages (from a channel).
    Admit(Admission, RpcReplyPort<Result<Admitted, AdmitError>>),
    /// An operator decides about somebody who wants in on an account.
    Judge(AccountKey, Verdict, RpcReplyPort<Result<Judged, PairingError>>),
    /// Messages may be durable that nobody handed to a session (from a replayer that starts).
    Reread,
    /// An admission is durable, or failed (from the store).
    Committed(u64, Result<(), StoreError>),
}

/// See the module.
pub struct RouterActor;

/// Its memory: a view of the store.
pub struct Router {
    deps: RouterDeps,
    sessions: Sessions,
    pairing: BTreeMap<AccountKey, PairingBook>,
    /// Where those who wait in the books are told.
    callers: BTreeMap<AccountKey, Callers>,
    /// Dedupe keys on their way to the disk.
    in_flight: HashSet<Key>,
    pending: HashMap<u64, Pending>,
    tickets: u64,
    /// Who knows that too much waits.
    told_busy: BusyBook,
}

/// An admission on its way to the disk.
#[derive(Default)]
struct Pending {
    records: Vec<InboxRecord>,
    replies: Vec<EntryRecord>,
    keys: Vec<Key>,
    steps: Vec<(Option<SessionKey>, JourneyStep)>,
    result: Admitted,
    reply: Option<RpcReplyPort<Result<Admitted, AdmitError>>>,
}

type Myself = ActorRef<RouterMessage>;
type Outcome<T = ()> = Result<T, ActorProcessingErr>;

impl Actor for RouterActor {
    type Msg = RouterMessage;
    type State = Router;
    type Arguments = RouterDeps;

    async fn pre_start(&self, myself: Myself, deps: RouterDeps) -> Outcome<Router> {
        deps.registry.register(NAME, &myself, Some(deps.health.clone()));
        // What a predecessor submitted is on disk behind this.
        deps.store.commit(Batch::new()).await?;
        let (mut pairing, mut callers) = (BTreeMap::new(), BTreeMap::new());
        for account in deps.rules.access.keys() {
            let book = deps.store.get(&pairing_key(account))?.unwrap_or_default();
            pairing.insert(account.clone(), book);
            let waiting = deps.store.get(&callers_key(account))?.unwrap_or_default();
            callers.insert(account.clone(), waiting);
        }
        Ok(Router {
            sessions: deps.registry.via(SESSIONS),
            deps,
            pairing,
            callers,
            in_flight: HashSet::new(),
            pending: HashMap::new(),
            tickets: 0,
            told_busy: BusyBook::default(),
        })
    }

    async fn post_start(&self, _: Myself, router: &mut Router) -> Outcome {
        router.resume()
    }

    async fn handle(&self, myself: Myself, message: RouterMessage, router: &mut Router) -> Outcome {
        match message {
            RouterMessage::Admit(admission, reply) => {
                router.deps.health.taken();
                router.admit(&myself, admission, reply);
            }
            RouterMessage::Judge(account, verdict, reply) => {
                router.deps.health.taken();
                // Boxed: the future of every admission would keep room for it.
                let judged = Box::pin(router.judge(&account, verdict)).await;
                // Whoever asked may have gone.
                drop(reply.send(judged));
            }
            RouterMessage::Reread => {
                router.deps.health.taken();
                router.deps.store.commit(Batch::new()).await?;
                router.resume()?;
            }
            RouterMessage::Committed(ticket, result) => router.committed(ticket, result),
        }
        router.deps.health.completed();
        Ok(())
    }
}

impl Router {
    /// Hands everything that waits for an answer to its session. A session knows what it has.
    fn resume(&self) -> Outcome {
        let records: Vec<(Key, InboxRecord)> = self.deps.store.scan(&Key::of(Space::Inbox))?;
        if !records.is_empty() {
            tracing::info!(messages = records.len(), "resuming messages that wait for an answer");
        }
        let mut records: Vec<InboxRecord> = records.into_iter().map(|(_, record)| record).collect();
        records.sort_by_key(|record| record.envelope.id);
        crash_point("recover.router_read");
        for record in records {
            self.dispatch(record);
            crash_point("recover.router_handed");
        }
        Ok(())
    }

    fn admit(
        &mut self,
        myself: &Myself,
        admission: Admission,
        reply: RpcReplyPort<Result<Admitted, AdmitError>>,
    ) {
        if !admission.is_only_cursor()
            && let Some(shortage) = self.deps.disk.shortage()
        {
            answer(reply, Err(AdmitError::DiskFull(shortage)));
            return;
        }
        let waiting = LoadSnapshot::of(&self.deps.store).waiting;
        if waiting >= self.waiting_max(&admission) {
            if waiting < self.deps.waiting_max.saturating_add(STOPS_MAX) {
                self.admit_stops(myself, &admission);
            }
            self.tell_busy(myself, &admission);
            answer(reply, Err(AdmitError::Busy { waiting }));
            return;
        }
        let undelivered = self.deps.outbox.backlog(&admission.account).len();
        if admission.has_messages() && undelivered >= self.deps.undelivered_max {
            answer(reply, Err(AdmitError::Congested { undelivered }));
            return;
        }
        let mut batch = Batch::new();
        match self.prepare(admission, &mut batch) {
            Ok(mut pending) => {
                pending.reply = Some(reply);
                self.submit(myself, batch, pending);
            }
            Err(error) => answer(reply, Err(AdmitError::Store(error))),
        }
    }

    /// How many may wait before this admission: a stop must get through where nothing else does.
    fn waiting_max(&self, admission: &Admission) -> u64 {
        let mut inbound = admission.inbound.iter();
        if !admission.has_messages() {
            u64::MAX
        } else if admission.relayed.is_empty() && inbound.all(is_stop) {
            self.deps.waiting_max.saturating_add(STOPS_MAX)
        } else {
            self.deps.waiting_max
        }
    }

    /// The stops among refused messages are admitted by themselves. All of them are offered again
    /// with the others, and have no effect then.
    fn admit_stops(&mut self, myself: &Myself, admission: &Admission) {
        let mut stops = Admission::new(admission.account.clone());
        stops.inbound =
            admission.inbound.iter().filter(|inbound| is_stop(inbound)).cloned().collect();
        let mut batch = Batch::new();
        match self.prepare(stops, &mut batch) {
            Ok(pending) if pending.keys.is_empty() => {}
            Ok(pending) => self.submit(myself, batch, pending),
            Err(error) => tracing::debug!(%error, "nothing can be stopped"),
        }
    }

    /// The people whose messages are refused for now read why, each conversation once in a while.
    fn tell_busy(&mut self, myself: &Myself, admission: &Admission) {
        if self.deps.outbox.backlog(&admission.account).len() >= self.deps.undelivered_max {
            return;
        }
        let (now, mut batch, mut pending) =
            (self.deps.clock.now(), Batch::new(), Pending::default());
        for inbound in admission.inbound.iter().filter(|inbound| !is_stop(inbound)) {
            let book = self.pairing.get(&inbound.account);
            let paired = |sender: &str| book.is_some_and(|book| book.is_paired(sender));
            let Route::Session { key, .. } = route(inbound, &self.deps.rules, &paired) else {
                continue;
            };
            let key_of_id = dedupe_key(&inbound.account, &inbound.dedupe_key);
            if self.is_known(&key_of_id, &pending).unwrap_or(true)
                || !self.told_busy.tells(&inbound.reply_to, now)
            {
                continue;
            }
            let to = inbound.reply_to.clone();
            let text = busy::TEXT.to_owned();
            let draft = Draft { session: key, turn: 0, to, text, speaker: None };
            match self.deps.outbox.add(&mut batch, &draft, now) {
                Ok(entries) => pending.replies.extend(entries),
                Err(error) => tracing::debug!(%error, "nobody can be told that too much waits"),
            }
        }
        if !pending.replies.is_empty() {
            self.submit(myself, batch, pending);
        }
    }

    /// One batch for the whole admission: dedupe keys, envelopes and cursor together (D1).
    fn prepare(&mut self, admission: Admission, batch: &mut Batch) -> Result<Pending, StoreError> {
        let now = self.deps.clock.now();
        let mut pending = Pending::default();
        for row in admission.declined {
            self.prepare_declined(&admission.account, row, now, batch, &mut pending)?;
        }
        for inbound in admission.inbound {
            self.prepare_inbound(inbound, now, batch, &mut pending)?;
        }
        for relayed in admission.relayed {
            self.prepare_relayed(relayed, now, batch, &mut pending)?;
        }
        for id in admission.history {
            let key = dedupe_key(&admission.account, &id);
            batch.put(key, &DedupeRecord { at: now, fate: Fate::History });
        }
        if let Some(position) = admission.cursor {
            batch.put(cursor_key(&admission.account), &CursorRecord { at: now, position });
        }
        Ok(pending)
    }

    fn prepare_inbound(
        &mut self,
        inbound: Inbound,
        now: Timestamp,
        batch: &mut Batch,
        pending: &mut Pending,
    ) -> Result<(), StoreError> {
        let key = dedupe_key(&inbound.account, &inbound.dedupe_key);
        if self.is_known(&key, pending)? {
            pending.result.duplicates += 1;
            return Ok(());
        }
        let book = self.pairing.get(&inbound.account);
        let paired = |sender: &str| book.is_some_and(|book| book.is_paired(sender));
        let fate = match route(&inbound, &self.deps.rules, &paired) {
            Route::Session { agent, key: session } => {
                self.bind(inbound, agent.as_str(), session, now, batch, pending)?
            }
            Route::Refused(refusal) => decline(&inbound, refusal.to_string(), pending),
            Route::Pairing => self.offer_pairing(inbound, now, batch, pending)?,
        };
        batch.expect(Expect::Absent(key.clone())).put(key.clone(), &DedupeRecord { at: now, fate });
        self.in_flight.insert(key.clone());
        pending.keys.push(key);
        Ok(())
    }

    /// A message from inside: its session was chosen by who may choose.
    fn prepare_relayed(
        &mut self,
        Relayed { session, agent, inbound }: Relayed,
        now: Timestamp,
        batch: &mut Batch,
        pending: &mut Pending,
    ) -> Result<(), StoreError> {
        let key = dedupe_key(&inbound.account, &inbound.dedupe_key);
        if self.is_known(&key, pending)? {
            pending.result.duplicates += 1;
            return Ok(());
        }
        let fate = self.bind(inbound, &agent, session, now, batch, pending)?;
        batch.expect(Expect::Absent(key.clone())).put(key.clone(), &DedupeRecord { at: now, fate });
        self.in_flight.insert(key.clone());
        pending.keys.push(key);
        Ok(())
    }

    fn bind(
        &mut self,
        inbound: Inbound,
        agent: &str,
        session: SessionKey,
        now: Timestamp,
        batch: &mut Batch,
        pending: &mut Pending,
    ) -> Result<Fate, StoreError> {
        let id = EnvelopeId(self.deps.store.next_id()?);
        let step = JourneyStep::Admitted { message: id.0, excerpt: excerpt(&inbound.text) };
        pending.steps.push((Some(session.clone()), step));
        let record = InboxRecord {
            envelope: Envelope { id, admitted_at: now, inbound },
            session: session.clone(),
            agent: agent.to_owned(),
            epoch: self.deps.store.epoch().0,
        };
        batch.put(crate::inbox::inbox_key(&session, id), &record).tally(Space::Inbox, 1);
        pending.records.push(record);
        pending.result.admitted += 1;
        Ok(Fate::Admitted { envelope: id, session })
    }

    fn offer_pairing(
        &mut self,
        inbound: Inbound,
        now: Timestamp,
        batch: &mut Batch,
        pending: &mut Pending,
    ) -> Result<Fate, StoreError> {
        let book = self.pairing.entry(inbound.account.clone()).or_default();
        let reason = match book.request(&inbound.sender, now, (self.deps.codes)()) {
            Requested::New { code } => {
                batch.put(pairing_key(&inbound.account), &*book);
                let callers = self.callers.entry(inbound.account.clone()).or_default();
                callers.add(&normalise(&inbound.sender), inbound.reply_to.clone(), book, now);
                batch.put(callers_key(&inbound.account), &*callers);
                let draft = Draft {
                    session: pairing_session(),
                    turn: 0,
                    to: inbound.reply_to.clone(),
                    text: pairing_text(&code),
                    speaker: None,
                };
                pending.replies.extend(self.deps.outbox.add(batch, &draft, now)?);
                "sender is not known yet: a pairing code was sent"
            }
            Requested::AlreadyPending => "sender is not known yet: a pairing code was sent before",
            Requested::LimitReached => "sender is not known, and too many pairing codes are out",
            Requested::AlreadyPaired => "sender was approved in this moment; let them write again",
        };
        Ok(decline(&inbound, reason.into(), pending))
    }

    fn prepare_declined(
        &mut self,
        account: &AccountKey,
        row: DeclinedRow,
        now: Timestamp,
        batch: &mut Batch,
        pending: &mut Pending,
    ) -> Result<(), StoreError> {
        let key = dedupe_key(account, &row.dedupe_key);
        if self.is_known(&key, pending)? {
            return Ok(());
        }
        let fate = Fate::Declined {
            reason: row.reason.clone(),
            sender: row.sender.clone(),
            excerpt: excerpt(&row.text),
        };
        batch.put(key.clone(), &DedupeRecord { at: now, fate });
        self.in_flight.insert(key.clone());
        pending.keys.push(key);
        pending.result.declined += 1;
        if let Some(reason) = row.dead_letter {
            let id = DeadLetterId(self.deps.store.next_id()?);
            let item = Item::Row { account: account.clone(), platform_id: row.dedupe_key };
            let step = JourneyStep::DeadLettered { dead_letter: id.0, reason: reason.to_string() };
            dead_letter::add(batch, &DeadLetter { id, at: now, reason, item });
            pending.steps.push((None, step));
        } else {
            let step = JourneyStep::Declined { sender: row.sender, reason: row.reason };
            pending.steps.push((None, step));
        }
        Ok(())
    }

    /// D5: the same platform id inside the window has no effect.
    fn is_known(&self, key: &Key, pending: &Pending) -> Result<bool, StoreError> {
        Ok(self.in_flight.contains(key)
            || pending.keys.contains(key)
            || self.deps.store.contains(key)?)
    }

    fn submit(&mut self, myself: &Myself, batch: Batch, pending: Pending) {
        self.tickets += 1;
        let ticket = self.tickets;
        self.pending.insert(ticket, pending);
        let router = myself.clone();
        let done = move |result| {
            // A router that is gone has a successor that reads the store.
            drop(router.send_message(RouterMessage::Committed(ticket, result)));
        };
        crash_point("admit.before_commit");
        if let Err(error) = self.deps.store.submit(batch, done) {
            self.committed(ticket, Err(error));
        }
    }

    /// Only now is the admission acknowledged, and only now does its session hear of it.
    fn committed(&mut self, ticket: u64, result: Result<(), StoreError>) {
        let Some(pending) = self.pending.remove(&ticket) else { return };
        for key in &pending.keys {
            self.in_flight.remove(key);
        }
        if let Err(error) = result {
            if let Some(reply) = pending.reply {
                answer(reply, Err(AdmitError::Store(error)));
            }
            return;
        }
        crash_point("admit.after_commit");
        let now = self.deps.clock.now();
        for (session, step) in pending.steps {
            self.deps.journal.tell(now, session.as_ref().map(SessionKey::as_str), step);
        }
        self.deps.outbox.written(pending.replies);
        for record in pending.records {
            self.deps.hooks.tell(Moment::MessageReceived, || received(&record));
            self.dispatch(record);
        }
        if let Some(reply) = pending.reply {
            answer(reply, Ok(pending.result));
        }
    }

    fn dispatch(&self, record: InboxRecord) {
        let key = record.session.clone();
        let message = SessionMessage(Event::Inbound(Box::new(record)));
        if self.sessions.cast(DynamicMessage::Dispatch(key, message)).is_err() {
            // The sessions are restarting, and so is the router after them: it will read the store.
            tracing::debug!("sessions are not up; messages wait in the store");
        }
    }
}

fn received(record: &InboxRecord) -> HookEvent {
    let inbound = &record.envelope.inbound;
    HookEvent::MessageReceived {
        session: record.session.to_string(),
        agent: record.agent.clone(),
        message: record.envelope.id.to_string(),
        channel: inbound.account.channel.clone(),
        account: inbound.account.account.clone(),
        from: inbound.sender.clone(),
        content: inbound.text.clone(),
    }
}

fn decline(inbound: &Inbound, reason: String, pending: &mut Pending) -> Fate {
    pending.result.declined += 1;
    let step = JourneyStep::Declined { sender: inbound.sender.clone(), reason: reason.clone() };
    pending.steps.push((None, step));
    Fate::Declined { reason, sender: inbound.sender.clone(), excerpt: excerpt(&inbound.text) }
}

/// A pairing code belongs to no conversation; it is filed under the global key.
fn pairing_session() -> SessionKey {
    SessionKey::global()
}

fn pairing_text(code: &str) -> String {
    format!(
        "I do not know you yet. Give the operator of this gateway the code {code}; it is valid for \
         one hour. Your message was not processed."
    )
}

fn is_stop(inbound: &Inbound) -> bool {
    Command::parse(&inbound.text) == Some(Command::Stop)
}

fn answer(reply: RpcReplyPort<Result<Admitted, AdmitError>>, result: Result<Admitted, AdmitError>) {
    // A channel that is gone reads its platform again and meets its own dedupe keys.
    drop(reply.send(result));
}

/// What channels hold: the way in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Admissions(Via<RouterMessage>);

impl Admissions {
    /// The way in of an engine.
    pub fn new(registry: &Registry) -> Self {
        Self(registry.via(NAME))
    }

    /// Asks the router to look for messages that nobody has handed to their session.
    pub fn reread(&self) {
        if self.0.cast(RouterMessage::Reread).is_err() {
            tracing::debug!("the router is not up; it reads the store when it starts");
        }
    }

    /// Admits, and returns once everything is durable: then, and only then, the platform may be
    /// told (D1).
    ///
    /// # Errors
    /// Nothing was acknowledged: keep the platform's cursor and offer the same again later.
    pub async fn admit(&self, admission: Admission) -> Result<Admitted, AdmitError> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.0
            .cast(RouterMessage::Admit(admission, sender.into()))
            .map_err(|_| AdmitError::Restarting)?;
        receiver.await.map_err(|_| AdmitError::Restarting)?
    }
}
