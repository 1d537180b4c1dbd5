//! Hooks around one tool call: asked before it, told after it, asked about what is recorded of it.

use serde_json::Value;

use super::cap::{RESULT_CHARS_MAX, cap};
use super::{Invocation, Tool, schema};
use crate::hook::{HookEvent, Hooks, Moment};
use crate::message::SessionKey;
use crate::provider::{ToolCall, ToolResult};

/// Who is asked, and on whose behalf.
pub(super) struct Aside {
    pub(super) hooks: Hooks,
    pub(super) agent: String,
}

impl Aside {
    /// The call as hooks want it made, or why it is not made, in words for the model.
    pub(super) async fn before(
        &self,
        tool: &dyn Tool,
        invocation: Invocation,
    ) -> Result<Invocation, String> {
        if !self.hooks.want(Moment::BeforeToolCall) {
            return Ok(invocation);
        }
        let spec = tool.spec();
        let event = HookEvent::BeforeToolCall {
            session: invocation.session.to_string(),
            agent: self.agent.clone(),
            tool_name: spec.name,
            params: invocation.arguments.as_object().cloned().unwrap_or_default(),
        };
        let (event, stopped) = self.hooks.decide(event).await;
        if let Some(stopped) = stopped {
            let reason = stopped.reason.unwrap_or_else(|| "it gave no reason".into());
            return Err(format!("the hook {} blocked this call: {reason}", stopped.hook));
        }
        let HookEvent::BeforeToolCall { params, .. } = event else { return Ok(invocation) };
        let params = Value::Object(params);
        if params == invocation.arguments {
            return Ok(invocation);
        }
        // What a hook makes up has to fit as well.
        let arguments =
            schema::arguments(&spec.parameters, &params.to_string()).map_err(|error| {
                format!("a hook changed the arguments, and they do not fit any more: {error}")
            })?;
        Ok(Invocation { arguments, ..invocation })
    }

    /// The result as it is recorded.
    pub(super) async fn after(
        &self,
        session: &SessionKey,
        call: &ToolCall,
        mut result: ToolResult,
    ) -> ToolResult {
        self.hooks.tell(Moment::AfterToolCall, || HookEvent::AfterToolCall {
            session: session.to_string(),
            agent: self.agent.clone(),
            tool_name: call.name.clone(),
            params: serde_json::from_str(&call.arguments).unwrap_or(Value::Null),
            result: result.text.clone(),
            status: result.status,
        });
        if self.hooks.want(Moment::ToolResultPersist) {
            let event = HookEvent::ToolResultPersist {
                session: session.to_string(),
                tool_name: call.name.clone(),
                content: result.text.clone(),
            };
            if let (HookEvent::ToolResultPersist { content, .. }, _) =
                self.hooks.decide(event).await
            {
                result.text = cap(&content, RESULT_CHARS_MAX);
            }
        }
        result
    }
}
