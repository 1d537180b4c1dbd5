//! The session actor: one conversation, one lane, at most one turn in flight.
//!
//! The router sends it messages, a provider reports to it. It sends to its provider and writes
//! through the outbox. [`machine`](super::machine) decides; this file only performs.
//! Restart: reloads everything from the store. Invariants: S1 (with the dynamic supervisor), S2, D2, D7.

mod answers;
mod asides;
mod beat;
mod context;
mod ending;
mod files;
mod loading;
mod models;
mod told;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr};
use telson_supervision::dynamic::{DynamicMessage, DynamicSpec};
use telson_supervision::{ChildSpec, Dice, Events, Registry, Via};

use self::context::Asking;
use self::files::Files;
use super::aside::TurnAside;
use super::chain::chain_key;
use super::lane::LaneSettings;
use super::machine::{Ask, Effect, Event, FinishedTurn, Occasion, Session};
use super::record::{SessionRecord, TurnRecord, session_key, turn_key};
use super::steps::{StepId, StepRecord, step_key};
use crate::channel::typing::{Lease, Leaser};
use crate::clock::{Clock, Timestamp};
use crate::context::Context;
use crate::crash_point::crash_point;
use crate::event::{Journal, JourneyStep};
use crate::heartbeat::Heartbeats;
use crate::hook::Hooks;
use crate::inbox::{InboxRecord, inbox_key};
use crate::message::SessionKey;
use crate::model::Catalog;
use crate::outbox::{Draft, Outbox};
use crate::provider::{Failure, FailureClass, Request, ToolCall, ToolResult, ToolStatus};
use crate::store::{Batch, Expect, Space, Store, StoreError};
use crate::stream::Streams;
use crate::system_event::SystemEvents;
use crate::tool::{CallKey, TOOLS, ToolMessage, Toolbox};

/// The name of the dynamic supervisor of all sessions.
pub const SESSIONS: &str = "engine/core/sessions";

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

/// Sessions that have begun and not ended in order. One that begins twice has crashed in between.
#[derive(Debug, Clone, Default)]
pub struct Lives(Arc<Mutex<HashSet<SessionKey>>>);

impl Lives {
    /// Notes a beginning; `true` if the life before did not end in order.
    fn begin(&self, key: &SessionKey) -> bool {
        !self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone())
    }

    fn end(&self, key: &SessionKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// What a session actor is told: the machine's whole input.
pub struct SessionMessage(pub Event);

impl SessionMessage {
    /// Its model was chosen anew: what is in the store counts from the next turn on.
    pub fn chosen() -> Self {
        Self(Event::Chosen(None))
    }
}

/// The sessions, by key.
pub type Sessions = Via<DynamicMessage<SessionKey, SessionMessage>>;

/// All sessions as one child of the tree: a dynamic supervisor that starts a session for the first
/// message of its key.
pub fn sessions_child(deps: SessionDeps, live_max: usize, events: Events, dice: Dice) -> ChildSpec {
    let registry = deps.registry.clone();
    let deps = Arc::new(deps);
    let mut spec = DynamicSpec::new(SESSIONS, move |key: SessionKey, parent: ActorCell| {
        start(key, deps.clone(), parent)
    });
    spec.live_max = live_max;
    spec.make_room = Some(Arc::new(|| SessionMessage(Event::MakeRoom)));
    spec.events = events;
    spec.dice = dice;
    spec.into_child("sessions", registry)
}

async fn start(
    key: SessionKey,
    deps: Arc<SessionDeps>,
    parent: ActorCell,
) -> Result<ActorRef<SessionMessage>, SpawnErr> {
    let (session, _) = Actor::spawn_linked(None, SessionActor, (key, deps), parent).await?;
    Ok(session)
}

struct SessionActor;

struct State {
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
        state.note_refusal(&event)?;
        Box::pin(state.keep_answer(&event)).await?;
        state.hear()?;
        let Some(session) = &mut state.session else { return Ok(()) };
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
            Effect::JournalChain(record) => self.journal_chain(&record).await?,
            Effect::Tell(heard) => self.tell_events(&heard).await?,
            Effect::Ask(mut ask) => {
                if ask.asked.occasion == Occasion::Begin {
                    self.tell_started(ask.turn);
                }
                crash_point("turn.before_ask");
                if let Some(completion) = self.kept_answer(&ask) {
                    self.asks(&ask.asked);
                    teller(myself)(Event::Answered(ask.turn, ask.round, completion));
                } else {
                    // Only in an engine's first seconds, while it learns what its servers offer.
                    if let Some(wait) = self.deps.toolbox.unsettled(&self.agent) {
                        wait.await;
                    }
                    self.add_files(&mut ask).await;
                    let system = self.system_prompt(&ask).await?;
                    self.ask(myself, ask, system)?;
                }
                crash_point("turn.after_ask");
            }
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
            Effect::DeadLetter { records, reason, notice, turn } => {
                self.dead_letter(records, reason, notice, turn).await?;
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
            Effect::GiveBack(record) => self.give_back(record),
        }
        Ok(())
    }

    /// It was in the mailbox already when this session decided to leave. The supervisor of all
    /// sessions keeps it until this life has ended, and begins the next one with it.
    fn give_back(&self, record: Box<InboxRecord>) {
        let sessions: Sessions = self.deps.registry.via(SESSIONS);
        let message = SessionMessage(Event::Inbound(record));
        if sessions.cast(DynamicMessage::Dispatch(self.key.clone(), message)).is_err() {
            // The sessions are restarting, and the router after them reads the store.
            tracing::debug!(session = %self.key, "sessions are not up; the message waits");
        }
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

    fn ask(&mut self, myself: &Myself, ask: Ask, system: String) -> Result<(), StoreError> {
        let Ask { turn, round, messages, may_call, is_last_try, asked } = ask;
        let Some(agent) = self.profile().cloned() else {
            teller(myself)(Event::Failed(turn, round, no_agent(&self.agent)));
            return Ok(());
        };
        let tools = self.tools_of(&asked);
        let mut request = Request {
            model: asked.model.model.clone(),
            system,
            messages,
            tools,
            may_call,
            output_tokens_max: agent.output_tokens_max,
        };
        let event = self.held_back((turn, round), &mut request, &asked, is_last_try)?;
        if let Some(event) = event {
            teller(myself)(event);
            return Ok(());
        }
        self.send_question(myself, (turn, round), request, asked);
        Ok(())
    }

    async fn record(
        &mut self,
        turn: u64,
        step: StepId,
        record: &StepRecord,
    ) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        // A turn that gets further is not what ends the process: its crashes are counted anew.
        batch.put(step_key(&self.key, turn, step), record).delete(turn_key(&self.key));
        if let StepRecord::Answer { usage, .. } = record {
            let model = self.asked_of();
            self.count(&mut batch, &model, *usage)?;
        }
        let block = self.add_block(&mut batch, turn, record).await?;
        self.deps.store.commit(batch).await?;
        self.counted();
        self.deps.outbox.written(block);
        Ok(())
    }

    fn call_tool(&self, myself: &Myself, turn: u64, step: StepId, call: ToolCall, again: bool) {
        let tell = teller(myself);
        let refused = ToolResult {
            call: call.id.clone(),
            name: call.name.clone(),
            text: "the tools are restarting; this call was not made".into(),
            status: ToolStatus::Failed,
        };
        let StepId { round, place } = step;
        let key = CallKey { session: self.key.clone(), turn, round, place };
        let agent = self.agent.clone();
        let heard = tell.clone();
        let reply = Arc::new(move |result| heard(Event::ToolDone(turn, step, result)));
        let message = ToolMessage::Call { key, agent, call, again, reply };
        // One that may have been made before is asked for again until the tools are back.
        if self.deps.registry.via(TOOLS).cast(message).is_err() && !again {
            tell(Event::ToolDone(turn, step, refused));
        }
    }

    /// The one commit that ends a turn: messages out of the inbox, the exchange into the
    /// transcript, the answer into the outbox.
    async fn finish(&mut self, finished: FinishedTurn) -> Outcome {
        let now = self.deps.clock.now();
        let FinishedTurn { mut exchange, members, journalled, steps, chained, notice, usage } =
            finished;
        let turn = exchange.turn;
        // What is written down says the wall clock.
        exchange.started_at = now.minus(exchange.finished_at.since(exchange.started_at));
        exchange.finished_at = now;
        let mut batch = Batch::new();
        for id in &members {
            let key = inbox_key(&self.key, *id);
            batch.expect(Expect::Present(key.clone())).delete(key);
        }
        batch.tally(Space::Inbox, -count(members.len()));
        if journalled {
            batch.delete(turn_key(&self.key));
        }
        for step in steps {
            batch.delete(step_key(&self.key, turn, step));
        }
        if chained {
            batch.delete(chain_key(&self.key));
        }
        if !self.known {
            let record =
                SessionRecord { key: self.key.clone(), agent: self.agent.clone(), created_at: now };
            batch.put(session_key(&self.key), &record);
        }
        let blocks = self.end_aside(&mut batch);
        let mut beat = self.judged(&exchange, now)?;
        let mut told = Vec::new();
        let entries = match self.outgoing_of(&exchange, beat.as_ref()).await {
            Ok(draft) => {
                if let Some(text) = notice {
                    let draft = Draft { text, speaker: None, ..draft.clone() };
                    told = self.deps.outbox.add(&mut batch, &draft, now)?;
                }
                self.deps.outbox.add(&mut batch, &draft, now)?
            }
            Err(reason) => {
                tracing::info!(session = %self.key, turn, reason);
                Self::note_kept(&mut batch, (turn, now), &reason, beat.as_mut());
                Vec::new()
            }
        };
        exchange.entries = blocks.into_iter().chain(entries.iter().map(|e| e.id.0)).collect();
        let step = JourneyStep::Answered { turn, entries: exchange.entries.clone() };
        self.keep_exchange(&mut batch, &exchange, beat.as_ref());
        self.count(&mut batch, &exchange.model, usage)?;
        crash_point("finish.before_commit");
        // A conflict means that an earlier life has finished this turn: reload and see.
        self.deps.store.commit(batch).await?;
        crash_point("finish.after_commit");
        self.known = true;
        self.counted();
        self.forget_prompt();
        self.tell_answered(turn, &exchange.answer, !entries.is_empty());
        told.extend(entries);
        self.deps.outbox.written(told);
        self.tell_beat(beat);
        self.tell(now, step);
        Ok(())
    }

    fn tell_started(&self, turn: u64) {
        self.show_started(turn);
        let messages = self.session.as_ref().map_or(0, Session::members_in_flight);
        let step = JourneyStep::TurnStarted { turn, messages };
        self.tell(self.deps.clock.now(), step);
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

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn no_agent(id: &str) -> Failure {
    Failure {
        class: FailureClass::ModelNotFound,
        message: format!("agent {id:?} is not configured; add it under agents.entries"),
        retry_after: None,
        output_started: false,
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
