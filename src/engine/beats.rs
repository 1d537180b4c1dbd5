//! Describing the heartbeats of an engine.

use telson_actors::heartbeat::{Beat, BeatRules};
use telson_actors::router::SessionScope;

use super::Builder;

impl Builder {
    /// Lets an agent look by itself, every so often, whether something needs attention.
    #[must_use]
    pub fn heartbeat(mut self, agent: &str, beat: Beat) -> Self {
        self.beats.agents.insert(agent.to_owned(), beat);
        // What heartbeats themselves are about is shown there.
        self.web_chat()
    }

    /// Sets what else heartbeats go by: who owns what, what is shown, the time zone of people (of
    /// system events, too), where `HEARTBEAT.md` comes from. Agents and sessions come from the rest
    /// of this description.
    #[must_use]
    pub fn heartbeats(mut self, change: impl FnOnce(&mut BeatRules)) -> Self {
        change(&mut self.beats);
        self
    }

    /// What heartbeats have to know of the rest.
    pub(super) fn beat_rules(&self) -> BeatRules {
        let (rules, session) = (self.beats.clone(), &self.rules.session);
        BeatRules {
            default_agent: self.rules.agents.default.as_ref().map(|id| id.as_str().to_owned()),
            main_key: session.main_key.clone(),
            is_global: session.scope == SessionScope::Global,
            known: self.agents.keys().cloned().collect(),
            accounts: self.rules.access.keys().cloned().collect(),
            ..rules
        }
    }
}
