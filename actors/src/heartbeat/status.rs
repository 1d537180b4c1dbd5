//! What became of a heartbeat, for those who watch and for `telson heartbeat last`.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::message::Destination;
use crate::store::Record;

/// Characters of an answer that are shown.
const PREVIEW_CHARS_MAX: usize = 200;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Its answer was sent.
    Sent,
    /// It answered nothing.
    OkEmpty,
    /// It answered that nothing needs attention.
    OkToken,
    /// It was skipped, or its answer kept back.
    Skipped,
    /// There was no answer.
    Failed,
}

impl Outcome {
    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::OkEmpty => "ok-empty",
            Self::OkToken => "ok-token",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }

    /// The indicator that goes with it.
    pub const fn indicator(self) -> Option<Indicator> {
        match self {
            Self::Sent => Some(Indicator::Alert),
            Self::OkEmpty | Self::OkToken => Some(Indicator::Ok),
            Self::Failed => Some(Indicator::Error),
            Self::Skipped => None,
        }
    }
}

/// A light for whoever watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Indicator {
    /// All is well.
    Ok,
    /// Something needs attention.
    Alert,
    /// It does not work.
    Error,
}

impl Indicator {
    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Alert => "alert",
            Self::Error => "error",
        }
    }
}

/// One heartbeat's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeatStatus {
    /// When.
    pub at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// The agent.
    pub agent: String,
    /// Where its answer went, or would have gone.
    pub to: Option<Destination>,
    /// How its answer begins.
    pub preview: Option<String>,
    /// How long the turn took, in milliseconds.
    pub duration_ms: Option<u64>,
    /// Why it was skipped or failed; else why it woke.
    pub reason: Option<String>,
    /// The light, where it is to be seen.
    pub indicator: Option<Indicator>,
}

impl Record for BeatStatus {
    const VERSION: u8 = 1;
}

/// The beginning of an answer.
pub(super) fn preview(answer: &str) -> Option<String> {
    let answer = answer.trim();
    let text = match answer.char_indices().nth(PREVIEW_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &answer[..end]),
        None => answer.to_owned(),
    };
    (!text.is_empty()).then_some(text)
}
