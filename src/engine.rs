//! The engine: a store, a supervision tree over it, and a handle to both.
//!
//! Nothing here reads files besides the store, the environment or signals: the same engine runs in
//! the service and inside any tokio program. Two engines in one process share nothing (A4).

mod answers;
mod beats;
mod beginning;
mod builder;
mod calls;
mod choice;
mod client_tools;
mod drain;
mod editing;
mod embedding;
mod events;
mod invoke;
mod keys;
mod late;
mod nodes;
mod relay;
mod runs;
mod sessions;
mod sight;
mod spec;
mod start;
mod tools;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use telson_actors::channel::webchat::WebChat;
use telson_actors::clock::Clock;
use telson_actors::cron::{CommandsRunning, Cron, CronEvents};
use telson_actors::dead_letter::DeadLetters;
use telson_actors::disk::{DiskReport, DiskSpace};
use telson_actors::event::{Journal, JourneyEvent};
use telson_actors::heartbeat::Heartbeats;
use telson_actors::hook::Hooks;
use telson_actors::journey::{self, Journey};
use telson_actors::load::LoadSnapshot;
use telson_actors::message::{Inbound, SessionKey};
use telson_actors::model::Catalog;
use telson_actors::outbox::Outbox;
use telson_actors::provider::ToolSpec;
use telson_actors::router::{Admission, Admissions, AdmitError, Admitted, Pairings};
use telson_actors::session::machine::Event as SessionEvent;
use telson_actors::session::{self, Asker, SessionMessage, Sessions, Stopped};
use telson_actors::store::{Store, StoreError, StoreStats};
use telson_actors::stream::{Streams, Subscription};
use telson_actors::suspension::Suspension;
use telson_actors::system_event::SystemEvents;
use telson_actors::tool::{ToolMessage, Toolbox};
use telson_actors::usage::{self, Day, UsageReport};
use telson_supervision::dynamic::DynamicMessage;
use telson_supervision::{Event, Node, Tree, Via};
use tokio::sync::broadcast;

use self::sessions::SessionIndex;

use crate::turns::Turns;
pub(crate) use answers::Asked;
pub(crate) use beginning::Beginning;
pub use builder::Builder;
pub(crate) use calls::{Calls, RunningCall};
pub use choice::ChooseError;
pub use editing::EditError;
pub use embedding::EmbedError;
pub(crate) use invoke::{Invoked, Kept};
pub use keys::WakeError;
pub(crate) use late::LateEngine;
pub use relay::{Outcome, Relay};
pub use sessions::{LastExchange, SessionFacts};
pub use spec::{AccountSpec, ProviderSpec, StartError, StoreSpec};
pub(crate) use tools::{place, toolbox};

/// Why an engine can't go on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineFailure {
    /// A write failed, and nothing was acknowledged after it.
    #[error("the store failed: {0}")]
    Store(StoreError),
    /// A failure went up through the whole tree.
    #[error("the supervision tree has ended")]
    TreeEnded,
}

impl EngineFailure {
    /// Whether a new engine may be started in this process, once there is space on the disk.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_disk_full())
    }
}

/// Nobody was there to stop a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sessions are restarting; try again")]
pub struct AbortError;

/// A running engine. Cheap to clone; it stops by [`Engine::shutdown`], not by being dropped.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    tree: Tree,
    store: Store,
    clock: Clock,
    journal: Journal,
    admissions: Admissions,
    dead_letters: DeadLetters,
    pairings: Pairings,
    outbox: Outbox,
    sessions: Sessions,
    tools: Via<ToolMessage>,
    catalog: Catalog,
    desk: keys::Desk,
    sight: sight::Sight,
    suspension: Suspension,
    disk: DiskSpace,
    hooks: Hooks,
    streams: Streams,
    web_chat: WebChat,
    cron: Option<Cron>,
    cron_events: CronEvents,
    commands: CommandsRunning,
    calls: Calls,
    keys: beginning::Keys,
    events: SystemEvents,
    beats: Heartbeats,
    index: SessionIndex,
    /// One change of a session at a time: whatever is read for a change is what it changes.
    edits: Turns<SessionKey>,
    toolbox: Arc<OnceLock<Arc<Toolbox>>>,
    started: tokio::time::Instant,
}

impl Engine {
    /// Begins to describe an engine.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Hands a message in, for a channel that lives in the embedding program. Returns when the
    /// message is durable: only then acknowledge it to its platform.
    ///
    /// # Errors
    /// Nothing was admitted; offer it again later. A repeat of an admitted message has no effect.
    pub async fn inject(&self, inbound: Inbound) -> Result<Admitted, AdmitError> {
        let mut admission = Admission::new(inbound.account.clone());
        admission.inbound.push(inbound);
        self.0.admissions.admit(admission).await
    }

    /// The way in, for receivers that admit several messages and a cursor together.
    pub fn admissions(&self) -> Admissions {
        self.0.admissions.clone()
    }

    /// The jobs, if the engine [runs any](Builder::cron).
    pub fn cron(&self) -> Option<Cron> {
        self.0.cron.clone()
    }

    /// What happens to jobs.
    pub fn cron_events(&self) -> CronEvents {
        self.0.cron_events.clone()
    }

    /// What happens to messages from now on.
    pub fn events(&self) -> broadcast::Receiver<JourneyEvent> {
        self.0.journal.subscribe()
    }

    /// What models say from now on, piece by piece as they say it: in one session, or in all with
    /// `None`. A subscriber that reads too slowly misses pieces and is told how many; it never holds
    /// up an answer. It ends when the engine is shut down.
    pub fn stream(&self, session: Option<&SessionKey>) -> Subscription {
        self.0.streams.subscribe(session.map(SessionKey::as_str))
    }

    /// Web chat: what was sent to its readers. Empty unless the engine
    /// [has it](Builder::web_chat).
    pub fn web_chat(&self) -> WebChat {
        self.0.web_chat.clone()
    }

    /// What happens to actors from now on.
    pub fn supervision_events(&self) -> broadcast::Receiver<Event> {
        self.0.tree.events()
    }

    /// The supervision tree as it is now.
    pub fn tree(&self) -> Node {
        self.0.tree.snapshot()
    }

    /// How much is under way.
    pub fn load(&self) -> LoadSnapshot {
        // What is about to be made is not made after the last look.
        let calls = self.0.calls.count(tokio::time::Instant::now()) + self.0.keys.count();
        let commands = self.0.commands.count();
        LoadSnapshot { commands, calls, ..LoadSnapshot::of(&self.0.store) }
    }

    /// The calls of tools and nodes that run.
    pub(crate) fn calls(&self) -> &Calls {
        &self.0.calls
    }

    /// What this agent's model can call.
    pub fn tools(&self, agent: &str) -> Vec<ToolSpec> {
        self.0.toolbox.get().map_or_else(Vec::new, |tools| tools.specs(agent))
    }

    /// Stops a branch or an actor and keeps it stopped, or starts it again: by its path below the root,
    /// such as `edge/imessage/default`. `false` if there is no such place. What is stopped starts
    /// again with the service, or with the branch around it.
    pub fn hold_actor(&self, path: &str, is_held: bool) -> bool {
        self.0.tree.hold(path, is_held)
    }

    /// Figures about the store.
    pub fn store_stats(&self) -> StoreStats {
        self.0.store.stats()
    }

    /// Whether the life before this one did not end in order.
    pub fn was_interrupted(&self) -> bool {
        self.0.store.was_interrupted()
    }

    /// The free space of the store's disk, and whether it stops admission.
    pub fn disk(&self) -> DiskReport {
        self.0.disk.report()
    }

    /// Time since the engine was started.
    pub fn uptime(&self) -> Duration {
        self.0.started.elapsed()
    }

    /// Its memory, for what the service around it keeps there.
    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    /// The wall-clock time the engine goes by.
    pub fn clock(&self) -> Clock {
        self.0.clock
    }

    /// The journeys that a message number, entry number, platform id or piece of text names.
    ///
    /// # Errors
    /// A damaged record.
    pub async fn why(&self, query: &str) -> Result<Vec<Journey>, StoreError> {
        let (store, query) = (self.0.store.clone(), query.to_owned());
        tokio::task::spawn_blocking(move || journey::find(&store, &query))
            .await
            .map_err(|error| StoreError::Database(error.to_string()))?
    }

    /// Whether a session has ever been written to.
    ///
    /// # Errors
    /// A damaged record.
    pub fn knows_session(&self, session: &SessionKey) -> Result<bool, StoreError> {
        session::is_known(&self.0.store, session)
    }

    /// What models have used in the last `days` days of UTC, today included, at most a year.
    ///
    /// # Errors
    /// What the store says.
    pub async fn usage(&self, days: u64) -> Result<UsageReport, StoreError> {
        let (store, today) = (self.0.store.clone(), Day::of(self.0.clock.now()));
        tokio::task::spawn_blocking(move || usage::report(&store, today, days.min(366)))
            .await
            .map_err(|error| StoreError::Database(error.to_string()))?
    }

    /// People who wait for approval, and those who have it.
    pub fn pairings(&self) -> Pairings {
        self.0.pairings.clone()
    }

    /// What could not be finished.
    pub fn dead_letters(&self) -> DeadLetters {
        self.0.dead_letters.clone()
    }

    /// Kills an actor as a crash would: by its path below the root (`core/providers/echo`), or a
    /// session by its key. `false` if there is no such place. For chaos tests: whatever is killed,
    /// nothing is lost.
    pub fn kill_actor(&self, path: &str) -> bool {
        match SessionKey::parse(path) {
            Ok(key) => self.0.sessions.cast(DynamicMessage::Kill(key)).is_ok(),
            Err(_) => self.0.tree.kill(path),
        }
    }

    /// Ends what runs and what waits in a session, as its operator: the running turn's calls are
    /// stopped, everybody who waited for an answer is told, and nothing of it is answered any more.
    /// Returns once that is durable, with what was ended.
    ///
    /// # Errors
    /// The sessions are restarting; nothing has been ended. Try again.
    pub async fn abort(&self, session: &SessionKey) -> Result<Stopped, AbortError> {
        self.stopped(session, SessionEvent::Stop).await
    }

    /// Has a session end something, and tells what it was.
    async fn stopped(
        &self,
        session: &SessionKey,
        stop: impl FnOnce(Asker) -> SessionEvent,
    ) -> Result<Stopped, AbortError> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let sender = Mutex::new(Some(sender));
        let asker = Asker::new(move |stopped| {
            let sender = sender.lock().unwrap_or_else(PoisonError::into_inner).take();
            // Whoever asked may have left; then nobody is told.
            if let Some(sender) = sender {
                sender.send(stopped).ok();
            }
        });
        let message = SessionMessage(stop(asker));
        let sent = self.0.sessions.cast(DynamicMessage::Dispatch(session.clone(), message));
        sent.map_err(|_| AbortError)?;
        receiver.await.map_err(|_| AbortError)
    }

    /// Returns with the reason when the engine can't go on: its store failed, or a failure went up
    /// through the whole tree. Nothing acknowledged is lost; start again to recover from disk.
    ///
    /// Where that may be done is in the reason: after [a full disk](EngineFailure::is_disk_full) in
    /// this process, after anything else in a new one.
    ///
    /// ```no_run
    /// # async fn example(builder: telson::Builder) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// loop {
    ///     match builder.clone().start().await {
    ///         Ok(engine) => {
    ///             let failure = engine.failed().await;
    ///             engine.shutdown(Duration::from_secs(5)).await;
    ///             if !failure.is_disk_full() {
    ///                 return Err(failure.into());
    ///             }
    ///         }
    ///         Err(error) if error.is_disk_full() => {}
    ///         Err(error) => return Err(error.into()),
    ///     }
    ///     tokio::time::sleep(Duration::from_secs(5)).await;
    /// }
    /// # }
    /// ```
    pub async fn failed(&self) -> EngineFailure {
        tokio::select! {
            // A store that fails may take the tree with it; it is the reason then.
            biased;
            error = self.0.store.failed() => EngineFailure::Store(error),
            () = self.0.tree.ended() => EngineFailure::TreeEnded,
        }
    }
}
