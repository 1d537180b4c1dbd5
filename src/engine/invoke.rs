//! Calling a tool by hand, as an agent would.

use std::sync::{Arc, Mutex, PoisonError};

use telson_actors::answer::{CallEnd, answer_key};
use telson_actors::message::SessionKey;
use telson_actors::provider::{ToolCall, ToolResult, ToolStatus};
use telson_actors::tool::{CallKey, ToolMessage};
use tokio::sync::oneshot;

use super::Engine;
use super::beginning::Beginning;

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Invoked {
    /// There is no such tool, or the agent may not use it.
    Hidden,
    /// The tools are restarting, or the store can't be written; nothing was called.
    Absent,
    /// The tools have restarted meanwhile: nobody knows whether it was made.
    Unknown,
    /// It was made.
    Done(String),
    /// It was refused, or failed.
    Failed(String),
}

impl Invoked {
    /// What came of a call that somebody waits for.
    pub(crate) fn of(ended: Result<ToolResult, oneshot::error::RecvError>) -> Self {
        match ended {
            Ok(ToolResult { status: ToolStatus::Done, text, .. }) => Self::Done(text),
            Ok(ToolResult { text, .. }) => Self::Failed(text),
            Err(_) => Self::Unknown,
        }
    }
}

/// What a call is kept under: its method and its key, and that it is about to be made.
pub(crate) struct Kept {
    pub(crate) method: &'static str,
    pub(crate) key: String,
    /// Taken once the call is made.
    pub(crate) beginning: Option<Beginning>,
}

impl Engine {
    /// Calls a tool once, in the name of an agent and within its policy, hooks and gate. A call that
    /// is cut off is not made again. What it comes to is noted under `kept`, also if nobody waits for
    /// it any more.
    pub(crate) async fn invoke(
        &self,
        session: &SessionKey,
        agent: &str,
        (tool, arguments): (&str, String),
        mut kept: Option<&mut Kept>,
    ) -> Invoked {
        let under = kept.as_ref().map(|kept| (kept.method, kept.key.clone()));
        let own = under.as_ref().map(|(method, key)| answer_key(method, key));
        let running = self.0.calls.begin(None, own);
        match self.may_use(agent, tool).await {
            Some(true) => {}
            Some(false) => return Invoked::Hidden,
            None => return Invoked::Absent,
        }
        let Ok(turn) = self.0.store.next_id() else { return Invoked::Absent };
        let key = CallKey { session: session.clone(), turn, round: 0, place: 0 };
        let (id, name) = (format!("call-{turn}"), tool.to_owned());
        let call = ToolCall { id, name, arguments, signature: None };
        let (sender, receiver) = oneshot::channel();
        let asker = Mutex::new(Some((sender, running)));
        let engine = Arc::downgrade(&self.0);
        let reply = Arc::new(move |result: ToolResult| {
            let asker = asker.lock().unwrap_or_else(PoisonError::into_inner).take();
            let tell = move |result| {
                if let Some((sender, running)) = asker {
                    running.end(&result);
                    // Whoever asked may have left; then nobody is told.
                    sender.send(result).ok();
                }
            };
            match (&under, engine.upgrade().map(Engine)) {
                (Some((method, key)), Some(engine)) => engine.keep(method, key, result, tell),
                _ => tell(result),
            }
        });
        let agent = agent.to_owned();
        let message = ToolMessage::Call { key, agent, call, again: false, reply };
        if self.0.tools.cast(message).is_err() {
            return Invoked::Absent;
        }
        if let Some(beginning) = kept.as_mut().and_then(|kept| kept.beginning.take()) {
            beginning.made();
        }
        Invoked::of(receiver.await)
    }

    /// Notes what a call has come to, and tells it then.
    fn keep(
        &self,
        method: &str,
        key: &str,
        result: ToolResult,
        tell: impl FnOnce(ToolResult) + Send + 'static,
    ) {
        let end = match &result {
            ToolResult { status: ToolStatus::Done, text, .. } => CallEnd::done(text.clone()),
            ToolResult { text, .. } => CallEnd::failed("tool_error", text),
        };
        match self.ending_of(method, key, end) {
            Ok(Some(batch)) => {
                let told = result.clone();
                if let Err(error) = self.0.store.submit(batch, move |_| tell(told)) {
                    // Whoever waits is told that nobody knows: a repeat would be told the same.
                    tracing::warn!(%error, "what a call has come to was not noted");
                }
            }
            Ok(None) => tell(result),
            Err(error) => tracing::warn!(%error, "what a call has come to was not noted"),
        }
    }

    /// Whether an agent has a tool; nothing while nobody can say.
    pub(crate) async fn may_use(&self, agent: &str, tool: &str) -> Option<bool> {
        let (sender, receiver) = oneshot::channel();
        let reply = Box::new(move |may| {
            sender.send(may).ok();
        });
        let (agent, tool) = (agent.to_owned(), tool.to_owned());
        self.0.tools.cast(ToolMessage::MayUse { agent, tool, reply }).ok()?;
        receiver.await.ok()
    }
}
