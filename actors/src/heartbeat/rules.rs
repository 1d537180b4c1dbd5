//! What configuration says about heartbeats.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;

use super::hours::ActiveHours;
use super::reply::OK_CHARS_MAX;
use super::target::Target;
use super::visibility::VisibilityBook;
use crate::message::{AccountKey, Destination};
use crate::model::ModelRef;

/// Reads an agent's `HEARTBEAT.md`: its text, nothing where there is none, or why it can't be read.
pub type BeatFile =
    Arc<dyn Fn(&str) -> BoxFuture<'static, Result<Option<String>, String>> + Send + Sync>;

/// How one agent's heart beats.
#[derive(Debug, Clone, PartialEq)]
pub struct Beat {
    /// How often. Zero: only when somebody or something wakes it.
    pub every: Duration,
    /// When; always where nothing is said.
    pub hours: Option<ActiveHours>,
    /// Whom it tells.
    pub target: Target,
    /// Whom exactly, in the channel's own words.
    pub to: Option<String>,
    /// On which account.
    pub account: Option<String>,
    /// In which session, by its key. Nothing for the agent's main session.
    pub session: Option<String>,
    /// What it is asked instead of the usual words.
    pub prompt: Option<String>,
    /// Characters it may say beside the token that all is well.
    pub ok_chars: usize,
    /// Whether it may write to people directly.
    pub allows_direct: bool,
    /// Whether it is asked without the other files of its workspace.
    pub is_light: bool,
    /// Whether it is asked as if nothing had been said before in its session.
    pub is_isolated: bool,
    /// The model it asks, if not the agent's own.
    pub model: Option<ModelRef>,
}

impl Default for Beat {
    fn default() -> Self {
        Self {
            every: Duration::from_mins(30),
            hours: None,
            target: Target::default(),
            to: None,
            account: None,
            session: None,
            prompt: None,
            ok_chars: OK_CHARS_MAX,
            allows_direct: true,
            is_light: false,
            is_isolated: false,
            model: None,
        }
    }
}

/// Everything heartbeats go by.
#[derive(Clone)]
pub struct BeatRules {
    /// The agents whose heart beats, by id.
    pub agents: BTreeMap<String, Beat>,
    /// All agents there are.
    pub known: BTreeSet<String>,
    /// The agent for sessions that belong to nobody.
    pub default_agent: Option<String>,
    /// The name of every agent's main session.
    pub main_key: String,
    /// Whether there is only one session, for everybody.
    pub is_global: bool,
    /// What is shown, and where.
    pub visibility: VisibilityBook,
    /// Those that accounts let in by name, in the order of the config.
    pub owners: Vec<Destination>,
    /// The accounts there are, for people who were let in one by one.
    pub accounts: Vec<AccountKey>,
    /// The time zone of people.
    pub zone: TimeZone,
    /// Where `HEARTBEAT.md` comes from.
    pub file: Option<BeatFile>,
}

impl Default for BeatRules {
    fn default() -> Self {
        Self {
            agents: BTreeMap::new(),
            known: BTreeSet::new(),
            default_agent: None,
            main_key: "main".into(),
            is_global: false,
            visibility: VisibilityBook::default(),
            owners: Vec::new(),
            accounts: Vec::new(),
            zone: TimeZone::UTC,
            file: None,
        }
    }
}
