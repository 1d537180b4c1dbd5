//! The tool actor: calls tools for sessions, each call in a supervised task with a deadline.
//!
//! Sessions send to it; it answers through the reply they give. A call it knows (running, or ended a
//! moment ago) is never made again; one it does not know is made again after an interruption only
//! where the tool says that this is harmless.
//! Restart: its calls are gone, and sessions that hear nothing ask again.
//! Invariants: D7, L1.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use telson_supervision::{Health, Registry, Via, task};

use super::aside::Aside;
use super::cap::{RESULT_CHARS_MAX, cap};
use super::gate::{Asked, Verdict};
use super::{Invocation, Tool, Toolbox, schema};
use crate::hook::Hooks;
use crate::message::SessionKey;
use crate::provider::{ToolCall, ToolResult, ToolStatus};

/// The name of the tool actor.
pub const TOOLS: &str = "tools";
/// Calls at the same time, over all sessions.
const CALLS_MAX: usize = 256;
/// Ended calls remembered for a session that crashed before it recorded the result.
const RECENT_MAX: usize = 512;

/// Called with the end of a call. Must not block.
pub type ToolReply = Arc<dyn Fn(ToolResult) + Send + Sync>;

/// A call, over all sessions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CallKey {
    /// The session.
    pub session: SessionKey,
    /// Its turn.
    pub turn: u64,
    /// Which of the turn's answers asks for it.
    pub round: u32,
    /// Which of the answer's calls.
    pub place: u32,
}

impl CallKey {
    /// A text that is the same for every attempt at this call and for no other. The arguments are part
    /// of it: a message that was set aside and is replayed runs its turn anew under the same number,
    /// and its model may want something else there.
    pub(super) fn idempotency_key(&self, arguments: &str) -> String {
        let Self { session, turn, round, place } = self;
        let sum = crc32fast::hash(arguments.as_bytes());
        format!("{}/{turn}/{round}/{place}/{sum:08x}", session.as_str())
    }
}

/// What the tool actor needs.
#[derive(Clone)]
pub struct ToolDeps {
    /// The tools and who may use them.
    pub toolbox: Arc<Toolbox>,
    /// Who is asked and told about calls.
    pub hooks: Hooks,
    /// Where it answers to its name.
    pub registry: Registry,
    /// Completed work.
    pub health: Health,
}

/// What the tool actor is told.
pub enum ToolMessage {
    /// Make this call (from a session).
    Call {
        /// Which.
        key: CallKey,
        /// Who asks.
        agent: String,
        /// For what.
        call: ToolCall,
        /// Whether it may have begun in an earlier life.
        again: bool,
        /// Where the result goes.
        reply: ToolReply,
    },
    /// May this agent use a tool of this name (from who calls one by hand)?
    MayUse {
        /// The agent.
        agent: String,
        /// The tool.
        tool: String,
        /// Where the answer goes. Must not block.
        reply: Box<dyn FnOnce(bool) + Send>,
    },
    /// Nobody waits for the calls of this turn any more (from a session): stop them.
    Forget {
        /// The session.
        session: SessionKey,
        /// The turn.
        turn: u64,
    },
    /// A call ended (from itself).
    Ended(CallKey, ToolResult),
}

/// See the module.
pub struct ToolActor;

/// Its memory.
pub struct Calls {
    deps: ToolDeps,
    running: HashMap<CallKey, Running>,
    tasks: HashMap<ActorId, (ActorCell, CallKey)>,
    recent: VecDeque<(CallKey, ToolResult)>,
}

struct Running {
    call: ToolCall,
    reply: ToolReply,
}

type Myself = ActorRef<ToolMessage>;
type Outcome<T = ()> = Result<T, ActorProcessingErr>;

impl Actor for ToolActor {
    type Msg = ToolMessage;
    type State = Calls;
    type Arguments = ToolDeps;

    async fn pre_start(&self, myself: Myself, deps: ToolDeps) -> Outcome<Calls> {
        deps.registry.register(TOOLS, &myself, Some(deps.health.clone()));
        let (running, tasks, recent) = (HashMap::new(), HashMap::new(), VecDeque::new());
        Ok(Calls { deps, running, tasks, recent })
    }

    async fn handle(&self, myself: Myself, message: ToolMessage, calls: &mut Calls) -> Outcome {
        match message {
            ToolMessage::Call { key, agent, call, again, reply } => {
                calls.deps.health.taken();
                calls.call(&myself, key, &agent, Running { call, reply }, again).await?;
            }
            ToolMessage::MayUse { agent, tool, reply } => {
                calls.deps.health.taken();
                reply(calls.deps.toolbox.get(&agent, &tool).is_some());
            }
            ToolMessage::Forget { session, turn } => {
                calls.deps.health.taken();
                calls.forget(&session, turn);
            }
            ToolMessage::Ended(key, result) => calls.ended(key, result),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: Myself,
        event: SupervisionEvent,
        calls: &mut Calls,
    ) -> Outcome {
        match event {
            SupervisionEvent::ActorFailed(cell, error) => {
                calls.crashed(cell.get_id(), &error.to_string());
            }
            SupervisionEvent::ActorTerminated(cell, _, _) => {
                calls.tasks.remove(&cell.get_id());
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        Ok(())
    }
}

impl Calls {
    async fn call(
        &mut self,
        myself: &Myself,
        key: CallKey,
        agent: &str,
        wanted: Running,
        again: bool,
    ) -> Outcome {
        if let Some(running) = self.running.get_mut(&key) {
            running.reply = wanted.reply;
            return Ok(());
        }
        if let Some((_, result)) = self.recent.iter().find(|(known, _)| *known == key) {
            (wanted.reply)(result.clone());
            return Ok(());
        }
        let is_known = self.deps.toolbox.get(agent, &wanted.call.name).is_some();
        if let Some(wait) = self.deps.toolbox.unsettled(agent).filter(|_| !is_known) {
            return self.postpone(myself, key, agent, wanted, again, wait).await;
        }
        let (tool, invocation) = match self.prepare(&key, agent, &wanted.call, again) {
            Ok(prepared) => prepared,
            Err(result) => {
                (wanted.reply)(result);
                return Ok(());
            }
        };
        let aside = Aside { hooks: self.deps.hooks.clone(), agent: agent.to_owned() };
        let (toolbox, call) = (self.deps.toolbox.clone(), wanted.call.clone());
        let work = work((aside, toolbox), tool, invocation, key.clone(), call, myself.clone());
        let task = task::spawn(myself.get_cell(), work).await?;
        self.tasks.insert(task.get_id(), (task, key.clone()));
        self.running.insert(key, wanted);
        Ok(())
    }

    /// Asks itself again once it is known which tools there are.
    async fn postpone(
        &self,
        myself: &Myself,
        key: CallKey,
        agent: &str,
        wanted: Running,
        again: bool,
        wait: BoxFuture<'static, ()>,
    ) -> Outcome {
        let (agent, Running { call, reply }) = (agent.to_owned(), wanted);
        let tools: Via<ToolMessage> = self.deps.registry.via(TOOLS);
        let work = async move {
            wait.await;
            // An actor that is gone has a successor, whom the session asks again.
            drop(tools.cast(ToolMessage::Call { key, agent, call, again, reply }));
        };
        task::spawn(myself.get_cell(), work).await?;
        Ok(())
    }

    /// What is refused before anything runs.
    fn prepare(
        &self,
        key: &CallKey,
        agent: &str,
        call: &ToolCall,
        again: bool,
    ) -> Result<(Arc<dyn Tool>, Invocation), ToolResult> {
        let refuse = |text: String| failed(call, text);
        let tool = self.deps.toolbox.get(agent, &call.name);
        // Also where the tool is gone since: that does not undo what it did.
        if again && !tool.as_ref().is_some_and(|tool| tool.traits().is_idempotent) {
            return Err(ToolResult::unknown(call));
        }
        let tool = tool.ok_or_else(|| {
            refuse(format!("there is no tool {:?}, or this agent may not use it", call.name))
        })?;
        let arguments =
            schema::arguments(&tool.spec().parameters, &call.arguments).map_err(refuse)?;
        if self.running.len() >= CALLS_MAX {
            return Err(refuse(format!(
                "more than {CALLS_MAX} tools run at once; try again later"
            )));
        }
        let (session, idempotency_key) =
            (key.session.clone(), key.idempotency_key(&call.arguments));
        let (agent, turn) = (agent.to_owned(), key.turn);
        Ok((tool, Invocation { session, agent, turn, arguments, idempotency_key }))
    }

    fn ended(&mut self, key: CallKey, result: ToolResult) {
        self.deps.health.completed();
        let Some(running) = self.running.remove(&key) else { return };
        (running.reply)(result.clone());
        self.recent.push_back((key, result));
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
    }

    /// Stops the calls of a turn. What they have done so far stays done.
    fn forget(&mut self, session: &SessionKey, turn: u64) {
        let is_of_turn = |key: &CallKey| key.session == *session && key.turn == turn;
        self.running.retain(|key, _| !is_of_turn(key));
        for (task, key) in self.tasks.values() {
            if is_of_turn(key) {
                task.kill();
            }
        }
    }

    fn crashed(&mut self, task: ActorId, error: &str) {
        let Some((_, key)) = self.tasks.remove(&task) else { return };
        let Some(running) = self.running.get(&key) else { return };
        let text = format!("the tool crashed: {error}; whether it took effect is unknown");
        let result = failed(&running.call, text);
        self.ended(key, result);
    }
}

/// One call within its deadline, if the gate lets it; reports to the actor.
async fn work(
    (aside, toolbox): (Aside, Arc<Toolbox>),
    tool: Arc<dyn Tool>,
    invocation: Invocation,
    key: CallKey,
    call: ToolCall,
    actor: Myself,
) {
    let result = match aside.before(tool.as_ref(), invocation).await {
        Ok(invocation) => judged(&toolbox, tool.as_ref(), &invocation, &call).await,
        Err(refused) => failed(&call, refused),
    };
    let result = aside.after(&key.session, &call, result).await;
    // An actor that is gone has a successor, whom the session asks again.
    drop(actor.send_message(ToolMessage::Ended(key, result)));
}

/// The last word on a call, with the arguments it is made with.
async fn judged(
    toolbox: &Toolbox,
    tool: &dyn Tool,
    invocation: &Invocation,
    call: &ToolCall,
) -> ToolResult {
    let asked = Asked {
        agent: &invocation.agent,
        session: &invocation.session,
        tool: &call.name,
        arguments: &invocation.arguments,
        idempotency_key: &invocation.idempotency_key,
    };
    match toolbox.judge(asked).await {
        Verdict::Refuse(why) => failed(call, why),
        Verdict::Allow => perform(tool, invocation, call).await,
    }
}

async fn perform(tool: &dyn Tool, invocation: &Invocation, call: &ToolCall) -> ToolResult {
    let deadline = tool.traits().deadline;
    match tokio::time::timeout(deadline, tool.call(invocation)).await {
        Ok(Ok(text)) => ToolResult {
            call: call.id.clone(),
            name: call.name.clone(),
            text: cap(&text, RESULT_CHARS_MAX),
            status: ToolStatus::Done,
        },
        Ok(Err(text)) => failed(call, text),
        Err(_) => failed(
            call,
            format!("stopped after {deadline:?} without an end; whether it took effect is unknown"),
        ),
    }
}

fn failed(call: &ToolCall, text: impl AsRef<str>) -> ToolResult {
    ToolResult {
        call: call.id.clone(),
        name: call.name.clone(),
        text: cap(text.as_ref(), RESULT_CHARS_MAX),
        status: ToolStatus::Failed,
    }
}
