//! `messages`: what happens to messages that arrive while an answer is being made.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// Treatment of messages, whatever their channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Messages {
    /// Messages that arrive during a turn.
    pub queue: Queue,
    /// Messages in groups.
    pub group_chat: GroupChat,
    /// Put before every reply, with a space between. May hold `{model}`, `{modelFull}`, `{provider}`
    /// and `{identity.name}`; `auto` is the agent's name in brackets. Default: nothing.
    pub response_prefix: Option<String>,
}

/// What to do with messages that arrive during a turn.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Queue {
    /// What to do with them. Default: steer.
    pub mode: QueueMode,
    /// Messages waiting per session, at least 1. Default: 20.
    pub cap: u32,
    /// What gives way when more wait. Default: summarize.
    pub drop: QueueDrop,
    /// Other modes for single channels. Default: none.
    pub by_channel: BTreeMap<String, QueueMode>,
    /// Quiet time before gathered messages become a turn, in milliseconds. Default: 500.
    pub debounce_ms: Option<u64>,
    /// The same for single channels. Default: none.
    pub debounce_ms_by_channel: BTreeMap<String, u64>,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            mode: QueueMode::default(),
            cap: 20,
            drop: QueueDrop::default(),
            by_channel: BTreeMap::new(),
            debounce_ms: None,
            debounce_ms_by_channel: BTreeMap::new(),
        }
    }
}

/// What to do with a message that arrives during a turn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum QueueMode {
    /// Hand it to the running turn at its next step.
    #[default]
    Steer,
    /// Make it a turn of its own, later.
    Followup,
    /// Gather what arrives into one later turn.
    Collect,
    /// Stop the running turn and answer this one.
    Interrupt,
}

/// What gives way when too many messages wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum QueueDrop {
    /// The oldest, of which a line each is kept.
    #[default]
    Summarize,
    /// The oldest.
    Old,
    /// The newest.
    New,
}

/// Treatment of messages in groups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct GroupChat {
    /// Regular expressions, matched without regard to case, that count as a mention.
    /// Default: none, then the agent's name and emoji count; an agent without them is never
    /// meant by a word, and answers as if it were meant every time.
    pub mention_patterns: Vec<String>,
}
