//! The provider actor: one per configured provider; permits, keys, retries, and one call per turn.
//!
//! Sessions send to it; it answers through the reply they give. Each call runs in a supervised task.
//! Restart: its calls are gone; a session that hears nothing asks again for the same turn, which
//! joins the call in flight if there is one. A session that asks anything else has lost its memory
//! of the call in flight, which is then stopped.
//! Invariants: L1 (permits, queue), S2 (one call per session), D7 (a turn is never asked twice at
//! once).

mod embeds;
mod work;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ractor::{
    Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent,
};
use telson_supervision::{Dice, Health, Registry, task};

pub use self::embeds::EmbedReply;
use self::embeds::Embeds;
use self::work::Work;
use super::classify::failure;
use super::embedding::{EmbedRequest, Embeddings};
use super::failover::{Scene, rotates};
use super::profile::{Block, Keyring, Keys, Pick, Wish};
use super::request::{Completion, Failure, FailureClass, Request};
use crate::clock::Clock;
use crate::event::{AttemptFailed, Journal, JourneyStep};
use crate::store::{Store, StoreError};
use crate::stream::Streams;

/// Calls that may wait for a permit. Sessions wait in their own lanes; this bounds a stampede.
const WAITING_MAX: usize = 10_000;
/// Answers under this number are no part of what people watch: a session's own questions.
pub const UNWATCHED: u32 = u32::MAX;

/// What a session is told about its turn.
#[derive(Debug)]
pub enum Report {
    /// The call has ended.
    Ended(Result<Completion, Failure>),
    /// Nothing like it is asked here: not yet, not any more, or in an earlier life.
    NotAsked,
}

/// Called with news about a call. Must not block.
pub type Reply = Arc<dyn Fn(Report) + Send + Sync>;

/// Told of every attempt that ends: the provider, `ok` or the class of the failure, and how long it
/// took. Must not block.
pub type CallWatch = Arc<dyn Fn(&str, &str, Duration) + Send + Sync>;

/// What a provider actor needs.
#[derive(Clone)]
pub struct ProviderDeps {
    /// Its name, as in `name/model`.
    pub name: String,
    /// Its keys, each with the client that uses it.
    pub keys: Keyring,
    /// Where the states of its keys are kept.
    pub store: Store,
    /// Time: how long a key rests.
    pub clock: Clock,
    /// Calls at the same time.
    pub permits: usize,
    /// Longest time one attempt may hold a permit, whatever its client does.
    pub attempt_max: Duration,
    /// Jitter.
    pub dice: Dice,
    /// For those who watch answers while they are made.
    pub streams: Streams,
    /// For those who watch what becomes of messages.
    pub journal: Journal,
    /// For those who count.
    pub watch: Option<CallWatch>,
    /// Where it answers to its name.
    pub registry: Registry,
    /// Completed work.
    pub health: Health,
}

/// What a provider actor is told.
pub enum ProviderMessage {
    /// Ask the model for this turn (from a session). The same request again only gets a new reply;
    /// any other takes the place of what the session asked before, whose asker is gone.
    Ask {
        /// Which session and turn.
        turn: TurnKey,
        /// What to ask.
        request: Request,
        /// What is wanted of the keys. A call that is joined keeps its own.
        wish: Wish,
        /// Where the answer goes.
        reply: Reply,
    },
    /// Is this still being asked (from a session that has heard nothing for a while)? If so, it gets
    /// a new reply; if not, the session is told. What was told before reaches the session before:
    /// an answer on its way is never paid for again.
    Check {
        /// Which session and turn.
        turn: TurnKey,
        /// What was asked.
        request: Request,
        /// Where the answer goes.
        reply: Reply,
    },
    /// Nobody waits for the answer of this turn any more (from a session): stop its call.
    Forget {
        /// The session.
        session: String,
        /// The turn.
        turn: u64,
    },
    /// Rests of keys are over: of one by its id, or of all (from an operator).
    Wake {
        /// Which key.
        profile: Option<String>,
        /// The ids of those that rested go here, once that is durable.
        reply: RpcReplyPort<Result<Vec<String>, StoreError>>,
    },
    /// Make vectors of texts (from whoever wants them; nothing of it is stored).
    Embed {
        /// Which texts.
        request: EmbedRequest,
        /// Where they go.
        reply: EmbedReply,
    },
    /// A call for vectors ended (from itself).
    Embedded(u64, Result<Embeddings, Failure>),
    /// A call ended (from itself).
    Ended(Call, Result<Completion, Failure>),
}

/// An answer of a turn, over all sessions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TurnKey {
    /// The session.
    pub session: String,
    /// Its turn.
    pub turn: u64,
    /// Which answer of the turn: each round of tool calls is followed by another.
    pub round: u32,
}

/// The name of a provider's actor.
pub fn provider_name(name: &str) -> String {
    format!("provider/{name}")
}

/// One call: a session has at most one that counts, the one with the highest number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    session: String,
    number: u64,
}

/// See the module.
pub struct ProviderActor;

/// Its memory.
pub struct Calls {
    deps: ProviderDeps,
    keys: Keys,
    /// What each session wants to know now.
    asked: HashMap<String, Asked>,
    waiting: VecDeque<Call>,
    running: HashMap<ActorId, (ActorCell, Call)>,
    numbers: u64,
    embeds: Embeds,
}

struct Asked {
    number: u64,
    turn: u64,
    round: u32,
    request: Arc<Request>,
    reply: Reply,
    wish: Wish,
    /// The key in use.
    using: Option<usize>,
    /// Keys that have failed, each with what it said.
    tried: Vec<(usize, Failure)>,
}

impl Asked {
    fn tried(&self) -> Vec<usize> {
        self.tried.iter().map(|(place, _)| *place).collect()
    }
}

type Myself = ActorRef<ProviderMessage>;
type Outcome<T = ()> = Result<T, ActorProcessingErr>;

impl Actor for ProviderActor {
    type Msg = ProviderMessage;
    type State = Calls;
    type Arguments = ProviderDeps;

    async fn pre_start(&self, myself: Myself, deps: ProviderDeps) -> Outcome<Calls> {
        deps.registry.register(provider_name(&deps.name), &myself, Some(deps.health.clone()));
        let keys = Keys::load(&deps.name, deps.keys.clone(), deps.store.clone())?;
        Ok(Calls {
            deps,
            keys,
            asked: HashMap::new(),
            waiting: VecDeque::new(),
            running: HashMap::new(),
            numbers: 0,
            embeds: Embeds::default(),
        })
    }

    async fn handle(&self, myself: Myself, message: ProviderMessage, calls: &mut Calls) -> Outcome {
        match message {
            ProviderMessage::Ask { turn, request, wish, reply } => {
                calls.deps.health.taken();
                calls.ask(turn, request, wish, reply);
            }
            ProviderMessage::Check { turn, request, reply } => {
                calls.deps.health.taken();
                if let Some(reply) = calls.join(&turn, &request, reply) {
                    reply(Report::NotAsked);
                }
            }
            ProviderMessage::Forget { session, turn } => {
                calls.deps.health.taken();
                if calls.asked.get(&session).is_some_and(|asked| asked.turn == turn) {
                    calls.forget(&session);
                }
            }
            ProviderMessage::Wake { profile, reply } => {
                calls.deps.health.taken();
                let woken = Box::pin(calls.keys.wake(profile.as_deref())).await;
                calls.deps.health.set_note(None);
                // Whoever asked may have gone.
                drop(reply.send(woken));
            }
            ProviderMessage::Embed { request, reply } => {
                calls.deps.health.taken();
                calls.embed(&myself, request, reply).await?;
            }
            ProviderMessage::Embedded(number, result) => {
                calls.embedded(&myself, number, result).await?;
            }
            ProviderMessage::Ended(call, result) => calls.ended(&call, result),
        }
        calls.start_waiting(&myself).await
    }

    async fn handle_supervisor_evt(
        &self,
        myself: Myself,
        event: SupervisionEvent,
        calls: &mut Calls,
    ) -> Outcome {
        let (cell, failure) = match event {
            SupervisionEvent::ActorFailed(cell, error) => (cell, Some(crashed(&error.to_string()))),
            SupervisionEvent::ActorTerminated(cell, _, _) => (cell, None),
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {
                return Ok(());
            }
        };
        if let Some(number) = calls.embeds.take_task(cell.get_id()) {
            // What one that ended in order has reported may still be on its way.
            let Some(failure) = failure else { return Ok(()) };
            return calls.embedded(&myself, number, Err(failure)).await;
        }
        if let Some((_, call)) = calls.running.remove(&cell.get_id())
            && let Some(failure) = failure
        {
            calls.ended(&call, Err(failure));
        }
        calls.start_waiting(&myself).await
    }
}

impl Calls {
    fn ask(&mut self, turn: TurnKey, request: Request, wish: Wish, reply: Reply) {
        let Some(reply) = self.join(&turn, &request, reply) else { return };
        let TurnKey { session, turn, round } = turn;
        if self.asked.contains_key(&session) {
            self.forget(&session);
        }
        if self.waiting.len() >= WAITING_MAX {
            return reply(Report::Ended(Err(busy())));
        }
        self.numbers += 1;
        let number = self.numbers;
        let request = Arc::new(request);
        let (using, tried) = (None, Vec::new());
        let asked = Asked { number, turn, round, request, reply, wish, using, tried };
        self.asked.insert(session.clone(), asked);
        self.waiting.push_back(Call { session, number });
    }

    /// Lets a call that asks the same answer to `reply`; gives it back if there is none.
    fn join(&mut self, turn: &TurnKey, request: &Request, reply: Reply) -> Option<Reply> {
        match self.asked.get_mut(&turn.session) {
            Some(asked) if asked.turn == turn.turn && *asked.request == *request => {
                asked.reply = reply;
                None
            }
            _ => Some(reply),
        }
    }

    /// Nobody waits for the session's call any more: its answer would answer other messages than
    /// those of the turn that is asked now (D7), and both would run at once (S2).
    fn forget(&mut self, session: &str) {
        self.asked.remove(session);
        self.waiting.retain(|call| call.session != session);
        for (cell, call) in self.running.values() {
            if call.session == session {
                cell.kill();
            }
        }
    }

    /// A call has come to an end, unless its session has another key to go to.
    fn ended(&mut self, call: &Call, result: Result<Completion, Failure>) {
        self.deps.health.set_note(result.as_ref().err().map(|failure| failure.message.clone()));
        self.deps.health.completed();
        let is_current = |asked: &&mut Asked| asked.number == call.number;
        let Some(asked) = self.asked.get_mut(&call.session).filter(is_current) else { return };
        let now = self.deps.clock.now();
        let model = &asked.request.model;
        match (&result, asked.using.take()) {
            (Ok(_), Some(key)) => self.keys.succeeded(key, &call.session, model, now),
            (Err(failure), Some(key)) => {
                let tried = asked.tried.len();
                asked.tried.push((key, failure.clone()));
                self.keys.failed(key, failure, model, now);
                let others = self.keys.has_other(&asked.tried(), model, now);
                if rotates(failure, Scene { others, tried, fallback: asked.wish.fallback }) {
                    let of = (asked.turn, asked.round);
                    self.deps.tell_failed(call, of, model, failure, Duration::ZERO);
                    return self.waiting.push_front(call.clone());
                }
            }
            (_, None) => {}
        }
        if let Some(asked) = self.asked.remove(&call.session) {
            let result = result.map_err(|failure| self.summed_up(&asked.tried, failure));
            (asked.reply)(Report::Ended(result));
        }
    }

    /// The last failure, telling of those before.
    fn summed_up(&self, tried: &[(usize, Failure)], last: Failure) -> Failure {
        if tried.len() < 2 {
            return last;
        }
        let each = tried.iter().map(|(key, failure)| {
            format!("{} ({:?}): {}", self.keys.id(*key), failure.class, failure.message)
        });
        Failure { message: each.collect::<Vec<_>>().join("; "), ..last }
    }

    async fn start_waiting(&mut self, myself: &Myself) -> Outcome {
        while self.running.len() < self.deps.permits.max(1) {
            let Some(call) = self.next_waiting() else { return Ok(()) };
            match self.work(&call) {
                Some(Ok(work)) => {
                    let work = work.perform(call.clone(), myself.clone());
                    let running = task::spawn(myself.get_cell(), work).await?;
                    self.running.insert(running.get_id(), (running, call));
                }
                Some(Err(failure)) => self.ended(&call, Err(failure)),
                None => {}
            }
        }
        Ok(())
    }

    /// What a call has to do, with the key it uses, or why it can't begin; nothing if nobody waits for
    /// it any more.
    fn work(&mut self, call: &Call) -> Option<Result<Work, Failure>> {
        let asked = self.asked.get_mut(&call.session)?;
        let (now, model, mut tried) = (self.deps.clock.now(), &asked.request.model, asked.tried());
        let wish = asked.wish.clone();
        let key = match self.keys.pick(&call.session, &tried, model, wish, now) {
            Pick::Use(key) => key,
            Pick::Resting(block) => return Some(Err(self.rests(block))),
            Pick::Spent => {
                let last = asked.tried.last().map(|(_, failure)| failure.clone());
                return Some(Err(last.unwrap_or_else(busy)));
            }
        };
        asked.using = Some(key);
        let before = tried.len();
        tried.push(key);
        let others = self.keys.has_other(&tried, model, now);
        Some(Ok(Work {
            deps: self.deps.clone(),
            client: self.keys.client(key),
            scene: Scene { others, tried: before, fallback: asked.wish.fallback },
            of: (asked.turn, asked.round),
            request: asked.request.clone(),
        }))
    }

    fn rests(&self, block: Block) -> Failure {
        let seconds = block.left.as_secs().max(1);
        let message = format!(
            "every key of {} rests after a failure ({:?}); the next is tried again in {seconds} s",
            self.deps.name, block.class
        );
        Failure { retry_after: Some(block.left), ..failure(block.class, message) }
    }

    /// The first call whose session has none that is still being stopped.
    fn next_waiting(&mut self) -> Option<Call> {
        let is_free =
            |call: &Call| self.running.values().all(|(_, running)| running.session != call.session);
        let at = self.waiting.iter().position(is_free)?;
        self.waiting.remove(at)
    }
}

impl ProviderDeps {
    /// Somebody may wait for this answer: its turn goes on, with the same model, after a pause.
    fn tell_failed(
        &self,
        call: &Call,
        (turn, round): (u64, u32),
        model: &str,
        failure: &Failure,
        pause: Duration,
    ) {
        if round == UNWATCHED {
            return;
        }
        let model = format!("{}/{model}", self.name);
        let why = (failure.class.name(), failure.message.as_str());
        let failed = AttemptFailed::new(turn, (model.clone(), model), why, pause);
        let step = JourneyStep::AttemptFailed(failed);
        self.journal.tell(self.clock.now(), Some(&call.session), step);
    }
}

fn crashed(reason: &str) -> Failure {
    failure(FailureClass::Unclassified, format!("the provider client crashed: {reason}"))
}

fn busy() -> Failure {
    failure(
        FailureClass::Overloaded,
        format!("more than {WAITING_MAX} turns wait for this provider"),
    )
}
