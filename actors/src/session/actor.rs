//! The session actor: one conversation, one lane, at most one turn in flight.
//!
//! The router sends it messages, a provider reports to it. It sends to its provider and writes
//! through the outbox. [`machine`](super::machine) decides; this file only performs.
//! Restart: reloads everything from the store. Invariants: S1 (with the dynamic supervisor), S2, D2, D7.

mod answers;
mod asides;
mod asking;
mod beat;
mod context;
mod ending;
mod files;
mod finishing;
mod handing;
mod loading;
mod models;
mod stepping;
mod told;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use telson_supervision::Registry;

use self::context::Asking;
use self::files::Files;
use super::aside::TurnAside;
use super::lane::LaneSettings;
use super::machine::{Effect, Event, Session};
use super::record::{TurnRecord, turn_key};
use super::sessions::{Lives, SESSIONS, hand_over};
use crate::channel::typing::{Lease, Leaser};
use crate::clock::{Clock, Timestamp};
use crate::context::Context;
use crate::crash_point::crash_point;
use crate::event::{Journal, JourneyStep};
use crate::heartbeat::Heartbeats;
use crate::hook::Hooks;
use crate::inbox::inbox_key;
use crate::message::SessionKey;
use crate::model::Catalog;
use crate::outbox::Outbox;
use crate::store::{Batch, Store, StoreError};
use crate::stream::Streams;
use crate::system_event::SystemEvents;
use crate::tool::Toolbox;

/// What an agent is, for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentProfile {
    /// The provider's configured name.
    pub provider: String,
    /// The provider's own model name.
    pub model: String,
    /// The system prompt.
    pub system: String,
    /// Upper bound of an answer, in tokens.
    pub output_tokens_max: u32,
}

/// What a session needs.
#[derive(Clone)]
pub struct SessionDeps {
    /// Where it lives while it sleeps.
    pub store: Store,
    /// The way out.
    pub outbox: Outbox,
    /// Providers by name.
    pub registry: Registry,
    /// Time.
    pub clock: Clock,
    /// For those who watch.
    pub journal: Journal,
    /// Agents by id.
    pub agents: Arc<HashMap<String, AgentProfile>>,
    /// What models are called, and what steps in for them.
    pub catalog: Arc<Catalog>,
    /// What they can do.
    pub toolbox: Arc<Toolbox>,
    /// What models are shown, and what that may cost.
    pub context: Arc<Context>,
    /// The names they answer to, by id.
    pub names: Arc<HashMap<String, String>>,
    /// Who is asked and told about turns.
    pub hooks: Hooks,
    /// For those who watch answers while they are made.
    pub streams: Streams,
    /// How lanes queue, by channel name; the empty name is the default.
    pub lanes: Arc<HashMap<String, LaneSettings>>,
    /// Idle time before a session is passivated.
    pub idle_max: Duration,
    /// Which sessions are alive, to notice one that crashed.
    pub lives: Lives,
    /// Shows that an answer is being made.
    pub typing: Leaser,
    /// What agents are told of what happened.
    pub events: SystemEvents,
    /// What becomes of heartbeats.
    pub beats: Heartbeats,
}

/// What a session actor is told: the machine's whole input.
pub struct SessionMessage(pub Event);

impl SessionMessage {
    /// Its model was chosen anew: what is in the store counts from the next turn on.
    pub fn chosen() -> Self {
        Self(Event::Chosen(None))
    }
}

pub(super) struct SessionActor;

pub(super) struct State {
    key: SessionKey,
    deps: Arc<SessionDeps>,
    agent: String,
    /// The machine; absent until the store has been read.
    session: Option<Session>,
    /// Whether the session's facts are in the store.
    known: bool,
    /// For which turn it is shown that an answer is being made.
    typing: Option<(u64, Option<Lease>)>,
    /// The auth profile its person has named.
    pinned: Option<String>,
    /// For its questions to a model. Boxed: an idle session holds no room for it.
    asking: Box<Asking>,
    /// What is noted about the turn in flight.
    aside: Option<Box<TurnAside>>,
    /// The files of the turn in flight.
    files: Option<Box<Files>>,
    /// Whether the store has what the turn in flight was told of events.
    told: bool,
}

type Myself = ActorRef<SessionMessage>;
type Outcome<T = ()> = Result<T, ActorProcessingErr>;

impl Actor for SessionActor {
    type Msg = SessionMessage;
    type State = State;
    type Arguments = (SessionKey, Arc<SessionDeps>);

    async fn pre_start(&self, _: Myself, (key, deps): Self::Arguments) -> Outcome<State> {
        let agent = key.agent().unwrap_or_default();
        let state = State {
            key,
            deps,
            agent,
            session: None,
            known: false,
            typing: None,
            pinned: None,
            asking: Box::default(),
            aside: None,
            files: None,
            told: false,
        };
        Ok(state)
    }

    // Reading happens here and not in pre_start: the supervisor of all sessions waits for that.
    async fn post_start(&self, myself: Myself, state: &mut State) -> Outcome {
        let loaded = state.load().await?;
        crash_point("recover.session_loaded");
        if let Some(record) = loaded.inbox.first() {
            state.agent.clone_from(&record.agent);
        }
        let settings = state.settings(loaded.inbox.first())?;
        let now = state.deps.clock.steady();
        let (session, effects) = Session::new(settings, loaded, now);
        state.session = Some(session);
        state.tell_awake();
        state.perform_all(&myself, effects).await
    }

    async fn handle(&self, myself: Myself, message: SessionMessage, state: &mut State) -> Outcome {
        // The machine only waits: its time must not be set.
        let now = state.deps.clock.steady();
        if state.is_over(&message.0)? {
            return Ok(());
        }
        let event = state.informed(message.0)?;
        Box::pin(state.note_failure(&event)).await?;
        Box::pin(state.keep_answer(&event)).await?;
        state.hear()?;
        let event = state.handing(event)?;
        let alone = match &event {
            Event::Inbound(record) => state.with_client_tools([&**record])?.pop_first(),
            _ => None,
        };
        let Some(session) = &mut state.session else { return Ok(()) };
        if let Some(id) = alone {
            session.takes_alone(id);
        }
        let effects = session.step(event, now);
        // Boxed: ractor keeps room for the whole of this future in every idle session.
        Box::pin(state.perform_all(&myself, effects)).await
    }

    async fn post_stop(&self, _: Myself, state: &mut State) -> Outcome {
        state.deps.lives.end(&state.key);
        state.tell_asleep();
        Ok(())
    }
}

impl State {
    /// Whether this is a message that has ended already. It may have waited for this life since
    /// before: a life that leaves gives back what is on its way to it, also what it has found in
    /// the store itself. A turn over it would be paid for, and could not be finished.
    fn is_over(&self, event: &Event) -> Result<bool, StoreError> {
        let Event::Inbound(record) = event else { return Ok(false) };
        Ok(!self.deps.store.contains(&inbox_key(&self.key, record.envelope.id))?)
    }

    fn profile(&self) -> Option<&AgentProfile> {
        self.deps.agents.get(&self.agent)
    }

    async fn perform_all(&mut self, myself: &Myself, effects: Vec<Effect>) -> Outcome {
        for effect in effects {
            self.perform(myself, effect).await?;
        }
        self.lease_typing();
        Ok(())
    }

    /// The lease belongs to the turn in flight and ends with it.
    fn lease_typing(&mut self) {
        let turn = self.session.as_ref().and_then(Session::awaited);
        if turn.map(|(turn, _)| turn) == self.typing.as_ref().map(|(turn, _)| *turn) {
            return;
        }
        // The new one begins before the old one ends: it does not flicker between two turns.
        self.typing = turn.map(|(turn, to)| (turn, self.deps.typing.lease(to)));
    }

    async fn perform(&mut self, myself: &Myself, effect: Effect) -> Outcome {
        match effect {
            Effect::JournalAttempt(record) => self.journal_attempt(record).await?,
            Effect::JournalChain(record, pause) => self.journal_chain(&record, pause).await?,
            Effect::Tell(heard) => self.tell_events(&heard).await?,
            Effect::Ask(ask) => self.ask(myself, ask).await?,
            Effect::Summarise { turn, question, asked } => {
                self.summarise(myself, turn, &question, asked)?;
            }
            Effect::Summarised { summary, usage } => self.summarised(summary, usage).await?,
            Effect::Record { turn, step, record } => {
                self.record(turn, step, &record).await?;
                self.show_result(turn, &record);
            }
            Effect::CallTools { turn, calls, again } => {
                for (step, call) in calls {
                    self.show_call(turn, &call);
                    self.call_tool(myself, turn, step, call, again);
                }
            }
            Effect::Finish(finished) => self.finish(*finished).await?,
            Effect::DeadLetter { records, reason, notice, turn, told } => {
                self.dead_letter(records, reason, notice, (turn, told)).await?;
            }
            Effect::End(ended) => self.end(*ended).await?,
            Effect::Answer { query, facts, ended } => {
                self.answer(myself, query, &facts, *ended).await?;
            }
            Effect::Stopped(asker, stopped) => asker.tell(stopped),
            Effect::WakeAt(at) => {
                let pause = at.since(self.deps.clock.steady()).max(Duration::from_millis(1));
                myself.send_after(pause, || SessionMessage(Event::Tick));
            }
            Effect::Passivate => myself.get_cell().drain()?,
            // It was in the mailbox already when this session decided to leave. The supervisor of all
            // sessions keeps it until this life has ended, and begins the next one with it.
            Effect::GiveBack(record) => hand_over(&self.deps.registry.via(SESSIONS), record),
        }
        Ok(())
    }

    async fn journal_attempt(&self, mut record: TurnRecord) -> Result<(), StoreError> {
        record.at = self.deps.clock.now();
        tracing::info!(session = %self.key, turn = record.turn, attempt = record.attempts,
            "resuming a turn that an earlier life left unfinished");
        let mut batch = Batch::new();
        batch.put(turn_key(&self.key), &record);
        crash_point("recover.before_attempt");
        self.deps.store.commit(batch).await?;
        crash_point("recover.after_attempt");
        Ok(())
    }

    fn tell(&self, at: Timestamp, step: JourneyStep) {
        self.deps.journal.tell(at, Some(self.key.as_str()), step);
    }
}

/// Tells a session something, from wherever it happens.
fn teller(myself: &Myself) -> impl Fn(Event) + Clone + Send + Sync + 'static {
    let session = myself.clone();
    move |event| {
        // A session that is gone has a successor that asks again.
        drop(session.send_message(SessionMessage(event)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `handle` keeps between two messages, for a state that outlives them.
    fn future_bytes<'a, F>(
        _: impl FnOnce(&'a SessionActor, Myself, SessionMessage, &'a mut State) -> F,
    ) -> usize {
        size_of::<F>()
    }

    // L1: ten thousand sessions are alive at once, and most of them idle.
    #[test]
    fn an_idle_session_is_small() {
        let future = future_bytes(SessionActor::handle);
        assert!(future <= 512, "an idle session keeps {future} bytes for its next message");
        let state = size_of::<State>();
        assert!(state <= 1024, "a session's state takes {state} bytes");
    }
}
