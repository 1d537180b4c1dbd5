//! The delivery actor: one per account, the only caller of the channel's `send`.
//!
//! Sessions send to it (new entries), its own attempts report back to it. It sends to nobody.
//! [`dispatch`](super::dispatch), [`entry`](super::entry) and [`crashes`](super::crashes) decide; this
//! file performs. An attempt is a task of its own (`attempt`); what becomes of it is written down
//! (`writing`).
//! Restart: reads every entry of its account from the store; an entry whose attempt began and has
//! no receipt is in doubt, and is settled before anything behind it leaves.
//! Invariants: D3, D4, D6.

mod attempt;
mod writing;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use telson_supervision::{Dice, Health, Registry, task};

use self::attempt::{LOOK_AGAIN, work};
use super::crashes::{Crashed, Crashes};
use super::dispatch::{Lanes, Start};
use super::entry::{Next, found, next, note, received};
use super::handle::Backlog;
use super::record::{EntryRecord, EntryState, entry_key, entry_prefix};
use super::told::describe;
use crate::channel::{Channel, FailureClass, SendOutcome, Settled};
use crate::clock::{Clock, Steps, Timestamp};
use crate::crash_point::crash_point;
use crate::dead_letter::Reason;
use crate::event::{Journal, JourneyStep};
use crate::hook::Hooks;
use crate::message::AccountKey;
use crate::store::{Batch, Store};

/// First look for evidence after an attempt ended in doubt.
const FIRST_LOOK: Duration = Duration::from_millis(250);
/// Longest sleep between two looks at the lanes, against clocks that step.
const WAKE_MAX: Duration = Duration::from_secs(30);

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
    /// Something may be due (from itself), or may start again.
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
    crashes: Crashes,
    wake_at: Option<Timestamp>,
    steps: Steps,
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
            crashes: Crashes::default(),
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
    async fn post_stop(&self, myself: Myself, delivery: &mut Delivery) -> Outcome {
        for attempt in myself.get_cell().get_children() {
            drop(attempt.wait(None).await);
        }
        // How they ended is told to nobody: the store says what is to be settled.
        delivery.deps.backlog.restarted();
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
        let Some(_starting) = self.deps.backlog.starting() else {
            self.tell_backlog();
            return Ok(());
        };
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

    /// An attempt or a look panicked. What the store says decides.
    fn crashed(&mut self, entry: EntryRecord, error: &str) -> Outcome {
        let stored: Option<EntryRecord> = self.deps.store.get(&entry_key(&entry.to, entry.id))?;
        let Some(mut stored) = stored else {
            self.done(&entry.to, entry.id);
            return Ok(());
        };
        let was_looking = matches!(entry.state, EntryState::Sending { .. });
        match self.crashes.count(&stored, was_looking, error) {
            Crashed::NotSent(failure) => {
                stored.attempts += 1;
                self.attempted(stored, SendOutcome::NotSent(failure))
            }
            Crashed::InDoubt(reason) => self.attempted(stored, SendOutcome::InDoubt(reason)),
            Crashed::LookAgain => self.look_crashed(stored, error),
            Crashed::Dead(reason) => self.dead(stored, reason),
        }
    }

    /// A channel that crashes whenever it looks must not be asked without pause.
    fn look_crashed(&mut self, mut entry: EntryRecord, error: &str) -> Outcome {
        let now = self.deps.clock.now();
        note(&mut entry, now, format!("look for evidence crashed: {error}"));
        self.save(&entry, now.plus(LOOK_AGAIN))
    }
}

/// Every entry of the account, also what was submitted a moment ago.
async fn stored_entries(deps: &DeliveryDeps) -> Outcome<Vec<EntryRecord>> {
    deps.store.commit(Batch::new()).await?;
    let entries = deps.store.scan(&entry_prefix(&deps.account))?;
    Ok(entries.into_iter().map(|(_, entry)| entry).collect())
}
