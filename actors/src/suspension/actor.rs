//! The suspension actor: closes the way in, waits for what is under way, and opens it again.
//!
//! Whoever speaks for the machine's supervisor asks it. It asks the scheduler what runs, and tells
//! it, the heartbeats and the outbox when they may go on. [`lease`](super::lease) decides whose the
//! lease is.
//! Restart: a lease is over with the life that gave it, so everything is open again.

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use telson_supervision::{Health, Registry};

use super::handle::{Leased, OtherLease, Phase, Prepared, Refused, Standing, Suspension};
use super::intake::Openness;
use super::lease::{Asked, Book, Named, Wish};
use crate::clock::{Clock, Timestamp};
use crate::cron::{CommandsRunning, Cron};
use crate::heartbeat::Heartbeats;
use crate::load::LoadSnapshot;
use crate::outbox::Outbox;
use crate::store::{Batch, Store, StoreError};

/// The name it answers to.
pub(super) const NAME: &str = "suspension";

/// How often it looks whether what is under way has ended.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The same for the end of its time: a machine's sleep counts, and timers do not see it.
const LOOK_RARELY: Duration = Duration::from_secs(5);
/// A scheduler that does not say within this time what runs may have begun something.
const CRON_WITHIN: Duration = Duration::from_secs(3);
/// A reply that was written a moment ago is on its way to its delivery actor by then.
const TOLD_WITHIN: Duration = Duration::from_millis(100);

/// What it needs.
#[derive(Clone)]
pub struct SuspensionDeps {
    /// What others hold of it.
    pub suspension: Suspension,
    /// The way out.
    pub outbox: Outbox,
    /// Commands of jobs.
    pub commands: CommandsRunning,
    /// How many calls of tools and nodes run that others make; their askers may have left.
    pub calls: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Jobs, where there are any.
    pub cron: Option<Cron>,
    /// Heartbeats.
    pub beats: Heartbeats,
    /// What is under way stands there.
    pub store: Store,
    /// Time.
    pub clock: Clock,
    /// Makes names of leases.
    pub ids: Arc<dyn Fn() -> String + Send + Sync>,
    /// Where it answers to its name.
    pub registry: Registry,
    /// Completed work.
    pub health: Health,
}

/// Something that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocker {
    /// What kind of work it is.
    pub kind: &'static str,
    /// How many.
    pub count: u64,
    /// The same for people, behind the number.
    pub what: &'static str,
}

/// What it is told.
pub enum SuspensionMessage {
    /// Somebody asks for quiet.
    Prepare(Wish, RpcReplyPort<Result<Prepared, Refused>>),
    /// Somebody asks how a lease stands.
    Status(String, RpcReplyPort<Result<Result<Standing, OtherLease>, Refused>>),
    /// Somebody gives a lease back.
    Resume(String, RpcReplyPort<Result<bool, OtherLease>>),
    /// Time has passed (from itself).
    Look(u64),
}

/// See the module.
pub struct SuspensionActor;

/// Its memory.
pub struct Keeper {
    deps: SuspensionDeps,
    book: Book,
    /// Timers that were set; the last one counts.
    timers: u64,
}

type Myself = ActorRef<SuspensionMessage>;

impl Actor for SuspensionActor {
    type Msg = SuspensionMessage;
    type State = Keeper;
    type Arguments = SuspensionDeps;

    async fn pre_start(
        &self,
        myself: Myself,
        deps: SuspensionDeps,
    ) -> Result<Keeper, ActorProcessingErr> {
        deps.registry.register(NAME, &myself, Some(deps.health.clone()));
        let keeper = Keeper { deps, book: Book::default(), timers: 0 };
        if keeper.deps.suspension.phase() != Phase::Accepting {
            keeper.open();
        }
        Ok(keeper)
    }

    async fn handle(
        &self,
        myself: Myself,
        message: SuspensionMessage,
        keeper: &mut Keeper,
    ) -> Result<(), ActorProcessingErr> {
        keeper.expire();
        // Whoever has asked may have left.
        match message {
            SuspensionMessage::Prepare(wish, reply) => {
                keeper.deps.health.taken();
                let prepared = keeper.prepare(wish).await;
                drop(reply.send(prepared));
            }
            SuspensionMessage::Status(id, reply) => {
                keeper.deps.health.taken();
                drop(reply.send(keeper.status(&id).await));
            }
            SuspensionMessage::Resume(id, reply) => {
                keeper.deps.health.taken();
                drop(reply.send(keeper.resume(&id)));
            }
            // A later one has taken over.
            SuspensionMessage::Look(number) if number != keeper.timers => return Ok(()),
            SuspensionMessage::Look(_) => {
                if let Err(error) = keeper.look().await {
                    tracing::warn!(%error, "what is under way can't be looked at");
                }
            }
        }
        keeper.arm(&myself);
        keeper.deps.health.completed();
        Ok(())
    }
}

impl Keeper {
    async fn prepare(&mut self, wish: Wish) -> Result<Prepared, Refused> {
        if self.deps.suspension.intake().has_ended() {
            return Err(Refused::Ending);
        }
        let now = self.deps.clock.steady();
        match self.book.ask(&wish, now) {
            Asked::Taken(rest) => Err(Refused::Taken(rest)),
            Asked::Same => {
                self.book.renew(now);
                let blockers = self.look().await.map_err(Refused::Store)?;
                Ok(self.prepared(blockers))
            }
            Asked::New => self.begin(wish, now).await,
        }
    }

    /// The time of the lease begins before what is under way is looked at.
    async fn begin(&mut self, wish: Wish, since: Timestamp) -> Result<Prepared, Refused> {
        self.deps.suspension.set(Phase::Preparing);
        self.deps.commands.hold(true);
        self.deps.suspension.intake().set(Openness::Own);
        let blockers = match self.quieten().await {
            Ok(blockers) => blockers,
            Err(error) => {
                self.open();
                return Err(Refused::Store(error));
            }
        };
        if !blockers.is_empty() && !wish.drains {
            self.open();
            return Ok(Prepared::Busy(blockers));
        }
        self.book.give((self.deps.ids)(), wish, since, blockers.is_empty());
        if self.book.is_over(self.deps.clock.steady()) {
            self.book.end();
            self.open();
            return Err(Refused::TooSlow);
        }
        tracing::info!(quiet = blockers.is_empty(), "a suspension was asked for");
        self.show();
        Ok(self.prepared(blockers))
    }

    fn prepared(&self, blockers: Vec<Blocker>) -> Prepared {
        let Some(lease) = self.book.lease() else { return Prepared::Busy(blockers) };
        let leased = Leased { id: lease.id.clone(), until: self.by_the_wall(lease.until) };
        if lease.is_ready { Prepared::Ready(leased) } else { Prepared::Draining(leased, blockers) }
    }

    async fn status(&mut self, id: &str) -> Result<Result<Standing, OtherLease>, Refused> {
        match self.book.named(id) {
            Named::Nothing => return Ok(Ok(Standing::Running)),
            Named::Other => return Ok(Err(OtherLease)),
            Named::It => {}
        }
        let blockers = self.look().await.map_err(Refused::Store)?;
        let Some(lease) = self.book.lease() else { return Ok(Ok(Standing::Running)) };
        let until = self.by_the_wall(lease.until);
        let draining = Standing::Draining(until, blockers);
        Ok(Ok(if lease.is_ready { Standing::Ready(until) } else { draining }))
    }

    fn resume(&mut self, id: &str) -> Result<bool, OtherLease> {
        match self.book.named(id) {
            Named::Nothing => Ok(false),
            Named::Other => Err(OtherLease),
            Named::It => {
                tracing::info!("the suspension is over");
                self.book.end();
                self.open();
                Ok(true)
            }
        }
    }

    fn expire(&mut self) {
        if self.book.is_over(self.deps.clock.steady()) {
            tracing::warn!("a suspension was not ended by who asked for it; its time is over");
            self.book.end();
            self.open();
        }
    }

    /// Whether what is under way has ended by now, if that is waited for; what has not.
    async fn look(&mut self) -> Result<Vec<Blocker>, StoreError> {
        if self.book.lease().is_none_or(|lease| lease.is_ready) {
            return Ok(Vec::new());
        }
        let blockers = self.quieten().await?;
        if blockers.is_empty() {
            self.book.ready();
            self.show();
        }
        Ok(blockers)
    }

    /// Shuts the way in and the way out if nothing is under way; else says what is, and leaves both
    /// to what belongs to that.
    async fn quieten(&self) -> Result<Vec<Blocker>, StoreError> {
        let blockers = self.under_way().await?;
        if !blockers.is_empty() {
            return Ok(blockers);
        }
        // What came in since is seen now, and nothing comes after.
        let intake = self.deps.suspension.intake();
        intake.set(Openness::Shut);
        self.deps.outbox.hold(true);
        let late = self.under_way().await;
        if !matches!(&late, Ok(late) if late.is_empty()) {
            self.deps.outbox.hold(false);
            intake.set(Openness::Own);
        }
        late
    }

    /// What is under way. Work moves from a request, perhaps through a call, to the inbox and from
    /// there to the outbox, and these are looked at in the same order: nothing is missed in between.
    async fn under_way(&self) -> Result<Vec<Blocker>, StoreError> {
        let intake = self.deps.suspension.intake();
        let (requests, _) = intake.coming();
        let calls = (self.deps.calls)();
        let (_, admissions) = intake.coming();
        let jobs = self.jobs().await;
        // What was submitted a moment ago counts only when it is durable; this stands behind it.
        self.deps.store.commit(Batch::new()).await?;
        let load = LoadSnapshot::of(&self.deps.store);
        let replies = if self.moves(load.undelivered).await { load.undelivered } else { 0 };
        let all = [
            ("root-request", requests, "requests are under way"),
            ("call", calls, "calls of tools and nodes run"),
            ("session-admission", admissions, "messages are being taken in"),
            ("cron-run", jobs, "jobs run"),
            ("queued-turn", load.waiting, "messages wait or are being answered"),
            ("reply", replies, "replies are on their way"),
        ];
        let all = all.into_iter().map(|(kind, count, what)| Blocker { kind, count, what });
        Ok(all.filter(|blocker| blocker.count > 0).collect())
    }

    /// Jobs that run. A scheduler that has begun anew learns only by and by which commands of its
    /// life before still run.
    async fn jobs(&self) -> u64 {
        let Some(cron) = &self.deps.cron else { return 0 };
        // One that is restarting, or waits for something, may have begun something.
        let begun = match tokio::time::timeout(CRON_WITHIN, cron.status()).await {
            Ok(Ok(status)) => status.begun as u64,
            Ok(Err(_)) | Err(_) => 1,
        };
        begun.max(self.deps.commands.count())
    }

    /// Whether something is being done about replies. What waits for a time, for permission or for
    /// evidence waits in the store, as long as it may.
    async fn moves(&self, undelivered: u64) -> bool {
        if undelivered == 0 {
            return false;
        }
        if !self.deps.outbox.is_moving() {
            tokio::time::sleep(TOLD_WITHIN).await;
        }
        self.deps.outbox.is_moving()
    }

    /// Everything goes on; the way in is opened last.
    fn open(&self) {
        self.deps.outbox.hold(false);
        self.deps.commands.hold(false);
        self.deps.suspension.intake().set(Openness::Open);
        if let Some(cron) = &self.deps.cron {
            cron.go_on();
        }
        self.deps.beats.go_on();
        self.deps.health.set_note(None);
        self.deps.suspension.set(Phase::Accepting);
    }

    fn show(&self) {
        let note = "suspended: nothing new begins until its supervisor resumes it";
        self.deps.health.set_note(Some(note.into()));
        let is_ready = self.book.lease().is_some_and(|lease| lease.is_ready);
        self.deps.suspension.set(if is_ready { Phase::Prepared } else { Phase::Draining });
    }

    /// A moment of the steady time, by the clock on the wall.
    fn by_the_wall(&self, steady: Timestamp) -> Timestamp {
        self.deps.clock.now().plus(steady.since(self.deps.clock.steady()))
    }

    /// Sees to looking again, and to the end of the lease.
    fn arm(&mut self, myself: &Myself) {
        self.timers += 1;
        let Some(lease) = self.book.lease() else { return };
        let rest = lease.until.since(self.deps.clock.steady());
        let pause = rest.min(if lease.is_ready { LOOK_RARELY } else { LOOK_EVERY });
        let number = self.timers;
        myself.send_after(pause.max(Duration::from_millis(1)), move || {
            SuspensionMessage::Look(number)
        });
    }
}
