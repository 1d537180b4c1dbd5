//! What tools hold: asks the server's actor for the connection and makes the call over it.

use std::error::Error;
use std::sync::Arc;

use rmcp::model::{CallToolRequestParams, CallToolResponse, CallToolResult, JsonObject};
use rmcp::service::{Peer, RoleClient, ServiceError};
use rmcp::transport::streamable_http_client::StreamableHttpError;
use telson_supervision::{Registry, Via};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::actor::McpMessage;
use super::config::{McpServer, server_name};
use crate::provider::hide;

/// How a call went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing reached the server.
    NotMade(String),
    /// The server refused it.
    Refused(String),
    /// It reached the server, and no answer came.
    CutOff(String),
}

/// How a lent connection was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// The server answered.
    Answered,
    /// The server did not answer in time, or the connection failed.
    Failed,
    /// The caller went away.
    GivenUp,
}

/// The connection for one call; it goes back by being dropped.
pub(super) struct Lease {
    pub(super) peer: Peer<RoleClient>,
    pub(super) generation: u64,
    pub(super) actor: Via<McpMessage>,
    pub(super) how: Use,
}

impl Drop for Lease {
    fn drop(&mut self) {
        // An actor that is gone has a successor with another generation.
        drop(self.actor.cast(McpMessage::Returned(self.generation, self.how)));
    }
}

/// A handle to one server. Cheap to clone.
#[derive(Clone)]
pub(super) struct McpClient {
    pub(super) server: Arc<McpServer>,
    actor: Via<McpMessage>,
    permits: Arc<Semaphore>,
}

impl McpClient {
    pub(super) fn new(server: Arc<McpServer>, registry: &Registry) -> Self {
        let actor = registry.via(server_name(&server.name));
        let permits = Arc::new(Semaphore::new(server.calls_max.max(1)));
        Self { server, actor, permits }
    }

    /// Makes one call, once.
    pub(super) async fn call(
        &self,
        tool: &str,
        arguments: JsonObject,
    ) -> Result<CallToolResult, Fault> {
        let permit = timeout(self.server.call_max, self.permits.acquire()).await;
        let Ok(Ok(_permit)) = permit else {
            return Err(Fault::NotMade(self.told("is busy with other calls")));
        };
        let mut lease = self.lease().await?;
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let answer = timeout(self.server.call_max, lease.peer.call_tool_once(params)).await;
        let (how, outcome) = match answer {
            Ok(Ok(CallToolResponse::Complete(result))) => (Use::Answered, Ok(result)),
            Ok(Ok(_)) => {
                let text = self.told("wants more input for this call than anybody here can give");
                (Use::Answered, Err(Fault::Refused(text)))
            }
            Ok(Err(error)) => self.failed(&error),
            Err(_) => {
                let text = format!("did not answer within {:?}", self.server.call_max);
                (Use::Failed, Err(Fault::CutOff(self.told(&text))))
            }
        };
        lease.how = how;
        outcome
    }

    async fn lease(&self) -> Result<Lease, Fault> {
        let restarting = || Fault::NotMade(self.told("is restarting; try again"));
        let (reply, answer) = oneshot::channel();
        self.actor.cast(McpMessage::Lend(reply)).map_err(|_| restarting())?;
        // Twice: one that is being stopped has to be waited for before it is started.
        match timeout(self.server.connect_max * 2, answer).await {
            Ok(Ok(lent)) => lent.map_err(Fault::NotMade),
            Ok(Err(_)) => Err(restarting()),
            Err(_) => Err(Fault::NotMade(self.told("did not start in time"))),
        }
    }

    fn failed(&self, error: &ServiceError) -> (Use, Result<CallToolResult, Fault>) {
        let fault = match error {
            ServiceError::McpError(refusal) => {
                let text = self.told(&format!("refused the call: {}", refusal.message));
                return (Use::Answered, Err(Fault::Refused(text)));
            }
            ServiceError::TransportSend(sending) if was_not_reached(sending.error.as_ref()) => {
                Fault::NotMade(self.told("cannot be reached"))
            }
            ServiceError::TransportSend(sending) => {
                let cause = hide(&root(sending.error.as_ref()), &self.server.secrets());
                Fault::CutOff(self.told(&format!("was lost in the call: {cause}")))
            }
            ServiceError::TransportClosed => Fault::CutOff(self.told("was lost in the call")),
            other => Fault::CutOff(self.told(&format!("did not answer the call: {other}"))),
        };
        (Use::Failed, Err(fault))
    }

    fn told(&self, what: &str) -> String {
        format!("the MCP server {} {what}", self.server.name)
    }
}

/// Whether the connection was refused before anything could be sent.
fn was_not_reached(error: &(dyn Error + 'static)) -> bool {
    request(error).is_some_and(reqwest::Error::is_connect)
}

/// What the HTTP library says; the protocol's library does not pass it on as a cause.
fn request<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a reqwest::Error> {
    match error.downcast_ref::<StreamableHttpError<reqwest::Error>>()? {
        StreamableHttpError::Client(error) => Some(error),
        _ => None,
    }
}

/// The words of the innermost cause; those around it repeat it.
fn root(error: &(dyn Error + 'static)) -> String {
    let mut inner: &dyn Error = request(error).map_or(error, |error| error);
    while let Some(cause) = inner.source() {
        inner = cause;
    }
    inner.to_string()
}
