//! Changing a config from afar: what of it may be shown, what comes back, and how a change is laid
//! over what is there. Pure.

mod agents;
mod lookup;
mod merge;
mod redact;

pub(crate) use agents::{AgentWish, add_agent, agent_id, change_agent, remove_agent};
pub(crate) use lookup::lookup;
pub(crate) use merge::merge;
pub(crate) use redact::{Withheld, redact, redact_text, restore, restore_text};
