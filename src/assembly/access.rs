//! Who may speak, and which agent answers: from config words to routing rules.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};
use telson_actors::message::ChatKind;
use telson_actors::router::{
    Access, AccessGroup, AccessGroups, AccountMatch, AgentId, Binding, DmPolicy, GroupPolicy,
    GroupRules, PeerId, PeerMatch,
};

use super::{Assembly, dm_scope, group_scope};
use crate::config::{self, Config, ImessageAccount, PlatformId};

/// Compiled size of one mention pattern, in bytes: patterns are a few words.
const PATTERN_BYTES_MAX: usize = 256 * 1024;

pub(super) fn add_groups_and_bindings(assembly: &mut Assembly, config: &Config) {
    let groups = access_groups(config);
    let bindings: Vec<Binding> =
        config.routes().filter_map(|(_, binding)| self::binding(binding)).collect();
    let default_account = config.imessage_default_account().map(str::to_owned);
    assembly.build(|builder| {
        builder.rules(|rules| {
            rules.access_groups = groups;
            rules.bindings = bindings;
            if let Some(account) = default_account {
                rules.default_accounts.insert("imessage".into(), account);
            }
        })
    });
}

/// The access rules of one iMessage account.
pub(super) fn of_account(config: &Config, account: &ImessageAccount) -> Access {
    Access {
        dm_policy: match account.dm_policy {
            config::DmPolicy::Pairing => DmPolicy::Pairing,
            config::DmPolicy::Allowlist => DmPolicy::Allowlist,
            config::DmPolicy::Open => DmPolicy::Open,
            config::DmPolicy::Disabled => DmPolicy::Disabled,
        },
        allow_from: texts(&account.allow_from),
        group_policy: group_policy(account.group_policy),
        group_allow_from: Some(texts(&account.group_allow_from)),
        groups: account.groups.iter().map(|(id, group)| (id.clone(), group_rules(group))).collect(),
        mention_patterns: mention_patterns(config),
    }
}

fn group_policy(policy: config::GroupPolicy) -> GroupPolicy {
    match policy {
        config::GroupPolicy::Allowlist => GroupPolicy::Allowlist,
        config::GroupPolicy::Open => GroupPolicy::Open,
        config::GroupPolicy::Disabled => GroupPolicy::Disabled,
    }
}

fn group_rules(group: &config::ImessageGroup) -> GroupRules {
    GroupRules {
        enabled: group.enabled,
        require_mention: group.require_mention,
        allow_from: group.allow_from.as_deref().map(texts),
        group_policy: group.group_policy.map(group_policy),
    }
}

fn texts(ids: &[PlatformId]) -> Vec<String> {
    ids.iter().map(|id| id.as_str().to_owned()).collect()
}

/// Every agent's patterns together: who is meant is decided after access.
fn mention_patterns(config: &Config) -> Vec<Regex> {
    let mut patterns: Vec<String> =
        config.agents_map().keys().flat_map(|agent| config.mention_patterns(agent)).collect();
    patterns.sort();
    patterns.dedup();
    // They were compiled once by the checks of the config, so none fails here.
    patterns
        .iter()
        .filter_map(|pattern| {
            RegexBuilder::new(pattern)
                .case_insensitive(true)
                .size_limit(PATTERN_BYTES_MAX)
                .build()
                .inspect_err(|error| tracing::error!(pattern, %error, "mention pattern unusable"))
                .ok()
        })
        .collect()
}

fn access_groups(config: &Config) -> AccessGroups {
    // A group whose members only a platform knows matches nobody until that platform is there.
    let listed = config
        .access_groups
        .iter()
        .filter(|(_, group)| group.kind == config::AccessGroupKind::MessageSenders);
    let groups: BTreeMap<String, AccessGroup> = listed
        .map(|(name, group)| {
            let members =
                group.members.iter().map(|(channel, ids)| (channel.clone(), texts(ids))).collect();
            (name.clone(), AccessGroup { members })
        })
        .collect();
    AccessGroups(groups)
}

/// A binding that asks for what no channel here has (servers, teams, roles) matches nothing.
fn binding(binding: &config::Binding) -> Option<Binding> {
    let matches = &binding.matches;
    if matches.guild_id.is_some() || matches.team_id.is_some() || !matches.roles.is_empty() {
        return None;
    }
    Some(Binding {
        agent: AgentId::new(&binding.agent_id),
        channel: matches.channel.clone(),
        account: match matches.account_id.as_deref() {
            None => AccountMatch::Default,
            Some("*") => AccountMatch::Any,
            Some(account) => AccountMatch::Exact(account.to_owned()),
        },
        peer: matches.peer.as_ref().map(|peer| PeerMatch {
            kind: match peer.kind {
                config::PeerKind::Direct => ChatKind::Direct,
                config::PeerKind::Group => ChatKind::Group,
                config::PeerKind::Channel => ChatKind::Channel,
            },
            id: match peer.id.as_str() {
                "*" => PeerId::Any,
                id => PeerId::Exact(id.to_owned()),
            },
        }),
        dm_scope: binding.session.dm_scope.map(dm_scope),
        group_scope: binding.session.group_scope.map(group_scope),
    })
}
