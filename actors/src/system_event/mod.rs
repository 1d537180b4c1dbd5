//! System events: what happened around a conversation, for its agent to read with the next turn.
//!
//! Each session has a short queue. An event is durable before whoever reports it goes on; the commit
//! that begins a turn takes what waits into that turn, and the turn's last commit ends it. So a crash
//! neither loses an event nor shows it twice. An id is told once, as an event or as a message.
//! [`admit`] decides, [`SystemEvents`] performs.

mod handle;
mod once;
mod queue;
mod record;
mod render;

pub use handle::{Added, SystemEvents};
pub use once::{Used, event_key};
pub use queue::{Admit, EVENTS_MAX, TEXT_CHARS_MAX, admit};
pub use record::{
    EventRecord, Heard, RetryRecord, ToldRecord, retry_key, told_key, waiting_prefix,
};
pub use render::{defused, has_events, rendered};
