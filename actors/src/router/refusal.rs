//! Why a message is not answered.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::bindings::NoAgent;

/// Why a message is declined. The names are stable: logs, metrics and the journal carry them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The message names no sender or no conversation.
    NoIdentity,
    /// The account has no access rules.
    UnknownAccount,
    /// Direct messages are switched off.
    DmDisabled,
    /// The sender is on no list for direct messages.
    DmNotAllowed,
    /// Direct messages are open, but the list does not say `*`.
    DmOpenWithoutWildcard,
    /// Groups are switched off.
    GroupsDisabled,
    /// This group is switched off.
    GroupDisabled,
    /// The sender may not speak in this group.
    GroupSenderNotAllowed,
    /// The group is not among the known ones.
    GroupNotListed,
    /// The message does not mention us, and has to.
    NotMentioned,
    /// No agent can be chosen.
    NoAgent(NoAgent),
}

impl Refusal {
    /// The stable name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NoIdentity => "no-identity",
            Self::UnknownAccount => "unknown-account",
            Self::DmDisabled => "dm-disabled",
            Self::DmNotAllowed => "dm-not-allowed",
            Self::DmOpenWithoutWildcard => "dm-open-without-wildcard",
            Self::GroupsDisabled => "groups-disabled",
            Self::GroupDisabled => "group-disabled",
            Self::GroupSenderNotAllowed => "group-sender-not-allowed",
            Self::GroupNotListed => "group-not-listed",
            Self::NotMentioned => "not-mentioned",
            Self::NoAgent(_) => "no-agent",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentence = match self {
            Self::NoIdentity => "the message names no sender or no conversation",
            Self::UnknownAccount => "the account has no access rules; configure its channel",
            Self::DmDisabled => "direct messages are switched off (dmPolicy is disabled)",
            Self::DmNotAllowed => "the sender is neither in allowFrom nor paired",
            Self::DmOpenWithoutWildcard => "dmPolicy is open, but allowFrom does not contain \"*\"",
            Self::GroupsDisabled => "groups are switched off (groupPolicy is disabled)",
            Self::GroupDisabled => "this group is switched off in groups",
            Self::GroupSenderNotAllowed => {
                "the sender may not speak in this group; see groupAllowFrom and allowFrom"
            }
            Self::GroupNotListed => {
                "the group is not listed in groups, and there is no \"*\" entry"
            }
            Self::NotMentioned => {
                "the message does not mention the agent, as requireMention demands"
            }
            Self::NoAgent(reason) => return reason.fmt(f),
        };
        f.write_str(sentence)
    }
}
