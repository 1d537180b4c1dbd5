//! The typing actor of an account: shows and clears for the leases that turns hold.
//!
//! Leases send to it and wait for nothing. Each call runs in a supervised task with a deadline, so a
//! platform that hangs holds up nobody but its own sign. [`leases`](super::leases) decides.
//! Restart: leases are forgotten, and the platform forgets what is not shown again.
//! Invariant: L1 (calls, places, time).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use telson_supervision::{Health, Registry, task};

use super::leases::{Effect, Leases};
use super::{Typing, typing_name};
use crate::clock::Clock;
use crate::message::{AccountKey, Destination};

/// Longest time of one call: a sign that comes later than this is of no use.
const CALL_MAX: Duration = Duration::from_secs(5);

/// What it needs.
#[derive(Clone)]
pub struct TypingDeps {
    /// Its account.
    pub account: AccountKey,
    /// The platform.
    pub typing: Arc<dyn Typing>,
    /// Time.
    pub clock: Clock,
    /// Where it answers to its name.
    pub registry: Registry,
    /// Completed work.
    pub health: Health,
}

/// What it is told.
pub enum TypingMessage {
    /// A lease begins.
    Start(u64, Destination),
    /// A lease ends.
    End(u64),
    /// Time has passed (from itself).
    Tick,
}

/// See the module.
pub struct TypingActor;

/// Its memory.
pub struct State {
    deps: TypingDeps,
    leases: Leases,
    calls: HashMap<ActorId, (ActorCell, Destination)>,
}

type Myself = ActorRef<TypingMessage>;
type Outcome<T = ()> = Result<T, ActorProcessingErr>;

impl Actor for TypingActor {
    type Msg = TypingMessage;
    type State = State;
    type Arguments = TypingDeps;

    async fn pre_start(&self, myself: Myself, deps: TypingDeps) -> Outcome<State> {
        deps.registry.register(typing_name(&deps.account), &myself, Some(deps.health.clone()));
        let leases = Leases::new(deps.typing.refresh_every());
        Ok(State { deps, leases, calls: HashMap::new() })
    }

    async fn handle(&self, myself: Myself, message: TypingMessage, state: &mut State) -> Outcome {
        let now = state.deps.clock.steady();
        let effects = match message {
            TypingMessage::Start(lease, to) => {
                state.deps.health.taken();
                state.leases.start(lease, to, now)
            }
            TypingMessage::End(lease) => {
                state.deps.health.taken();
                state.leases.end(lease, now)
            }
            TypingMessage::Tick => state.leases.tick(now),
        };
        state.perform(&myself, effects).await
    }

    /// Every call ends here, however it ends.
    async fn handle_supervisor_evt(
        &self,
        myself: Myself,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Outcome {
        let cell = match event {
            SupervisionEvent::ActorFailed(cell, error) => {
                tracing::debug!(account = %state.deps.account, %error, "typing crashed");
                cell
            }
            SupervisionEvent::ActorTerminated(cell, _, _) => cell,
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {
                return Ok(());
            }
        };
        let Some((_, to)) = state.calls.remove(&cell.get_id()) else { return Ok(()) };
        let effects = state.leases.ended(&to, state.deps.clock.steady());
        state.perform(&myself, effects).await
    }
}

impl State {
    async fn perform(&mut self, myself: &Myself, effects: Vec<Effect>) -> Outcome {
        self.deps.health.completed();
        for effect in effects {
            match effect {
                Effect::Show(to) => self.call(myself, to, true).await?,
                Effect::Clear(to) => self.call(myself, to, false).await?,
                Effect::Cut(to) => {
                    for (cell, _) in self.calls.values().filter(|(_, at)| *at == to) {
                        cell.kill();
                    }
                }
                Effect::WakeAt(at) => {
                    let pause = at.since(self.deps.clock.steady()).max(Duration::from_millis(1));
                    myself.send_after(pause, || TypingMessage::Tick);
                }
            }
        }
        Ok(())
    }

    async fn call(&mut self, myself: &Myself, to: Destination, shows: bool) -> Outcome {
        let (typing, place) = (self.deps.typing.clone(), to.clone());
        let work = async move {
            let call = if shows { typing.show(&place) } else { typing.clear(&place) };
            if tokio::time::timeout(CALL_MAX, call).await.is_err() {
                tracing::debug!(account = %place.account, "typing took too long");
            }
        };
        let task = task::spawn(myself.get_cell(), work).await?;
        self.calls.insert(task.get_id(), (task, to));
        Ok(())
    }
}
