//! Describing agents: who they are, which models they ask, what these are shown and which tools they
//! may use.

use std::sync::Arc;

use telson_actors::context::Context;
use telson_actors::mcp::McpServer;
use telson_actors::model::{Catalog, ModelRef};
use telson_actors::provider::Provider;
use telson_actors::provider::profile::Keyring;
use telson_actors::router::AgentId;
use telson_actors::session::AgentProfile;
use telson_actors::tool::Tool;
use telson_actors::tool::core::CoreSettings;
use telson_actors::tool::gate::{ExecMode, Gate};
use telson_actors::tool::policy::Policy;

use super::Builder;
use crate::engine::spec::ProviderSpec;

impl Builder {
    /// Adds an agent; the first one added is the default agent.
    #[must_use]
    pub fn agent(mut self, id: &str, profile: AgentProfile) -> Self {
        self.agents.insert(id.to_owned(), profile);
        let id = AgentId::new(id);
        self.rules.agents.default.get_or_insert_with(|| id.clone());
        self.rules.agents.ids.push(id);
        self
    }

    /// Sets the name an agent answers to, for `{identity.name}` in a prefix.
    #[must_use]
    pub fn name(mut self, agent: &str, name: &str) -> Self {
        self.names.insert(agent.to_owned(), name.to_owned());
        self
    }

    /// Adds a provider. `echo` is there already.
    #[must_use]
    pub fn provider(self, name: &str, client: Arc<dyn Provider>) -> Self {
        let spec = ProviderSpec::single(name, client);
        self.keyring(name, spec.keys)
    }

    /// Adds a provider with several keys, of which one stands in for another.
    #[must_use]
    pub fn keyring(mut self, name: &str, keys: Keyring) -> Self {
        self.providers.retain(|provider| provider.name != name);
        self.providers.push(ProviderSpec { name: name.to_owned(), keys });
        self
    }

    /// Sets which models step in for an agent's own when it fails, in order. Without any, an agent
    /// asks its own model only.
    #[must_use]
    pub fn fallbacks(mut self, agent: &str, models: Vec<ModelRef>) -> Self {
        self.catalog.fallbacks.insert(agent.to_owned(), models);
        self
    }

    /// Sets what models are called, and which of them sessions may choose.
    #[must_use]
    pub fn models(mut self, change: impl FnOnce(&mut Catalog)) -> Self {
        change(&mut self.catalog);
        self
    }

    /// Sets what models are shown (windows, workspaces) and what they may cost (prices, budgets).
    #[must_use]
    pub fn context(mut self, change: impl FnOnce(&mut Context)) -> Self {
        change(&mut self.context);
        self
    }

    /// Adds a tool and lets these agents use it.
    #[must_use]
    pub fn tool(mut self, tool: Arc<dyn Tool>, agents: &[&str]) -> Self {
        let name = tool.spec().name;
        self.toolbox.add(tool);
        for agent in agents {
            self.toolbox.grant(agent, &name);
        }
        self
    }

    /// Adds an MCP server and lets these agents use its tools; one of the same name is replaced.
    #[must_use]
    pub fn mcp_server(mut self, server: McpServer, agents: &[&str]) -> Self {
        self.mcp.retain(|(known, _)| known.name != server.name);
        self.mcp.push((server, agents.iter().map(ToString::to_string).collect()));
        self
    }

    /// Adds the tools that come with the program. Who may use them is said by policies alone.
    #[must_use]
    pub fn core_tools(mut self, settings: CoreSettings) -> Self {
        self.core_tools = Some(settings);
        self
    }

    /// Sets what an agent may use besides the tools that it was given one by one.
    #[must_use]
    pub fn tool_policy(mut self, agent: &str, policy: Policy) -> Self {
        self.toolbox.set_policy(agent, policy);
        self
    }

    /// Sets whether an agent runs commands. Without it none is run.
    #[must_use]
    pub fn exec_mode(mut self, agent: &str, mode: ExecMode) -> Self {
        self.exec_modes.insert(agent.to_owned(), mode);
        self
    }

    /// Sets who judges each call, in place of the policy alone.
    #[must_use]
    pub fn gate(mut self, gate: Arc<dyn Gate>) -> Self {
        self.toolbox.set_gate(gate);
        self
    }
}
