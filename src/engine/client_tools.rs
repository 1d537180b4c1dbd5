//! Messages that bring tools of their client along.

use std::collections::BTreeSet;

use telson_actors::client_tool::{ClientTools, client_tools_key};
use telson_actors::router::{AdmitError, Relayed};
use telson_actors::store::{Batch, Expect, StoreError};

use super::{Engine, Relay};

impl Engine {
    /// Hands in a message as [`Engine::relay`] does, with tools that its model is offered and its
    /// client calls. They are durable before the message is admitted; of a repeat those of the first
    /// count.
    ///
    /// # Errors
    /// Nothing is known to be admitted; offer the same again under the same key.
    pub async fn relay_with_tools(
        &self,
        relayed: Relayed,
        tools: Option<ClientTools>,
    ) -> Result<Relay, AdmitError> {
        let (account, id) = (&relayed.inbound.account, &relayed.inbound.dedupe_key);
        if let Some(tools) = tools
            && self.relayed(account, id).map_err(AdmitError::Store)?.is_none()
        {
            let key = client_tools_key(account, id);
            let mut batch = Batch::new();
            batch.expect(Expect::Absent(key.clone())).put(key, &tools);
            match self.0.store.commit(batch).await {
                // A repeat that has come before this one.
                Ok(()) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(AdmitError::Store(error)),
            }
        }
        self.relay(relayed).await
    }

    /// The names of the tools an agent may use now.
    pub fn tool_names(&self, agent: &str) -> BTreeSet<String> {
        let toolbox = self.0.toolbox.get();
        let specs = toolbox.map(|toolbox| toolbox.specs(agent)).unwrap_or_default();
        specs.into_iter().map(|spec| spec.name).collect()
    }
}
