//! The provider actor: one per configured client; permits, retries, and one call per turn.
//!
//! Sessions send to it; it answers through the reply they give. Each call runs in a supervised task.
//! Restart: its calls are gone; a session that hears nothing asks again for the same turn, which
//! joins the call in flight if there is one.
//! Invariants: L1 (permits, queue), D7 (a turn is never asked twice at once).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use telson_supervision::{Dice, Health, Registry, task};

use super::Provider;
use super::classify::retry_delay;
use super::request::{Completion, Failure, FailureClass, Request};

/// Calls that may wait for a permit. Sessions wait in their own lanes; this bounds a stampede.
const WAITING_MAX: usize = 10_000;

/// Called with the end of a call. Must not block.
pub type Reply = Arc<dyn Fn(Result<Completion, Failure>) + Send + Sync>;

/// What a provider actor needs.
#[derive(Clone)]
pub struct ProviderDeps {
    /// Its name, as in `name/model`.
    pub name: String,
    /// The client.
    pub client: Arc<dyn Provider>,
    /// Calls at the same time.
    pub permits: usize,
    /// Jitter.
    pub dice: Dice,
    /// Where it answers to its name.
    pub registry: Registry,
    /// Completed work.
    pub health: Health,
}

/// What a provider actor is told.
pub enum ProviderMessage {
    /// Ask the model for this turn (from a session). A turn already asked only gets a new reply.
    Ask {
        /// Which session and turn.
        turn: TurnKey,
        /// What to ask.
        request: Request,
        /// Where the answer goes.
        reply: Reply,
    },
    /// A call ended (from itself).
    Ended(TurnKey, Result<Completion, Failure>),
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

/// See the module.
pub struct ProviderActor;

/// Its memory.
pub struct Calls {
    deps: ProviderDeps,
    replies: HashMap<TurnKey, Reply>,
    waiting: VecDeque<(TurnKey, Request)>,
    running: HashMap<ActorId, TurnKey>,
    in_flight: usize,
}

type Myself = ActorRef<ProviderMessage>;
type Outcome<T = ()> = Result<T, ActorProcessingErr>;

impl Actor for ProviderActor {
    type Msg = ProviderMessage;
    type State = Calls;
    type Arguments = ProviderDeps;

    async fn pre_start(&self, myself: Myself, deps: ProviderDeps) -> Outcome<Calls> {
        deps.registry.register(provider_name(&deps.name), &myself, Some(deps.health.clone()));
        Ok(Calls {
            deps,
            replies: HashMap::new(),
            waiting: VecDeque::new(),
            running: HashMap::new(),
            in_flight: 0,
        })
    }

    async fn handle(&self, myself: Myself, message: ProviderMessage, calls: &mut Calls) -> Outcome {
        match message {
            ProviderMessage::Ask { turn, request, reply } => {
                calls.deps.health.taken();
                calls.ask(turn, request, reply);
            }
            ProviderMessage::Ended(turn, result) => calls.ended(&turn, result),
        }
        calls.start_waiting(&myself).await
    }

    async fn handle_supervisor_evt(
        &self,
        myself: Myself,
        event: SupervisionEvent,
        calls: &mut Calls,
    ) -> Outcome {
        match event {
            SupervisionEvent::ActorFailed(cell, error) => {
                if let Some(turn) = calls.running.remove(&cell.get_id()) {
                    calls.ended(&turn, Err(Failure::crashed(&error.to_string())));
                    calls.start_waiting(&myself).await?;
                }
            }
            SupervisionEvent::ActorTerminated(cell, _, _) => {
                calls.running.remove(&cell.get_id());
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        Ok(())
    }
}

impl Calls {
    fn ask(&mut self, turn: TurnKey, request: Request, reply: Reply) {
        if self.replies.contains_key(&turn) {
            self.replies.insert(turn, reply);
        } else if self.waiting.len() >= WAITING_MAX {
            reply(Err(Failure::busy()));
        } else {
            self.replies.insert(turn.clone(), reply);
            self.waiting.push_back((turn, request));
        }
    }

    fn ended(&mut self, turn: &TurnKey, result: Result<Completion, Failure>) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.deps.health.set_note(result.as_ref().err().map(|failure| failure.message.clone()));
        self.deps.health.completed();
        if let Some(reply) = self.replies.remove(turn) {
            reply(result);
        }
    }

    async fn start_waiting(&mut self, myself: &Myself) -> Outcome {
        while self.in_flight < self.deps.permits.max(1) {
            let Some((turn, request)) = self.waiting.pop_front() else { return Ok(()) };
            self.in_flight += 1;
            let work = call(self.deps.clone(), turn.clone(), request, myself.clone());
            let running = task::spawn(myself.get_cell(), work).await?;
            self.running.insert(running.get_id(), turn);
        }
        Ok(())
    }
}

/// One call with its retries; reports to the actor.
async fn call(deps: ProviderDeps, turn: TurnKey, request: Request, actor: Myself) {
    let mut attempt = 1;
    let result = loop {
        let result = deps.client.stream(&request, &mut |_: &str| ()).await;
        let Err(failure) = &result else { break result };
        let Some(pause) = retry_delay(attempt, failure, deps.dice.roll()) else { break result };
        tracing::warn!(provider = %deps.name, class = ?failure.class, attempt, ?pause,
            error = %failure.message, "model call failed, trying again");
        tokio::time::sleep(pause).await;
        attempt += 1;
    };
    // An actor that is gone has a successor, whom the session asks again.
    drop(actor.send_message(ProviderMessage::Ended(turn, result)));
}

impl Failure {
    fn crashed(reason: &str) -> Self {
        Self {
            class: FailureClass::Unclassified,
            message: format!("the provider client crashed: {reason}"),
            retry_after: None,
            output_started: false,
        }
    }

    fn busy() -> Self {
        Self {
            class: FailureClass::Overloaded,
            message: format!("more than {WAITING_MAX} turns wait for this provider"),
            retry_after: None,
            output_started: false,
        }
    }
}
