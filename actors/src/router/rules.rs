//! What routing reads: the part of the configuration that decides who may speak and who answers.

use std::collections::BTreeMap;
use std::fmt;

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::message::session_key::DmScope;
use crate::message::{AccountKey, ChatKind};

/// The account of a channel that is used when nothing else is said.
pub const DEFAULT_ACCOUNT: &str = "default";

/// An agent's id, as configured.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AgentId(pub String);

impl AgentId {
    /// Names an agent.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything routing reads. Plain data: replaced as a whole when the configuration changes.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// The agents there are.
    pub agents: Agents,
    /// Which conversations go to which agent, in the order of the file.
    pub bindings: Vec<Binding>,
    /// How sessions are cut.
    pub session: SessionSettings,
    /// Who may speak, per account. An account without an entry accepts nobody.
    pub access: BTreeMap<AccountKey, Access>,
    /// Named lists of people.
    pub access_groups: AccessGroups,
    /// The default account of each channel; [`DEFAULT_ACCOUNT`] where none is named.
    pub default_accounts: BTreeMap<String, String>,
}

impl Rules {
    /// Whether `account` is the default one of its channel.
    pub fn is_default_account(&self, account: &AccountKey) -> bool {
        let default = self.default_accounts.get(&account.channel);
        default.map_or(DEFAULT_ACCOUNT, String::as_str) == account.account
    }
}

/// The agents there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Agents {
    /// All of them.
    pub ids: Vec<AgentId>,
    /// The one that answers where no binding matches. A sole agent needs no mark.
    pub default: Option<AgentId>,
}

/// Sends the conversations that match every stated field to one agent. Grants no access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Who answers.
    pub agent: AgentId,
    /// The channel's name.
    pub channel: String,
    /// Which of its accounts.
    pub account: AccountMatch,
    /// Which conversations; `None` means all of them.
    pub peer: Option<PeerMatch>,
    /// Overrides [`SessionSettings::dm_scope`].
    pub dm_scope: Option<DmScope>,
    /// Overrides [`SessionSettings::group_scope`].
    pub group_scope: Option<GroupScope>,
}

/// The accounts a binding speaks of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AccountMatch {
    /// The channel's default account: what a binding without an account means.
    #[default]
    Default,
    /// Every account of the channel.
    Any,
    /// This account.
    Exact(String),
}

/// The conversations a binding speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerMatch {
    /// Their kind.
    pub kind: ChatKind,
    /// Their id. A thread is named `<conversation>:thread:<thread>`; a conversation's name covers
    /// its threads.
    pub id: PeerId,
}

/// One conversation or all of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerId {
    /// The conversation with this id, or with this alias.
    Exact(String),
    /// Every conversation of the kind.
    Any,
}

/// How sessions are cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSettings {
    /// How far direct conversations are kept apart.
    pub dm_scope: DmScope,
    /// Whether groups have sessions of their own.
    pub group_scope: GroupScope,
    /// The name of every agent's main session.
    pub main_key: String,
    /// Whether there are several sessions at all.
    pub scope: SessionScope,
    /// For each person known under several ids: a name of their own, and the ids as `channel:peer`.
    pub identity_links: BTreeMap<String, Vec<String>>,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            dm_scope: DmScope::Main,
            group_scope: GroupScope::PerGroup,
            main_key: "main".to_owned(),
            scope: SessionScope::PerSender,
            identity_links: BTreeMap::new(),
        }
    }
}

/// Whether groups have sessions of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupScope {
    /// One session per group.
    #[default]
    PerGroup,
    /// Groups speak into the agent's main session.
    Main,
}

/// Whether there are several sessions at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionScope {
    /// Sessions as the other settings cut them.
    #[default]
    PerSender,
    /// One session for everybody.
    Global,
}

/// Who may speak on one account.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// How direct messages are treated.
    pub dm_policy: DmPolicy,
    /// Who may write directly: ids, `accessGroup:<name>`, or `*`.
    pub allow_from: Vec<String>,
    /// How groups and channels are treated.
    pub group_policy: GroupPolicy,
    /// Who may speak in groups: as above, and conversations by a prefixed id such as `chat_id:7`.
    /// `None` falls back to [`Self::allow_from`]; an empty list blocks everybody.
    pub group_allow_from: Option<Vec<String>>,
    /// Known groups by id, alias or `*`. Empty means that no group has to be known.
    pub groups: BTreeMap<String, GroupRules>,
    /// What counts as being mentioned. None means that mentions cannot be detected.
    pub mention_patterns: Vec<Regex>,
}

impl Access {
    /// Everybody may write directly; groups stay closed.
    pub fn everybody() -> Self {
        Self { dm_policy: DmPolicy::Open, allow_from: vec!["*".to_owned()], ..Self::default() }
    }
}

/// What one group changes. `None` leaves the decision to the `*` entry, then to the account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupRules {
    /// `false` switches the group off.
    pub enabled: Option<bool>,
    /// Whether only messages that mention us are answered; `true` where nothing is said.
    pub require_mention: Option<bool>,
    /// Who may speak here, whatever the policy is. An empty list blocks everybody.
    pub allow_from: Option<Vec<String>>,
    /// The policy here.
    pub group_policy: Option<GroupPolicy>,
}

/// How direct messages are treated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DmPolicy {
    /// Unknown people get a code, which the operator may approve.
    #[default]
    Pairing,
    /// Listed and paired people only.
    Allowlist,
    /// Everybody, provided the list says `*`.
    Open,
    /// Nobody.
    Disabled,
}

/// How groups and channels are treated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupPolicy {
    /// Listed people only.
    #[default]
    Allowlist,
    /// Everybody.
    Open,
    /// Nobody.
    Disabled,
}

/// Named lists of people, per channel. A name that is not here matches nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessGroups(pub BTreeMap<String, AccessGroup>);

/// One list of people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessGroup {
    /// The members' ids by channel name, or `*` for any channel. Ids only: a list never holds
    /// another list, nor everybody.
    pub members: BTreeMap<String, Vec<String>>,
}
