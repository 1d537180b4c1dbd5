//! The router actor: admits messages and binds them to sessions.
//!
//! Channels send to it and wait for the answer before they acknowledge anything to their platform.
//! It sends to sessions. [`route`](super::route()) and [`pressure`](super::pressure) decide; this room's
//! files make the decision durable: `prepare` writes the batch, `overload` sees to what finds no room.
//! Restart: finds what was admitted and not answered, and hands it to its sessions again.
//! Invariants: D1, D2, D5.

mod judge;
mod overload;
mod prepare;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use telson_supervision::{Health, Registry};

use self::prepare::{Pending, Prepared};
use super::admission::{Admission, AdmitError, Admitted};
use super::busy::BusyBook;
use super::callers::Callers;
use super::pairing::{PAIRING_CODE_CHARS, PairingBook};
use super::pairings::{Judged, PairingError, Verdict};
use super::pressure::Pressure;
use super::record::{callers_key, pairing_key};
use super::rules::Rules;
use crate::clock::Clock;
use crate::crash_point::crash_point;
use crate::disk::DiskSpace;
use crate::event::Journal;
use crate::hook::{HookEvent, Hooks, Moment};
use crate::inbox::InboxRecord;
use crate::load::LoadSnapshot;
use crate::message::{AccountKey, Destination, SessionKey};
use crate::outbox::{Draft, Outbox};
use crate::session::{SESSIONS, Sessions, hand_over};
use crate::store::{Batch, Key, Space, Store, StoreError};
use crate::suspension::{Intake, Pass};

/// The name it answers to.
pub(super) const NAME: &str = "router";

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
    /// Whether messages are taken in.
    pub intake: Intake,
    /// Whether there is room on the disk.
    pub disk: DiskSpace,
    /// Random codes.
    pub codes: CodeSource,
    /// Where it answers to its name.
    pub registry: Registry,
    /// Completed work.
    pub health: Health,
}

/// Where the fate of an admission is told.
type Reply = RpcReplyPort<Result<Admitted, AdmitError>>;
/// Who waits for an admission; it counts until its sessions have it.
type Brought = (Reply, Pass);

/// What the router is told.
pub enum RouterMessage {
    /// New messages (from a channel).
    Admit(Admission, Reply),
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
    /// Admissions on their way to the disk, each with who waits for it.
    pending: HashMap<u64, (Pending, Option<Brought>)>,
    tickets: u64,
    /// Who knows that too much waits.
    told_busy: BusyBook,
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
            hand_over(&self.sessions, Box::new(record));
            crash_point("recover.router_handed");
        }
        Ok(())
    }

    fn admit(&mut self, myself: &Myself, admission: Admission, reply: Reply) {
        // Whoever asked has given up and will come again, perhaps under another key.
        if reply.is_closed() {
            return;
        }
        let is_own = admission.inbound.is_empty();
        let Some(pass) = self.deps.intake.admission(is_own) else {
            return answer(reply, Err(AdmitError::Suspended));
        };
        let pressure = self.pressure(&admission.account);
        if let Err(refused) = pressure.admits(&admission) {
            if matches!(refused, AdmitError::Busy { .. }) {
                self.turned_away(myself, &admission, &pressure);
            }
            return answer(reply, Err(refused));
        }
        match self.prepare(admission) {
            Ok(prepared) => self.submit(myself, prepared, Some((reply, pass))),
            Err(error) => answer(reply, Err(AdmitError::Store(error))),
        }
    }

    fn pressure(&self, account: &AccountKey) -> Pressure {
        Pressure {
            shortage: self.deps.disk.shortage(),
            waiting: LoadSnapshot::of(&self.deps.store).waiting,
            waiting_max: self.deps.waiting_max,
            undelivered: self.deps.outbox.backlog(account).len(),
            undelivered_max: self.deps.undelivered_max,
        }
    }

    fn submit(&mut self, myself: &Myself, prepared: Prepared, brought: Option<Brought>) {
        self.tickets += 1;
        let ticket = self.tickets;
        let Prepared { batch, pending, books, .. } = prepared;
        self.in_flight.extend(pending.keys.iter().cloned());
        self.pending.insert(ticket, (pending, brought));
        let router = myself.clone();
        let done = move |result| {
            // A router that is gone has a successor that reads the store.
            drop(router.send_message(RouterMessage::Committed(ticket, result)));
        };
        crash_point("admit.before_commit");
        if let Err(error) = self.deps.store.submit(batch, done) {
            return self.committed(ticket, Err(error));
        }
        for (account, (book, callers)) in books {
            self.pairing.insert(account.clone(), book);
            self.callers.insert(account, callers);
        }
    }

    /// Only now is the admission acknowledged, and only now does its session hear of it.
    fn committed(&mut self, ticket: u64, result: Result<(), StoreError>) {
        let Some((pending, brought)) = self.pending.remove(&ticket) else { return };
        for key in &pending.keys {
            self.in_flight.remove(key);
        }
        if let Err(error) = result {
            if let Some((reply, _)) = brought {
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
            hand_over(&self.sessions, Box::new(record));
        }
        if let Some((reply, _)) = brought {
            answer(reply, Ok(pending.result));
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

/// What the gateway itself tells somebody who wants in. It belongs to no conversation, so it is filed
/// under the global key.
fn note_of_gateway(text: &str, to: Destination) -> Draft {
    Draft { session: SessionKey::global(), turn: 0, to, text: text.to_owned(), speaker: None }
}

fn answer(reply: Reply, result: Result<Admitted, AdmitError>) {
    // A channel that is gone reads its platform again and meets its own dedupe keys.
    drop(reply.send(result));
}
