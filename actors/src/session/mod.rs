//! One conversation: its lane, its turns, its transcript.
//!
//! [`machine`] decides, [`lane`] queues, the actor performs. Sessions live under a dynamic
//! supervisor, one actor per key, started by the first message and passivated when idle.

mod actor;
mod aside;
pub mod chain;
pub mod command;
mod ending;
pub mod lane;
pub mod machine;
mod note;
pub mod query;
pub mod queue;
mod record;
mod sessions;
pub mod steps;

pub use actor::{AgentProfile, SessionDeps, SessionMessage};
pub use aside::{TurnAside, aside_key};
pub use ending::{Asker, Stopped};
pub use note::{SessionNote, note_key, past_key, past_prefix};
pub use record::{
    Exchange, Said, SessionRecord, TurnRecord, UnsentRecord, exchange_key, exchange_prefix,
    is_known, session_key, session_prefix, turn_key, unsent_key,
};
pub use sessions::{Lives, SESSIONS, Sessions, hand_over, sessions_child};
