//! Heartbeats: an agent looks by itself whether something needs attention.
//!
//! ```text
//! interval, events, people --> wakes --> gates --> a message into the agent's session
//!                                          |                       |
//!                                     skipped, why        its answer is judged in the commit that
//!                                                         ends the turn: sent, or kept back and why
//! ```
//!
//! The actor has a timer of its own; cron may be off. A heartbeat is a message from inside whose dedupe
//! key names its instant or the event it is about, so that no kill makes two of one. Its turn answers
//! to web chat, so it never types, previews, interrupts or joins anybody's messages; where its answer
//! really goes is decided when there is one. What a failed one was told is told again, after a pause.
//! Everything that decides is pure, the actor performs.

mod actor;
mod budget;
mod content;
mod gate;
mod handle;
mod hours;
mod prompt;
mod record;
mod reply;
mod report;
mod retry;
mod rights;
mod rules;
mod schedule;
mod status;
mod target;
mod visibility;
mod wake;

pub use actor::{HeartbeatActor, HeartbeatDeps, HeartbeatMessage};
pub use budget::WakeBudget;
pub use content::is_effectively_empty;
pub use gate::{Facts, Skip, gate};
pub(crate) use handle::is_quiet_turn;
pub use handle::{BeatEnd, Heartbeats};
pub use hours::{ActiveHours, HoursError};
pub use prompt::{Cause, prompt};
pub use record::{BeatKey, EnabledRecord, SaidRecord, ScheduleRecord};
pub use reply::{Judged, OK_CHARS_MAX, OK_TOKEN, ReplyFacts, judge, stripped};
pub use report::{Reporter, WakeMode};
pub(crate) use retry::retry_pause;
pub use rules::{Beat, BeatFile, BeatRules};
pub use schedule::{after, first_due};
pub use status::{BeatStatus, Indicator, Outcome};
pub use target::{Route, Target, is_direct_target, resolve};
pub use visibility::{Visibility, VisibilityBook, VisibilityRules};
pub use wake::{COALESCE, PENDING_MAX, Pending, RETRY, Reason, Wakes};

use crate::message::Inbound;
use crate::session::Said;

/// Who writes heartbeats, for the transcript.
pub const SENDER: &str = "gateway:heartbeat";
/// How their dedupe keys begin.
pub const KEY_PREFIX: &str = "heartbeat:";

/// Whether a message is a heartbeat.
pub fn is_beat(inbound: &Inbound) -> bool {
    inbound.sender == SENDER && inbound.dedupe_key.starts_with(KEY_PREFIX)
}

/// Whether a turn answered heartbeats and nothing else: it says nothing about when a conversation was
/// last used.
pub fn is_beat_turn(said: &[Said]) -> bool {
    let is_beat = |said: &Said| said.sender == SENDER && said.platform_id.starts_with(KEY_PREFIX);
    !said.is_empty() && said.iter().all(is_beat)
}
