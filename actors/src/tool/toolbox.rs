//! Which tools exist, and which of them an agent may use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::Tool;
use super::gate::{Asked, Gate, Verdict};
use super::policy::Policy;
use crate::provider::ToolSpec;

/// Tools that come and go while the engine runs.
pub trait ToolSource: Send + Sync + 'static {
    /// The tools there are now.
    fn tools(&self) -> Vec<Arc<dyn Tool>>;

    /// The tool of this name, if it is there now.
    fn get(&self, name: &str) -> Option<Arc<dyn Tool>>;

    /// `None` once it is known what there is; until then a wait for that. The wait has a limit.
    fn unsettled(&self) -> Option<BoxFuture<'static, ()>>;
}

#[derive(Clone)]
struct Source {
    tools: Arc<dyn ToolSource>,
    agents: BTreeSet<String>,
}

/// The tools of one engine by name, and what each agent is given. Nothing is given by default.
#[derive(Clone, Default)]
pub struct Toolbox {
    tools: BTreeMap<String, Arc<dyn Tool>>,
    granted: BTreeMap<String, BTreeSet<String>>,
    sources: Vec<Source>,
    policies: BTreeMap<String, Policy>,
    gate: Option<Arc<dyn Gate>>,
}

impl Toolbox {
    /// Adds a tool; one of the same name is replaced.
    pub fn add(&mut self, tool: Arc<dyn Tool>) {
        self.tools.insert(tool.spec().name, tool);
    }

    /// Lets an agent use a tool.
    pub fn grant(&mut self, agent: &str, tool: &str) {
        self.granted.entry(agent.to_owned()).or_default().insert(tool.to_owned());
    }

    /// Adds tools that come and go, for these agents. A tool added by itself goes before one of the
    /// same name from a source.
    pub fn add_source(&mut self, tools: Arc<dyn ToolSource>, agents: BTreeSet<String>) {
        self.sources.push(Source { tools, agents });
    }

    /// What the model of this agent is told, in the order of their names: a stable order keeps a
    /// provider's cache warm.
    pub fn specs(&self, agent: &str) -> Vec<ToolSpec> {
        let own = self.tools.iter().filter(|(name, _)| self.may_use(agent, name));
        let mut specs: Vec<ToolSpec> = own.map(|(_, tool)| tool.spec()).collect();
        let coming = self.sources_of(agent).flat_map(ToolSource::tools).map(|tool| tool.spec());
        specs.extend(coming.filter(|spec| {
            !self.tools.contains_key(&spec.name) && !self.denies(agent, &spec.name)
        }));
        specs.sort_by(|one, other| one.name.cmp(&other.name));
        specs.dedup_by(|one, other| one.name == other.name);
        specs
    }

    /// A tool, if this agent may use it.
    pub fn get(&self, agent: &str, name: &str) -> Option<Arc<dyn Tool>> {
        if let Some(tool) = self.tools.get(name) {
            return Some(tool).filter(|_| self.may_use(agent, name)).cloned();
        }
        if self.denies(agent, name) {
            return None;
        }
        self.sources_of(agent).find_map(|source| source.get(name))
    }

    /// `None` once all tools of this agent are known; until then a wait for that, with a limit.
    pub fn unsettled(&self, agent: &str) -> Option<BoxFuture<'static, ()>> {
        let waits: Vec<_> = self.sources_of(agent).filter_map(ToolSource::unsettled).collect();
        if waits.is_empty() {
            return None;
        }
        Some(Box::pin(async move {
            for wait in waits {
                wait.await;
            }
        }))
    }

    fn sources_of<'a>(&'a self, agent: &'a str) -> impl Iterator<Item = &'a dyn ToolSource> {
        let sources = self.sources.iter().filter(move |source| source.agents.contains(agent));
        sources.map(|source| &*source.tools)
    }

    /// Sets what an agent may use besides what it was granted; what it denies is denied in any case.
    pub fn set_policy(&mut self, agent: &str, policy: Policy) {
        self.policies.insert(agent.to_owned(), policy);
    }

    /// Sets who judges each call; without anybody every call of a usable tool is made.
    pub fn set_gate(&mut self, gate: Arc<dyn Gate>) {
        self.gate = Some(gate);
    }

    /// Whether somebody judges the calls.
    pub fn has_gate(&self) -> bool {
        self.gate.is_some()
    }

    /// Whether a call may be made now.
    pub async fn judge(&self, asked: Asked<'_>) -> Verdict {
        match &self.gate {
            Some(gate) => gate.decide(asked).await,
            None => Verdict::Allow,
        }
    }

    fn denies(&self, agent: &str, name: &str) -> bool {
        self.policies.get(agent).is_some_and(|policy| policy.denies(name))
    }

    /// Whether an agent may use the tool of this name, if there is one.
    pub fn may_use(&self, agent: &str, name: &str) -> bool {
        let granted = self.granted.get(agent).is_some_and(|granted| granted.contains(name));
        match self.policies.get(agent) {
            Some(policy) => !policy.denies(name) && (granted || policy.allows(name)),
            None => granted,
        }
    }
}

impl std::fmt::Debug for Toolbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Toolbox")
            .field("tools", &self.tools.keys())
            .field("granted", &self.granted)
            .field("policies", &self.policies)
            .finish_non_exhaustive()
    }
}
