//! The channel accounts as the supervision tree shows them. Pure.

use std::collections::BTreeMap;

use telson_actors::channel::webchat;
use telson_supervision::{Node, NodeState};

use super::report::troubles_of;
use crate::control::CONTROL;
use crate::gateway::GATEWAY;

/// One account of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    /// Its channel.
    pub(super) channel: String,
    /// Its name there.
    pub(super) id: String,
    /// Its name in the tree.
    pub(super) branch: String,
    /// How its branch is.
    pub(super) state: NodeState,
    /// What does not run as it should.
    pub(super) troubles: Vec<String>,
    /// Since when it runs, in milliseconds before now.
    pub(super) up_ms: Option<u64>,
    /// How often it was restarted.
    pub(super) restarts: u32,
}

/// The accounts with a platform; web chat is the gateway itself.
pub(super) fn list(tree: &Node) -> Vec<Account> {
    let edge = tree.children.iter().find(|child| child.id == "edge");
    let branches = edge.map_or(&[][..], |edge| &edge.children[..]);
    let own = webchat::account().to_string();
    branches
        .iter()
        .filter(|branch| ![CONTROL, GATEWAY, &own].contains(&branch.id.as_str()))
        .filter_map(|branch| {
            let (channel, id) = branch.id.split_once('/')?;
            Some(Account {
                channel: channel.to_owned(),
                id: id.to_owned(),
                branch: branch.id.clone(),
                state: branch.state,
                troubles: troubles_of(branch),
                up_ms: branch.up_ms,
                restarts: branch.restarts,
            })
        })
        .collect()
}

/// The channels, each once.
pub(super) fn names(accounts: &[Account]) -> Vec<String> {
    let mut names: Vec<String> = accounts.iter().map(|account| account.channel.clone()).collect();
    names.dedup();
    names
}

/// What people call the channels.
pub(super) fn labels(accounts: &[Account]) -> BTreeMap<String, String> {
    names(accounts).into_iter().map(|name| (name.clone(), label(&name))).collect()
}

pub(super) fn label(channel: &str) -> String {
    match channel {
        "imessage" => "iMessage".into(),
        other => {
            let mut letters = other.chars();
            let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
            first + letters.as_str()
        }
    }
}
