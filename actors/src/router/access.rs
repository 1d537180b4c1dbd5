//! Who may speak: direct messages by policy, list and pairing; groups by policy, sender, registry
//! and mention, in this order.
//!
//! Access is granted per kind of conversation. A pairing is for direct messages only: the paired
//! store is not even consulted for a group.

use super::handle::{normalise, normalise_entry};
use super::refusal::Refusal;
use super::rules::{Access, AccessGroups, DmPolicy, GroupPolicy, GroupRules};
use crate::message::{ChatKind, Inbound};

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is answered.
    Allow,
    /// It is declined.
    Refuse(Refusal),
    /// It is not processed; the sender is offered a pairing code.
    Pair,
}

/// Decides about one message. `paired` tells whether the operator has approved a sender (given in
/// the form [`normalise`] makes) for direct messages on this account.
pub fn decide(
    inbound: &Inbound,
    access: &Access,
    paired: &dyn Fn(&str) -> bool,
    access_groups: &AccessGroups,
) -> Decision {
    if inbound.sender.trim().is_empty() || inbound.peer.trim().is_empty() {
        return Decision::Refuse(Refusal::NoIdentity);
    }
    let gate = Gate { inbound, access, access_groups };
    match inbound.chat {
        ChatKind::Direct => gate.direct(paired),
        ChatKind::Group | ChatKind::Channel => match gate.group() {
            Ok(()) => Decision::Allow,
            Err(refusal) => Decision::Refuse(refusal),
        },
    }
}

const EVERYBODY: &str = "*";
const ACCESS_GROUP: &str = "accessGroup:";

struct Gate<'a> {
    inbound: &'a Inbound,
    access: &'a Access,
    access_groups: &'a AccessGroups,
}

impl Gate<'_> {
    fn direct(&self, paired: &dyn Fn(&str) -> bool) -> Decision {
        let listed = self.lists_sender(&self.access.allow_from);
        // Under `open` the paired store is left out: it must not stand in for the missing `*`.
        let known = || listed || paired(&normalise(&self.inbound.sender));
        match self.access.dm_policy {
            DmPolicy::Disabled => Decision::Refuse(Refusal::DmDisabled),
            DmPolicy::Open if listed => Decision::Allow,
            DmPolicy::Open => Decision::Refuse(Refusal::DmOpenWithoutWildcard),
            DmPolicy::Allowlist | DmPolicy::Pairing if known() => Decision::Allow,
            DmPolicy::Allowlist => Decision::Refuse(Refusal::DmNotAllowed),
            DmPolicy::Pairing => Decision::Pair,
        }
    }

    fn group(&self) -> Result<(), Refusal> {
        let group = self.group_rules();
        self.policy_and_sender(&group)?;
        if !self.access.groups.is_empty() && !group.listed {
            return Err(Refusal::GroupNotListed);
        }
        let required = group.rules.require_mention.unwrap_or(true);
        let patterns = &self.access.mention_patterns;
        // Without a pattern nobody could ever mention us: the gate is then not enforced.
        let mentioned =
            patterns.is_empty() || patterns.iter().any(|p| p.is_match(&self.inbound.text));
        if required && !mentioned { Err(Refusal::NotMentioned) } else { Ok(()) }
    }

    fn policy_and_sender(&self, group: &Group) -> Result<(), Refusal> {
        let policy = group.rules.group_policy.unwrap_or(self.access.group_policy);
        if self.access.group_policy == GroupPolicy::Disabled && group.rules.group_policy.is_none() {
            return Err(Refusal::GroupsDisabled);
        }
        if policy == GroupPolicy::Disabled || group.rules.enabled == Some(false) {
            return Err(Refusal::GroupDisabled);
        }
        // A list made for this group holds under every policy: it is there to narrow.
        let list = match (&group.rules.allow_from, policy) {
            (Some(list), _) => Some(list),
            (None, GroupPolicy::Open) => return Ok(()),
            (None, _) => self.access.group_allow_from.as_ref(),
        };
        let allowed = match list {
            Some(list) => self.lists_sender_or_chat(list),
            None => self.lists_sender(&self.access.allow_from),
        };
        if allowed { Ok(()) } else { Err(Refusal::GroupSenderNotAllowed) }
    }

    /// The group's own entry, completed field by field from the `*` entry.
    fn group_rules(&self) -> Group {
        let own = self.names().find_map(|name| {
            let key = |entry: &str| normalise_entry(entry, self.channel()) == normalise(name);
            let mut groups = self.access.groups.iter();
            groups.find(|(entry, _)| *entry != EVERYBODY && key(entry)).map(|(_, rules)| rules)
        });
        let every = self.access.groups.get(EVERYBODY);
        let listed = own.is_some() || every.is_some();
        let own = own.cloned().unwrap_or_default();
        let every = every.cloned().unwrap_or_default();
        let rules = GroupRules {
            enabled: own.enabled.or(every.enabled),
            require_mention: own.require_mention.or(every.require_mention),
            allow_from: own.allow_from.or(every.allow_from),
            group_policy: own.group_policy.or(every.group_policy),
        };
        Group { listed, rules }
    }

    fn lists_sender(&self, list: &[String]) -> bool {
        let sender = normalise(&self.inbound.sender);
        list.iter().any(|entry| match entry.trim().strip_prefix(ACCESS_GROUP) {
            Some(name) => self.group_has(name, &sender),
            None => entry.trim() == EVERYBODY || self.is(entry, &sender),
        })
    }

    /// As above, or the conversation itself is listed. Only a prefixed id such as `chat_id:7` names
    /// a conversation: a bare one could be a person's.
    fn lists_sender_or_chat(&self, list: &[String]) -> bool {
        self.lists_sender(list)
            || list.iter().any(|entry| {
                let entry = normalise_entry(entry, self.channel());
                entry.contains(':') && self.names().any(|name| normalise(name) == entry)
            })
    }

    fn group_has(&self, name: &str, sender: &str) -> bool {
        let Some(group) = self.access_groups.0.get(name.trim()) else {
            return false;
        };
        [self.channel(), EVERYBODY]
            .into_iter()
            .filter_map(|channel| group.members.get(channel))
            .flatten()
            .any(|member| self.is(member, sender))
    }

    fn is(&self, entry: &str, sender: &str) -> bool {
        normalise_entry(entry, self.channel()) == sender
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.inbound.peer).chain(&self.inbound.peer_aliases).map(String::as_str)
    }

    fn channel(&self) -> &str {
        &self.inbound.account.channel
    }
}

struct Group {
    listed: bool,
    rules: GroupRules,
}

#[cfg(test)]
mod tests;
