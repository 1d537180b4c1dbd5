//! Which names tools of clients can't have.

use std::collections::BTreeSet;

use super::Engine;

impl Engine {
    /// The names of the tools an agent may use now.
    pub fn tool_names(&self, agent: &str) -> BTreeSet<String> {
        let toolbox = self.0.toolbox.get();
        let specs = toolbox.map(|toolbox| toolbox.specs(agent)).unwrap_or_default();
        specs.into_iter().map(|spec| spec.name).collect()
    }
}
