//! The hook actor: runs each hook in a supervised task, so that one that panics, hangs or blocks
//! costs its own task.
//!
//! Every room tells it (void hooks), sessions and tools ask it (modifying ones). It sends to nobody
//! but those who asked.
//! Restart: what ran is gone; who asked goes on without a decision.
//! Invariants: L1 (runs at once, runs waiting).

use std::collections::{HashSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{self, StreamExt};
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use telson_supervision::{Health, Registry, task};
use tokio::time::timeout;

use super::handle::late;
use super::{Decision, Hook, HookEvent, Hooks};

/// The name of the hook actor.
pub const HOOKS: &str = "hooks";
/// Void hooks at the same time: each may be a process.
const TOLD_MAX: usize = 32;
/// Void hooks waiting for their turn. Beyond it the newest are not told, and the log says so.
const WAITING_MAX: usize = 4096;
/// Modifying hooks at the same time, those that hang and were abandoned included.
const ASKED_MAX: usize = 256;
/// How long what runs may go on when the engine stops.
const STOP_MAX: Duration = Duration::from_secs(2);

/// What the hook actor needs.
#[derive(Clone)]
pub struct HookDeps {
    /// The hooks.
    pub hooks: Hooks,
    /// Where it answers to its name.
    pub registry: Registry,
    /// Completed work.
    pub health: Health,
}

/// What the hook actor is told.
pub enum HookMessage {
    /// Something happened (from anybody).
    Tell(HookEvent),
    /// Something is about to happen (from who is about to do it).
    Ask {
        /// The hook to ask.
        hook: Arc<dyn Hook>,
        /// What.
        event: HookEvent,
        /// Where its decision goes.
        reply: RpcReplyPort<Result<Decision, String>>,
    },
    /// Answer when no void hook runs or waits (from an engine that stops).
    Settle(RpcReplyPort<()>),
}

/// See the module.
pub struct HookActor;

/// Its memory.
pub struct Running {
    deps: HookDeps,
    waiting: VecDeque<(Arc<dyn Hook>, Arc<HookEvent>)>,
    told: HashSet<ActorId>,
    asked: HashSet<ActorId>,
    settling: Vec<RpcReplyPort<()>>,
}

type Myself = ActorRef<HookMessage>;
type Outcome<T = ()> = Result<T, ActorProcessingErr>;

impl Actor for HookActor {
    type Msg = HookMessage;
    type State = Running;
    type Arguments = HookDeps;

    async fn pre_start(&self, myself: Myself, deps: HookDeps) -> Outcome<Running> {
        deps.registry.register(HOOKS, &myself, Some(deps.health.clone()));
        Ok(Running {
            deps,
            waiting: VecDeque::new(),
            told: HashSet::new(),
            asked: HashSet::new(),
            settling: Vec::new(),
        })
    }

    async fn handle(&self, myself: Myself, message: HookMessage, running: &mut Running) -> Outcome {
        running.deps.health.taken();
        match message {
            HookMessage::Tell(event) => running.tell(event),
            HookMessage::Ask { hook, event, reply } => {
                running.ask(&myself, hook, event, reply).await?;
            }
            HookMessage::Settle(reply) => running.settling.push(reply),
        }
        running.proceed(&myself).await
    }

    async fn handle_supervisor_evt(
        &self,
        myself: Myself,
        event: SupervisionEvent,
        running: &mut Running,
    ) -> Outcome {
        let ended = match event {
            SupervisionEvent::ActorFailed(cell, error) => {
                tracing::warn!(%error, "a hook panicked");
                cell.get_id()
            }
            SupervisionEvent::ActorTerminated(cell, _, _) => cell.get_id(),
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {
                return Ok(());
            }
        };
        running.deps.health.completed();
        running.told.remove(&ended);
        running.asked.remove(&ended);
        running.proceed(&myself).await
    }

    // What was told in the last moment, such as the end of every session, has its turn too.
    async fn post_stop(&self, myself: Myself, running: &mut Running) -> Outcome {
        let mut last = Vec::with_capacity(running.waiting.len());
        for (hook, event) in running.waiting.drain(..) {
            last.push(tell_last(running.deps.hooks.clone(), hook, event));
        }
        let last = stream::iter(last).buffer_unordered(TOLD_MAX).collect::<Vec<()>>();
        let begun = async {
            for run in myself.get_cell().get_children() {
                drop(run.wait(None).await);
            }
        };
        drop(timeout(STOP_MAX, async { tokio::join!(last, begun) }).await);
        Ok(())
    }
}

impl Running {
    fn tell(&mut self, event: HookEvent) {
        let (moment, event) = (event.moment(), Arc::new(event));
        for hook in self.deps.hooks.of(moment) {
            if self.waiting.len() < WAITING_MAX {
                self.waiting.push_back((hook.clone(), event.clone()));
            } else {
                let error = format!("{WAITING_MAX} runs wait already; it was not told");
                self.deps.hooks.failed(hook.as_ref(), moment, &error);
            }
        }
    }

    async fn ask(
        &mut self,
        myself: &Myself,
        hook: Arc<dyn Hook>,
        event: HookEvent,
        reply: RpcReplyPort<Result<Decision, String>>,
    ) -> Outcome {
        if self.asked.len() >= ASKED_MAX {
            let error = format!("{ASKED_MAX} hooks run already; it was not asked");
            drop(reply.send(Err(error)));
            return Ok(());
        }
        let work = async move {
            // A panic is an answer; none at all means that the hooks are being stopped.
            let decision = AssertUnwindSafe(run(hook.as_ref(), &event)).catch_unwind().await;
            // Whoever asked may have gone on without it.
            drop(reply.send(decision.unwrap_or_else(|_| Err("panicked".into()))));
        };
        // An actor that stops gets no tasks any more; who asked hears that nobody answers.
        if let Ok(task) = task::spawn(myself.get_cell(), work).await {
            self.asked.insert(task.get_id());
        }
        Ok(())
    }

    /// Starts what waits and may run; tells those who wait for silence.
    async fn proceed(&mut self, myself: &Myself) -> Outcome {
        while self.told.len() < TOLD_MAX
            && let Some((hook, event)) = self.waiting.pop_front()
        {
            let (told, of, hooks) = (hook.clone(), event.clone(), self.deps.hooks.clone());
            let work = async move { tell(&hooks, told.as_ref(), &of).await };
            let Ok(task) = task::spawn(myself.get_cell(), work).await else {
                // This actor stops, which is when the rest is told.
                self.waiting.push_front((hook, event));
                break;
            };
            self.told.insert(task.get_id());
        }
        if self.told.is_empty() {
            for reply in self.settling.drain(..) {
                drop(reply.send(()));
            }
        }
        Ok(())
    }
}

async fn tell(hooks: &Hooks, hook: &dyn Hook, event: &HookEvent) {
    match run(hook, event).await {
        Ok(_) => hooks.worked(hook),
        Err(error) => hooks.failed(hook, event.moment(), &error),
    }
}

/// Where there is no task whose panic costs nobody else.
fn tell_last(hooks: Hooks, hook: Arc<dyn Hook>, event: Arc<HookEvent>) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let told = AssertUnwindSafe(tell(&hooks, hook.as_ref(), &event)).catch_unwind();
        if told.await.is_err() {
            hooks.failed(hook.as_ref(), event.moment(), "panicked");
        }
    })
}

async fn run(hook: &dyn Hook, event: &HookEvent) -> Result<Decision, String> {
    let deadline = hook.deadline();
    timeout(deadline, hook.call(event)).await.unwrap_or_else(|_| Err(late(deadline)))
}
