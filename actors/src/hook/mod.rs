//! Hooks: what an operator or an embedding program adds to the life of messages, turns and tools.
//!
//! | moment | kind | when |
//! |---|---|---|
//! | `gateway_start` | void | the engine runs |
//! | `gateway_stop` | void | it is about to stop; it waits up to five seconds for these |
//! | `session_start` | void | a conversation wakes: for its first message, or the first after it slept |
//! | `session_end` | void | it goes to sleep: it was idle, or the engine stops (not after a crash) |
//! | `message_received` | void | a message is durable and bound to a session |
//! | `before_agent_start` | modifying | a turn is about to ask its model for the first time |
//! | `agent_end` | void | a turn has ended, with an answer or without |
//! | `before_tool_call` | modifying | a tool is about to be called |
//! | `after_tool_call` | void | a tool has ended |
//! | `tool_result_persist` | modifying | the result of a tool is about to be recorded |
//! | `before_compaction` | void | a summary of the older part of a conversation is about to be written |
//! | `after_compaction` | void | it was written, or would not do |
//! | `message_sending` | modifying | an agent's answer is about to go to the outbox |
//! | `message_sent` | void | a part of a reply is out, or will never be |
//!
//! Void hooks run side by side and nobody waits for them. Modifying hooks run one after the other,
//! the highest priority first, each on what those before it made of it; `block` and `cancel` are
//! final, and `false` undoes nothing. A hook that fails, panics, is late or answers nonsense is
//! logged and counts as one that changes nothing; one that is late is abandoned, not awaited.
//!
//! After a crash: what `before_agent_start` decided is on disk before the model is asked, because it
//! is part of a paid request, and the answer is on disk before `message_sending` is asked about it.
//! Void hooks are told at most once; a crash may lose one.

mod actor;
mod command;
mod decision;
mod event;
mod handle;
mod moment;
mod trouble;

pub use actor::{HOOKS, HookActor, HookDeps, HookMessage};
pub use command::CommandHook;
pub use decision::{Decision, Stopped};
pub use event::HookEvent;
pub use handle::Hooks;
pub use moment::Moment;
pub use trouble::Failing;

use std::time::Duration;

use futures_util::future::BoxFuture;

/// The time a hook has unless it says otherwise.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// A hook. One value serves everything at once.
pub trait Hook: Send + Sync + 'static {
    /// Its name, for logs and for what it stopped.
    fn name(&self) -> &str;

    /// The moments it wants.
    fn moments(&self) -> &[Moment];

    /// Among modifying hooks of one moment the highest goes first; of equals the one added first.
    fn priority(&self) -> i32 {
        0
    }

    /// How long it may take.
    fn deadline(&self) -> Duration {
        DEADLINE
    }

    /// Is told what happens. The answer of a void hook counts for nothing; an error is logged.
    fn call<'a>(&'a self, event: &'a HookEvent) -> BoxFuture<'a, Result<Decision, String>>;
}
