//! Which agent answers a conversation. Choosing an agent grants nothing.

use serde::{Deserialize, Serialize};

use super::handle::{normalise, normalise_entry};
use super::rules::{AccountMatch, AgentId, Binding, PeerId, PeerMatch, Rules};
use crate::message::Inbound;

/// Why no agent can be chosen. Guessing would show one agent's conversation to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum NoAgent {
    /// There is none.
    #[error("no agent is configured")]
    None,
    /// There are several, no binding matches, and none is the default.
    #[error("no binding matches, and none of several agents is marked as the default")]
    Ambiguous,
    /// A binding or the default names an agent that does not exist.
    #[error("the agent {0:?} is named by a binding or as the default, but is not configured")]
    Unknown(String),
}

/// Chooses the agent, and tells the binding that named it.
///
/// The most specific matching binding wins; of equally specific ones the first in the file.
pub fn choose_agent<'r>(
    inbound: &Inbound,
    rules: &'r Rules,
) -> Result<(&'r AgentId, Option<&'r Binding>), NoAgent> {
    let best = rules
        .bindings
        .iter()
        .filter_map(|binding| Some((level(binding, inbound, rules)?, binding)))
        .min_by_key(|(level, _)| *level);
    let (agent, binding) = match best {
        Some((_, binding)) => (&binding.agent, Some(binding)),
        None => (fallback(rules)?, None),
    };
    if rules.agents.ids.contains(agent) {
        Ok((agent, binding))
    } else {
        Err(NoAgent::Unknown(agent.to_string()))
    }
}

/// How specific a match is; earlier is stronger. Levels for guilds, roles and teams belong between
/// `AnyPeer` and `Account`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    ExactPeer,
    ParentPeer,
    AnyPeer,
    Account,
    Channel,
}

fn fallback(rules: &Rules) -> Result<&AgentId, NoAgent> {
    match (&rules.agents.default, rules.agents.ids.as_slice()) {
        (Some(agent), _) | (None, [agent]) => Ok(agent),
        (None, []) => Err(NoAgent::None),
        (None, _) => Err(NoAgent::Ambiguous),
    }
}

/// The level at which `binding` matches, if every field it states does.
fn level(binding: &Binding, inbound: &Inbound, rules: &Rules) -> Option<Level> {
    let account = match &binding.account {
        AccountMatch::Default => rules.is_default_account(&inbound.account),
        AccountMatch::Any => true,
        AccountMatch::Exact(account) => *account == inbound.account.account,
    };
    if !account || binding.channel != inbound.account.channel {
        return None;
    }
    match (&binding.peer, &binding.account) {
        (Some(peer), _) => peer_level(peer, inbound),
        (None, AccountMatch::Any) => Some(Level::Channel),
        (None, AccountMatch::Default | AccountMatch::Exact(_)) => Some(Level::Account),
    }
}

fn peer_level(peer: &PeerMatch, inbound: &Inbound) -> Option<Level> {
    if peer.kind != inbound.chat {
        return None;
    }
    let PeerId::Exact(id) = &peer.id else {
        return Some(Level::AnyPeer);
    };
    let id = normalise_entry(id, &inbound.account.channel);
    let mut names = std::iter::once(&inbound.peer).chain(&inbound.peer_aliases);
    match &inbound.thread {
        None => names.any(|name| normalise(name) == id).then_some(Level::ExactPeer),
        Some(thread) => names
            .filter_map(|name| {
                // A thread id alone is unique only inside its conversation, so both are named.
                if normalise(&format!("{name}:thread:{thread}")) == id {
                    Some(Level::ExactPeer)
                } else {
                    (normalise(name) == id).then_some(Level::ParentPeer)
                }
            })
            .min(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{agents, binding, inbound, peer_binding};
    use super::*;
    use crate::message::ChatKind;

    fn chosen(inbound: &Inbound, rules: &Rules) -> Result<String, NoAgent> {
        choose_agent(inbound, rules).map(|(agent, _)| agent.to_string())
    }

    fn rules(bindings: Vec<Binding>) -> Rules {
        let agents = agents(&["a", "b", "c", "d", "e"]);
        Rules { agents, bindings, ..Rules::default() }
    }

    #[test]
    fn each_level_beats_the_next() {
        let mut message = inbound(ChatKind::Group, "g1", "p1");
        message.thread = Some("t".to_owned());
        let mut bindings = vec![
            binding("e", AccountMatch::Any),
            binding("d", AccountMatch::Default),
            peer_binding("c", ChatKind::Group, PeerId::Any),
            peer_binding("b", ChatKind::Group, PeerId::Exact("g1".to_owned())),
            peer_binding("a", ChatKind::Group, PeerId::Exact("g1:thread:t".to_owned())),
        ];
        for expected in ["a", "b", "c", "d", "e"] {
            let rules = rules(bindings.clone());
            assert_eq!(chosen(&message, &rules), Ok(expected.to_owned()));
            bindings.pop();
        }
        assert_eq!(chosen(&message, &rules(bindings)), Err(NoAgent::Ambiguous));
    }

    #[test]
    fn an_omitted_account_is_the_default_one_only() {
        let mut rules = rules(vec![binding("b", AccountMatch::Default)]);
        let mut message = inbound(ChatKind::Direct, "p1", "p1");
        message.account.account = "work".to_owned();
        assert_eq!(chosen(&message, &rules), Err(NoAgent::Ambiguous));
        rules.default_accounts.insert("imessage".to_owned(), "work".to_owned());
        assert_eq!(chosen(&message, &rules), Ok("b".to_owned()));
        rules.bindings[0].account = AccountMatch::Exact("home".to_owned());
        assert_eq!(chosen(&message, &rules), Err(NoAgent::Ambiguous));
    }

    #[test]
    fn aliases_and_prefixes_name_the_peer_but_kinds_do_not_mix() {
        let mut message = inbound(ChatKind::Group, "g1", "p1");
        message.peer_aliases = vec!["chat_id:7".to_owned()];
        for id in ["chat_id:7", "imessage:chat_id:7", " g1 "] {
            let id = PeerId::Exact(id.to_owned());
            let rules = rules(vec![peer_binding("b", ChatKind::Group, id)]);
            assert_eq!(chosen(&message, &rules), Ok("b".to_owned()));
        }
        message.chat = ChatKind::Direct;
        let id = PeerId::Exact("g1".to_owned());
        let rules = rules(vec![peer_binding("b", ChatKind::Group, id)]);
        assert_eq!(chosen(&message, &rules), Err(NoAgent::Ambiguous));
    }

    #[test]
    fn without_a_match_the_default_or_sole_agent_answers() {
        let message = inbound(ChatKind::Direct, "p1", "p1");
        let mut rules = Rules::default();
        assert_eq!(chosen(&message, &rules), Err(NoAgent::None));
        rules.agents = agents(&["only"]);
        assert_eq!(chosen(&message, &rules), Ok("only".to_owned()));
        rules.agents = agents(&["a", "b"]);
        assert_eq!(chosen(&message, &rules), Err(NoAgent::Ambiguous));
        rules.agents.default = Some(AgentId::new("b"));
        assert_eq!(chosen(&message, &rules), Ok("b".to_owned()));
        rules.agents.default = Some(AgentId::new("x"));
        assert_eq!(chosen(&message, &rules), Err(NoAgent::Unknown("x".to_owned())));
    }

    fn any_binding() -> impl Strategy<Value = Binding> {
        let account = prop::sample::select(vec![
            AccountMatch::Default,
            AccountMatch::Any,
            AccountMatch::Exact("default".to_owned()),
            AccountMatch::Exact("work".to_owned()),
        ]);
        let kind = prop::sample::select(vec![ChatKind::Direct, ChatKind::Group]);
        let id = prop::sample::select(vec!["p1", "p2", "p1:thread:t", "*"]);
        let peer = prop::option::of((kind, id).prop_map(|(kind, id)| PeerMatch {
            kind,
            id: if id == "*" { PeerId::Any } else { PeerId::Exact(id.to_owned()) },
        }));
        let agent = prop::sample::select(vec!["a", "b", "c"]);
        (agent, account, peer)
            .prop_map(|(agent, account, peer)| Binding { peer, ..binding(agent, account) })
    }

    proptest! {
        #[test]
        fn the_strongest_level_wins_and_ties_go_to_the_first(
            bindings in prop::collection::vec(any_binding(), 0..8),
            threaded: bool,
        ) {
            let mut message = inbound(ChatKind::Direct, "p1", "p1");
            message.thread = threaded.then(|| "t".to_owned());
            let rules = rules(bindings);
            let levels: Vec<_> =
                rules.bindings.iter().map(|b| level(b, &message, &rules)).collect();
            let strongest = levels.iter().flatten().min();
            match choose_agent(&message, &rules) {
                Ok((agent, Some(binding))) => {
                    let first = levels.iter().position(|l| l.as_ref() == strongest).unwrap();
                    prop_assert!(std::ptr::eq(binding, &raw const rules.bindings[first]));
                    prop_assert_eq!(agent, &binding.agent);
                }
                other => {
                    prop_assert_eq!(strongest, None);
                    prop_assert_eq!(other, Err(NoAgent::Ambiguous));
                }
            }
        }

        #[test]
        fn an_unrelated_binding_changes_nothing(
            bindings in prop::collection::vec(any_binding(), 0..6),
            at in 0_usize..6,
        ) {
            let message = inbound(ChatKind::Direct, "p1", "p1");
            let mut with = rules(bindings);
            let before = chosen(&message, &with);
            let unrelated = Binding { channel: "slack".to_owned(), ..binding("e", AccountMatch::Any) };
            with.bindings.insert(at.min(with.bindings.len()), unrelated);
            prop_assert_eq!(chosen(&message, &with), before);
        }
    }
}
