//! A server's tool as the agents know it.

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::client::{Fault, McpClient};
use super::wire::{ListedTool, outcome};
use crate::provider::ToolSpec;
use crate::tool::{Invocation, Tool, ToolTraits};

pub(super) struct McpTool {
    pub(super) listed: ListedTool,
    pub(super) client: McpClient,
}

impl Tool for McpTool {
    fn spec(&self) -> ToolSpec {
        self.listed.spec.clone()
    }

    /// Every wait inside has a limit of its own, with a better text; this one is behind them all.
    fn traits(&self) -> ToolTraits {
        let server = &self.client.server;
        let once = server.call_max * 2 + server.connect_max * 2;
        ToolTraits { is_idempotent: self.listed.is_idempotent, deadline: once * 2 }
    }

    fn call<'a>(&'a self, call: &'a Invocation) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move {
            let mut answer = self.once(&call.arguments).await;
            if self.listed.is_idempotent && matches!(answer, Err(Fault::CutOff(_))) {
                tracing::info!(tool = %self.listed.spec.name, "a harmless call was cut off; made again");
                answer = self.once(&call.arguments).await;
            }
            match answer {
                Ok(result) => outcome(&result),
                Err(Fault::NotMade(text)) => Err(format!("{text}; the call was not made")),
                Err(Fault::Refused(text)) => Err(text),
                Err(Fault::CutOff(text)) if self.listed.is_idempotent => Err(text),
                Err(Fault::CutOff(text)) => Err(format!(
                    "{text}; the outcome of this call is unknown: check whether it took effect \
                     before calling it again"
                )),
            }
        })
    }
}

impl McpTool {
    async fn once(&self, arguments: &Value) -> Result<rmcp::model::CallToolResult, Fault> {
        let arguments = arguments.as_object().cloned().unwrap_or_default();
        self.client.call(&self.listed.name, arguments).await
    }
}
