//! Which tools exist, and which of them an agent may use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Tool;
use crate::provider::ToolSpec;

/// The tools of one engine by name, and what each agent is given. Nothing is given by default.
#[derive(Clone, Default)]
pub struct Toolbox {
    tools: BTreeMap<String, Arc<dyn Tool>>,
    granted: BTreeMap<String, BTreeSet<String>>,
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

    /// What the model of this agent is told, in the order of their names: a stable order keeps a
    /// provider's cache warm.
    pub fn specs(&self, agent: &str) -> Vec<ToolSpec> {
        let granted = self.granted.get(agent).into_iter().flatten();
        granted.filter_map(|name| self.tools.get(name)).map(|tool| tool.spec()).collect()
    }

    /// A tool, if this agent may use it.
    pub fn get(&self, agent: &str, name: &str) -> Option<Arc<dyn Tool>> {
        let granted = self.granted.get(agent).is_some_and(|granted| granted.contains(name));
        self.tools.get(name).filter(|_| granted).cloned()
    }
}

impl std::fmt::Debug for Toolbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Toolbox")
            .field("tools", &self.tools.keys())
            .field("granted", &self.granted)
            .finish()
    }
}
