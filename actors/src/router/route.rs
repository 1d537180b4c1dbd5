//! Where a message goes: access first, then the agent, then the session.

use super::access::{Decision, decide};
use super::bindings::choose_agent;
use super::handle::normalise;
use super::refusal::Refusal;
use super::rules::{AgentId, Binding, GroupScope, Rules, SessionScope};
use crate::message::session_key::{DmScope, KeyError, RoomKind};
use crate::message::{ChatKind, Inbound, SessionKey};

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// An agent answers it, in this session.
    Session {
        /// Who answers.
        agent: AgentId,
        /// In which session.
        key: SessionKey,
    },
    /// It is declined.
    Refused(Refusal),
    /// It is not processed; the sender is offered a pairing code.
    Pairing,
}

/// Routes one message. No binding and no session setting can let in what access refuses.
///
/// `paired` tells whether a sender is approved for direct messages on the message's account.
pub fn route(inbound: &Inbound, rules: &Rules, paired: &dyn Fn(&str) -> bool) -> Route {
    let Some(access) = rules.access.get(&inbound.account) else {
        return Route::Refused(Refusal::UnknownAccount);
    };
    match decide(inbound, access, paired, &rules.access_groups) {
        Decision::Refuse(refusal) => return Route::Refused(refusal),
        Decision::Pair => return Route::Pairing,
        Decision::Allow => {}
    }
    let (agent, binding) = match choose_agent(inbound, rules) {
        Ok(chosen) => chosen,
        Err(reason) => return Route::Refused(Refusal::NoAgent(reason)),
    };
    match session_key(inbound, rules, agent, binding) {
        Ok(key) => Route::Session { agent: agent.clone(), key },
        Err(_) => Route::Refused(Refusal::NoIdentity),
    }
}

fn session_key(
    inbound: &Inbound,
    rules: &Rules,
    agent: &AgentId,
    binding: Option<&Binding>,
) -> Result<SessionKey, KeyError> {
    if rules.session.scope == SessionScope::Global {
        return Ok(SessionKey::global());
    }
    let place = match inbound.chat {
        ChatKind::Direct => {
            let scope = binding.and_then(|b| b.dm_scope).unwrap_or(rules.session.dm_scope);
            direct_place(inbound, rules, agent.as_str(), scope)?
        }
        ChatKind::Group => room_place(inbound, rules, agent.as_str(), binding, RoomKind::Group)?,
        ChatKind::Channel => {
            room_place(inbound, rules, agent.as_str(), binding, RoomKind::Channel)?
        }
    };
    match &inbound.thread {
        None => Ok(place.key),
        Some(thread) if place.exact => place.key.with_thread(thread),
        Some(thread) => place.key.with_thread(&qualified(inbound, thread)),
    }
}

struct Place {
    key: SessionKey,
    /// Whether the key names the very conversation. If not, several conversations meet in it, and a
    /// bare thread id would mix their threads.
    exact: bool,
}

fn direct_place(
    inbound: &Inbound,
    rules: &Rules,
    agent: &str,
    scope: DmScope,
) -> Result<Place, KeyError> {
    let peer = person(inbound, rules);
    let key = SessionKey::direct(agent, scope, &inbound.account, &peer, &rules.session.main_key)?;
    let plain = peer == inbound.peer;
    let exact = match scope {
        DmScope::Main | DmScope::PerPeer => false,
        DmScope::PerChannelPeer => plain && rules.is_default_account(&inbound.account),
        DmScope::PerAccountChannelPeer => plain,
    };
    Ok(Place { key, exact })
}

fn room_place(
    inbound: &Inbound,
    rules: &Rules,
    agent: &str,
    binding: Option<&Binding>,
    kind: RoomKind,
) -> Result<Place, KeyError> {
    let scope = binding.and_then(|b| b.group_scope).unwrap_or(rules.session.group_scope);
    if scope == GroupScope::Main {
        let key = SessionKey::main(agent, &rules.session.main_key)?;
        return Ok(Place { key, exact: false });
    }
    let default = rules.is_default_account(&inbound.account);
    let account = (!default).then_some(inbound.account.account.as_str());
    let key = SessionKey::room(agent, kind, &inbound.account.channel, account, &inbound.peer)?;
    Ok(Place { key, exact: true })
}

/// The id of the other person: the linked name if there is one, else the platform's id.
fn person(inbound: &Inbound, rules: &Rules) -> String {
    let links = &rules.session.identity_links;
    let channel = &inbound.account.channel;
    let peer = normalise(&inbound.peer);
    let is_peer = |link: &String| match link.trim().split_once(':') {
        Some((prefix, id)) => prefix == channel && normalise(id) == peer,
        None => false,
    };
    if let Some((name, _)) = links.iter().find(|(_, ids)| ids.iter().any(is_peer)) {
        return name.clone();
    }
    if links.contains_key(&inbound.peer) {
        // A stranger whose platform id happens to be a linked name is not that person.
        return format!("{channel}:{}", inbound.peer);
    }
    inbound.peer.clone()
}

/// A thread's name among all conversations: each part escaped, so that the joints are unambiguous.
fn qualified(inbound: &Inbound, thread: &str) -> String {
    let account = &inbound.account;
    let parts = [account.channel.as_str(), &account.account, &inbound.peer, thread];
    parts.map(|part| part.replace('%', "%25").replace(':', "%3A")).join(":")
}

#[cfg(test)]
mod tests;
