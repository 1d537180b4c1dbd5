//! The delivery actor: one per account, the only caller of the channel's `send`.
//!
//! Sessions send to it (new entries), its own attempts report back to it. It sends to nobody.
//! [`dispatch`](super::dispatch) and [`entry`](super::entry) decide; this file performs.
//! Restart: reads every entry of its account from the store; an entry whose attempt began and has
//! no receipt is in doubt, and is settled before anything behind it leaves.
//! Invariants: D3, D4, D6.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, MessagingErr, SupervisionEvent};
use telson_supervision::{Dice, Health, Registry, task};

use super::dispatch::{Lanes, Start};
use super::entry::{Next, found, next, note, received, requeue};
use super::handle::Backlog;
use super::record::{
    EntryId, EntryRecord, EntryState, ReceiptRecord, entry_key, entry_prefix, receipt_key,
};
use super::told::{describe, sent};
use crate::channel::{
    Channel, Evidence, FailureClass, Outbound, Receipt, SendFailure, SendOutcome, Settled,
};
use crate::clock::{Clock, Steps, Timestamp};
use crate::crash_point::crash_point;
use crate::dead_letter::{self, DeadLetter, DeadLetterId, Item, Reason};
use crate::event::{Journal, JourneyStep};
use crate::hook::{Hooks, Moment};
use crate::message::{AccountKey, Destination};
use crate::store::{Batch, Expect, Space, Store, StoreError};

/// First look for evidence after an attempt ended in doubt.
const FIRST_LOOK: Duration = Duration::from_millis(250);
/// No attempt may take longer, whatever the channel does: beyond it the outcome is in doubt.
const ATTEMPT_MAX: Duration = Duration::from_mins(10);
/// No look at the platform may take longer: one that hangs would hold its lane for ever.
const LOOK_MAX: Duration = Duration::from_mins(1);
/// The next look after one that hung or crashed.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// Longest sleep between two looks at the lanes, against clocks that step.
const WAKE_MAX: Duration = Duration::from_secs(30);

/// Crashes of the channel over sending one entry before the entry is poison.
const CRASHES_MAX: u32 = 3;
/// Crashes of the channel over looking for one entry before a person is asked: with the pause
/// between looks five minutes, as long as evidence may take anyway.
const LOOK_CRASHES_MAX: u32 = 10;

/// What becomes of a send that no evidence settles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnsettledSends {
    /// It becomes a dead letter: a person decides. Nothing is ever doubled.
    #[default]
    Park,
    /// It is sent again: nothing is ever missing, at the risk of a double.
    Resend,
}

/// What a delivery actor needs.
#[derive(Clone)]
pub struct DeliveryDeps {
    /// Its account.
    pub account: AccountKey,
    /// The platform.
    pub channel: Arc<dyn Channel>,
    /// What becomes of sends nobody can settle.
    pub unsettled: UnsettledSends,
    /// Where entries live.
    pub store: Store,
    /// Where it tells how much waits.
    pub backlog: Backlog,
    /// Time.
    pub clock: Clock,
    /// Jitter.
    pub dice: Dice,
    /// For those who watch.
    pub journal: Journal,
    /// Who is told of what became of replies.
    pub hooks: Hooks,
    /// Where it answers to its name.
    pub registry: Registry,
    /// Completed work.
    pub health: Health,
}

/// What a delivery actor is told.
pub enum DeliveryMessage {
    /// New entries are durable (from a session).
    Append(Vec<EntryRecord>),
    /// Entries may be durable that nobody told about (from a session that starts after a crash).
    Reread,
    /// An attempt ended (from itself).
    Attempted(EntryRecord, SendOutcome),
    /// A look for evidence ended (from itself).
    Settled(EntryRecord, Settled),
    /// Something may be due (from itself).
    Wake,
    /// An entry had ended before this attempt at it began (from itself).
    Gone(EntryRecord),
}

/// The name of an account's delivery actor.
pub(crate) fn delivery_name(account: &AccountKey) -> String {
    format!("delivery/{account}")
}

/// See the module.
pub struct DeliveryActor;

/// Its memory: a view of the stored entries.
pub struct Delivery {
    deps: DeliveryDeps,
    lanes: Lanes,
    /// What runs for which entry, in case it crashes.
    running: HashMap<ActorId, EntryRecord>,
    /// How often the channel has crashed over an entry.
    crashes: HashMap<EntryId, Crashes>,
    wake_at: Option<Timestamp>,
    steps: Steps,
}

/// How often the channel has crashed over one entry.
#[derive(Debug, Clone, Copy, Default)]
struct Crashes {
    sending: u32,
    looking: u32,
}

type Myself = ActorRef<DeliveryMessage>;
type Outcome<T = ()> = Result<T, ActorProcessingErr>;

impl Actor for DeliveryActor {
    type Msg = DeliveryMessage;
    type State = Delivery;
    type Arguments = DeliveryDeps;

    async fn pre_start(&self, myself: Myself, deps: DeliveryDeps) -> Outcome<Delivery> {
        // First the name, then the reading: an entry written in between arrives as a message.
        deps.registry.register(delivery_name(&deps.account), &myself, Some(deps.health.clone()));
        deps.backlog.restarted();
        let mut delivery = Delivery {
            lanes: Lanes::new(deps.channel.capabilities().sends_in_flight_max),
            running: HashMap::new(),
            crashes: HashMap::new(),
            wake_at: None,
            steps: Steps::since_now(&deps.clock),
            deps,
        };
        let entries = stored_entries(&delivery.deps).await?;
        crash_point("recover.delivery_read");
        for mut entry in entries {
            found(&mut entry, delivery.deps.clock.now());
            delivery.lanes.push(entry);
        }
        Ok(delivery)
    }

    async fn post_start(&self, myself: Myself, delivery: &mut Delivery) -> Outcome {
        delivery.proceed(&myself).await
    }

    async fn handle(
        &self,
        myself: Myself,
        message: DeliveryMessage,
        delivery: &mut Delivery,
    ) -> Outcome {
        delivery.follow_clock();
        let mut told = 0;
        match message {
            DeliveryMessage::Append(entries) => {
                delivery.deps.health.taken();
                told = entries.len();
                for entry in entries {
                    delivery.receive(entry);
                }
            }
            DeliveryMessage::Reread => {
                delivery.deps.health.taken();
                delivery.reread().await?;
            }
            DeliveryMessage::Attempted(entry, outcome) => {
                delivery.attempted(entry, outcome)?;
            }
            DeliveryMessage::Settled(entry, settled) => delivery.settled(entry, settled)?,
            DeliveryMessage::Gone(entry) => delivery.done(&entry.to, entry.id),
            DeliveryMessage::Wake => delivery.wake_at = None,
        }
        delivery.proceed(&myself).await?;
        // Only now, so that at no moment it looks as if nobody cared for them.
        delivery.deps.backlog.heard(told);
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: Myself,
        event: SupervisionEvent,
        delivery: &mut Delivery,
    ) -> Outcome {
        let Some(entry) = event.actor_id().and_then(|id| match &event {
            SupervisionEvent::ActorStarted(_) => None,
            _ => delivery.running.remove(&id),
        }) else {
            return Ok(());
        };
        delivery.tell_backlog();
        if let SupervisionEvent::ActorFailed(_, error) = event {
            delivery.follow_clock();
            delivery.crashed(entry, &error.to_string())?;
            delivery.proceed(&myself).await?;
        }
        Ok(())
    }

    // Attempts in flight are given the time to end: cut off, each of them would be in doubt. Who
    // stops this actor sets the limit.
    async fn post_stop(&self, myself: Myself, _: &mut Delivery) -> Outcome {
        for attempt in myself.get_cell().get_children() {
            drop(attempt.wait(None).await);
        }
        crash_point("stop.delivery");
        Ok(())
    }
}

impl Delivery {
    /// What is known by a clock that was set meanwhile is told by the new one.
    fn follow_clock(&mut self) {
        let step = self.steps.take(&self.deps.clock);
        if step != 0 {
            tracing::warn!(account = %self.deps.account, step_ms = step, "the clock was set, or the machine slept");
            self.lanes.clock_stepped(step);
            self.wake_at = self.wake_at.map(|at| at.stepped(step));
        }
    }

    fn receive(&mut self, mut entry: EntryRecord) {
        received(&mut entry, self.deps.clock.now());
        self.lanes.push(entry);
    }

    /// Starts whatever may start now, and sleeps until more may.
    async fn proceed(&mut self, myself: &Myself) -> Outcome {
        let now = self.deps.clock.now();
        let plan = self.lanes.plan(now);
        for start in plan.starts {
            let (entry, evidence) = match start {
                Start::Send(entry) => (entry, None),
                Start::Settle(entry, evidence) => (entry, Some(evidence)),
            };
            let work = work(self.deps.clone(), entry.clone(), evidence, myself.clone());
            let running = task::spawn(myself.get_cell(), work).await?;
            self.running.insert(running.get_id(), entry);
        }
        self.tell_backlog();
        if let Some(at) = plan.wake_at
            && self.wake_at.is_none_or(|scheduled| at < scheduled)
        {
            self.wake_at = Some(at);
            let pause = at.since(now).min(WAKE_MAX).max(Duration::from_millis(1));
            myself.send_after(pause, || DeliveryMessage::Wake);
        }
        Ok(())
    }

    fn tell_backlog(&self) {
        self.deps.backlog.knows(self.lanes.len(), self.running.len());
    }

    /// Entries that are being worked on, or that have just ended, are left alone.
    async fn reread(&mut self) -> Outcome {
        for entry in stored_entries(&self.deps).await? {
            if matches!(entry.state, EntryState::Pending { .. }) {
                self.receive(entry);
            }
        }
        Ok(())
    }

    fn attempted(&mut self, mut entry: EntryRecord, outcome: SendOutcome) -> Outcome {
        let now = self.deps.clock.now();
        note(&mut entry, now, describe(&outcome));
        self.show(&outcome);
        if let Some(created_at) = self.lanes.created_at(&entry.to, entry.id) {
            entry.created_at = created_at;
        }
        match next(&entry, outcome, now, self.deps.dice.roll()) {
            Next::Delivered(receipt) => self.delivered(entry, receipt),
            Next::Retry(at) => self.retry(entry, at),
            Next::Settle(reason) => {
                // The look for evidence has its full time, however long the attempt took.
                if let EntryState::Sending { since, .. } = &mut entry.state {
                    *since = now;
                }
                let step = JourneyStep::InDoubt { entry: entry.id.0, reason };
                self.deps.journal.tell(now, Some(entry.session.as_str()), step);
                self.save(&entry, now.plus(FIRST_LOOK))
            }
            Next::Dead(reason) => self.dead(entry, reason),
        }
    }

    /// A person has to act before anything of this account can go out: that is its state.
    fn show(&self, outcome: &SendOutcome) {
        let health = &self.deps.health;
        match outcome {
            SendOutcome::NotSent(failure) if failure.class == FailureClass::Permission => {
                if health.note().as_ref() != Some(&failure.message) {
                    tracing::warn!(account = %self.deps.account, reason = %failure.message,
                        "nothing can be sent");
                }
                health.set_note(Some(failure.message.clone()));
            }
            SendOutcome::NotSent(_) | SendOutcome::InDoubt(_) | SendOutcome::Sent(_) => {}
        }
    }

    fn settled(&mut self, mut entry: EntryRecord, settled: Settled) -> Outcome {
        let now = self.deps.clock.now();
        match settled {
            Settled::Sent(receipt) => {
                note(&mut entry, now, "settled: sent");
                self.delivered(entry, receipt)
            }
            Settled::NotSent(failure) => self.attempted(entry, SendOutcome::NotSent(failure)),
            Settled::Wait(pause) => {
                self.lanes.look_again(&entry.to, now.plus(pause));
                Ok(())
            }
            Settled::Unresolved(why) => {
                note(&mut entry, now, format!("unsettled: {why}"));
                match self.deps.unsettled {
                    UnsettledSends::Park => self.dead(entry, Reason::Unknown { message: why }),
                    UnsettledSends::Resend => self.retry(entry, now),
                }
            }
        }
    }

    /// An attempt or a look panicked. What the store says decides: without `Sending` nothing was
    /// sent.
    fn crashed(&mut self, entry: EntryRecord, error: &str) -> Outcome {
        let stored: Option<EntryRecord> = self.deps.store.get(&entry_key(&entry.to, entry.id))?;
        let Some(mut stored) = stored else {
            self.done(&entry.to, entry.id);
            return Ok(());
        };
        let reason = format!("the channel crashed: {error}");
        let was_looking = matches!(entry.state, EntryState::Sending { .. });
        let counts = self.crashes.entry(stored.id).or_default();
        let count = if was_looking { &mut counts.looking } else { &mut counts.sending };
        *count += 1;
        let crashes = *count;
        match stored.state {
            EntryState::Sending { .. } if was_looking && crashes >= LOOK_CRASHES_MAX => {
                let message = format!("{crashes} times, looking for it: {reason}");
                self.dead(stored, Reason::Unknown { message })
            }
            EntryState::Sending { .. } if was_looking => self.look_crashed(stored, error),
            EntryState::Sending { .. } => self.attempted(stored, SendOutcome::InDoubt(reason)),
            EntryState::Pending { .. } if crashes >= CRASHES_MAX => {
                self.dead(stored, Reason::Poison { attempts: crashes })
            }
            EntryState::Pending { .. } => {
                stored.attempts += 1;
                self.attempted(stored, SendOutcome::NotSent(SendFailure::transient(reason)))
            }
        }
    }

    /// Nothing is known that was not known before. A channel that crashes whenever it looks must not
    /// be asked without pause.
    fn look_crashed(&mut self, mut entry: EntryRecord, error: &str) -> Outcome {
        let now = self.deps.clock.now();
        note(&mut entry, now, format!("look for evidence crashed: {error}"));
        self.save(&entry, now.plus(LOOK_AGAIN))
    }

    fn delivered(&mut self, entry: EntryRecord, receipt: Receipt) -> Outcome {
        let now = self.deps.clock.now();
        self.deps.hooks.tell(Moment::MessageSent, || sent(&entry, None));
        let (id, to, session) = (entry.id, entry.to.clone(), entry.session.clone());
        let mut batch = Batch::new();
        take(&mut batch, &to, id);
        batch.put(receipt_key(id), &ReceiptRecord { entry, at: now, receipt });
        crash_point("receipt.before_commit");
        self.write_receipt(batch)?;
        self.done(&to, id);
        let step = JourneyStep::Delivered { entry: id.0 };
        self.deps.journal.tell(now, Some(session.as_str()), step);
        self.deps.health.set_note(None);
        self.deps.health.completed();
        Ok(())
    }

    fn retry(&mut self, mut entry: EntryRecord, at: Timestamp) -> Outcome {
        let crashes = self.crashes.get(&entry.id).map_or(0, |crashes| crashes.sending);
        if crashes >= CRASHES_MAX {
            return self.dead(entry, Reason::Poison { attempts: crashes });
        }
        requeue(&mut entry, at);
        self.save(&entry, at)
    }

    fn dead(&mut self, entry: EntryRecord, reason: Reason) -> Outcome {
        let now = self.deps.clock.now();
        let letter = DeadLetter {
            id: DeadLetterId(self.deps.store.next_id()?),
            at: now,
            reason,
            item: Item::Outbound(Box::new(entry.clone())),
        };
        let mut batch = Batch::new();
        take(&mut batch, &entry.to, entry.id);
        dead_letter::add(&mut batch, &letter);
        crash_point("dead_letter.before_reply");
        self.write(batch, || crash_point("dead_letter.after_reply"))?;
        self.done(&entry.to, entry.id);
        self.deps.hooks.tell(Moment::MessageSent, || sent(&entry, Some(&letter.reason)));
        tracing::warn!(entry = %entry.id, to = %entry.to, reason = %letter.reason,
            "reply became dead letter {}: see `telson dead-letters show {}`", letter.id, letter.id);
        let step = JourneyStep::DeadLettered {
            dead_letter: letter.id.0,
            reason: letter.reason.to_string(),
        };
        self.deps.journal.tell(now, Some(entry.session.as_str()), step);
        Ok(())
    }

    fn done(&mut self, to: &Destination, id: EntryId) {
        self.crashes.remove(&id);
        self.lanes.finish(to, id);
    }

    fn save(&mut self, entry: &EntryRecord, look_at: Timestamp) -> Outcome {
        let mut batch = Batch::new();
        batch.put(entry_key(&entry.to, entry.id), entry);
        crash_point("doubt.before_commit");
        self.write(batch, || crash_point("doubt.after_commit"))?;
        self.lanes.replace(entry.clone(), look_at);
        Ok(())
    }

    /// Queues a write without waiting: writes become durable in order, so the next attempt's own
    /// commit stands behind it.
    fn write(&self, batch: Batch, written: fn()) -> Outcome {
        Ok(self.deps.store.submit(batch, recorded(&self.deps.account, written))?)
    }

    /// As [`write`](Self::write), and where the platform itself remembers, the receipt rides on the
    /// next commit: it spares a lone message one of four syncs.
    fn write_receipt(&self, batch: Batch) -> Outcome {
        let written = || crash_point("receipt.after_commit");
        if !self.deps.channel.capabilities().leaves_evidence {
            return self.write(batch, written);
        }
        Ok(self.deps.store.submit_unsynced(batch, recorded(&self.deps.account, written))?)
    }
}

/// Reports a write that nobody waits for.
fn recorded(
    account: &AccountKey,
    written: fn(),
) -> impl FnOnce(Result<(), StoreError>) + Send + 'static {
    let account = account.clone();
    move |result| match result {
        // A conflict: a predecessor had recorded the same end already.
        Ok(()) | Err(StoreError::Conflict) => written(),
        Err(error) => tracing::error!(%account, %error, "delivery could not be recorded"),
    }
}

/// Every entry of the account, also what was submitted a moment ago.
async fn stored_entries(deps: &DeliveryDeps) -> Outcome<Vec<EntryRecord>> {
    deps.store.commit(Batch::new()).await?;
    let entries = deps.store.scan(&entry_prefix(&deps.account))?;
    Ok(entries.into_iter().map(|(_, entry)| entry).collect())
}

/// The entry ends with this batch, and only once.
fn take(batch: &mut Batch, to: &Destination, id: EntryId) {
    let key = entry_key(to, id);
    batch.expect(Expect::Present(key.clone())).delete(key).tally(Space::Outbox, -1);
}

/// One attempt, or one look for evidence; reports to the actor.
async fn work(deps: DeliveryDeps, entry: EntryRecord, evidence: Option<Evidence>, actor: Myself) {
    let message = match evidence {
        None => attempt(&deps, entry).await,
        Some(evidence) => {
            let settled = look(&deps, &entry, &evidence).await;
            crash_point("doubt.looked");
            DeliveryMessage::Settled(entry, settled)
        }
    };
    if let Err(MessagingErr::SendErr(DeliveryMessage::Attempted(entry, outcome))) =
        actor.send_message(message)
    {
        record_late(&deps, entry, outcome).await;
    }
}

/// Asks the platform what became of an attempt. Silence settles nothing.
async fn look(deps: &DeliveryDeps, entry: &EntryRecord, evidence: &Evidence) -> Settled {
    let part = outbound(deps, entry);
    let looked = tokio::time::timeout(LOOK_MAX, deps.channel.reconcile(&part, evidence)).await;
    looked.unwrap_or_else(|_| {
        let note = "the platform does not say what became of a send in doubt";
        deps.health.set_note(Some(note.into()));
        Settled::Wait(LOOK_AGAIN)
    })
}

/// Records the end of an attempt whose actor is stopping. Without it the entry would be in doubt
/// after the next start, although everything is known.
async fn record_late(deps: &DeliveryDeps, mut entry: EntryRecord, outcome: SendOutcome) {
    let now = deps.clock.now();
    let key = entry_key(&entry.to, entry.id);
    note(&mut entry, now, describe(&outcome));
    let mut batch = Batch::new();
    match outcome {
        SendOutcome::Sent(receipt) => {
            let id = receipt_key(entry.id);
            take(&mut batch, &entry.to, entry.id);
            batch.put(id, &ReceiptRecord { entry, at: now, receipt });
        }
        SendOutcome::NotSent(_) => {
            requeue(&mut entry, now);
            batch.put(key, &entry);
        }
        SendOutcome::InDoubt(_) => {
            batch.put(key, &entry);
        }
    }
    crash_point("stop.before_late");
    if let Err(error) = deps.store.commit(batch).await {
        tracing::warn!(%error, "the end of an attempt could not be recorded; it will be settled");
    }
    crash_point("stop.after_late");
}

/// Journals the attempt with its evidence, then makes it.
async fn attempt(deps: &DeliveryDeps, mut entry: EntryRecord) -> DeliveryMessage {
    use DeliveryMessage::{Attempted, Gone};
    let part = outbound(deps, &entry);
    entry.attempts += 1;
    let evidence = match tokio::time::timeout(LOOK_MAX, deps.channel.prepare(&part)).await {
        Ok(Ok(evidence)) => evidence,
        Ok(Err(failure)) => return Attempted(entry, SendOutcome::NotSent(failure)),
        Err(_) => {
            let failure = SendFailure::transient("the channel was not ready within a minute");
            return Attempted(entry, SendOutcome::NotSent(failure));
        }
    };
    entry.state = EntryState::Sending { since: part.attempted_at, evidence: evidence.clone() };
    // One that has ended meanwhile is gone: whoever told of it was late.
    let (mut batch, key) = (Batch::new(), entry_key(&entry.to, entry.id));
    batch.expect(Expect::Present(key.clone())).put(key, &entry);
    crash_point("send.before_commit");
    match deps.store.commit(batch).await {
        Ok(()) => {}
        Err(StoreError::Conflict) => return Gone(entry),
        Err(error) => {
            let failure = SendFailure::transient(error.to_string());
            return Attempted(entry, SendOutcome::NotSent(failure));
        }
    }
    crash_point("send.after_commit");
    let step = JourneyStep::Sending { entry: entry.id.0, attempt: entry.attempts };
    deps.journal.tell(part.attempted_at, Some(entry.session.as_str()), step);
    let outcome = tokio::time::timeout(ATTEMPT_MAX, deps.channel.send(&part, &evidence))
        .await
        .unwrap_or_else(|_| SendOutcome::InDoubt("no answer within ten minutes".into()));
    crash_point("send.after_wire");
    Attempted(entry, outcome)
}

fn outbound(deps: &DeliveryDeps, entry: &EntryRecord) -> Outbound {
    let attempted_at = match &entry.state {
        EntryState::Sending { since, .. } => *since,
        EntryState::Pending { .. } => deps.clock.now(),
    };
    Outbound {
        entry: entry.id.to_string(),
        to: entry.to.clone(),
        text: entry.text.clone(),
        attempted_at,
    }
}
