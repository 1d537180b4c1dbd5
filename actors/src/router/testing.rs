//! Shorthand for the tests of this room.

use super::rules::{AccountMatch, AgentId, Agents, Binding, PeerId, PeerMatch};
use crate::clock::Timestamp;
use crate::message::{AccountKey, ChatKind, Destination, Inbound};

pub(super) fn inbound(chat: ChatKind, peer: &str, sender: &str) -> Inbound {
    let account = AccountKey::new("imessage", "default");
    Inbound {
        account: account.clone(),
        dedupe_key: "1".to_owned(),
        chat,
        peer: peer.to_owned(),
        peer_aliases: Vec::new(),
        thread: None,
        sender: sender.to_owned(),
        reply_to: Destination { account, target: peer.to_owned(), thread: None },
        text: "hello".to_owned(),
        attachments: Vec::new(),
        sent_at: Timestamp(0),
    }
}

pub(super) fn agents(ids: &[&str]) -> Agents {
    Agents { ids: ids.iter().copied().map(AgentId::new).collect(), default: None }
}

pub(super) fn binding(agent: &str, account: AccountMatch) -> Binding {
    Binding {
        agent: AgentId::new(agent),
        channel: "imessage".to_owned(),
        account,
        peer: None,
        dm_scope: None,
        group_scope: None,
    }
}

pub(super) fn peer_binding(agent: &str, kind: ChatKind, id: PeerId) -> Binding {
    Binding { peer: Some(PeerMatch { kind, id }), ..binding(agent, AccountMatch::Default) }
}

pub(super) fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|&s| s.to_owned()).collect()
}
