//! A session as clients know it: a row of a list. Pure but for the config.

use serde_json::{Value, json};
use telson_actors::message::SessionKey;
use telson_actors::message::session_key::{KeyParts, Place, RoomKind};

use super::chat::agents;
use super::models::window;
use super::report::main_key;
use crate::engine::SessionFacts;
use crate::frame::ErrorBody;
use crate::gateway::own_key::short_hash;
use crate::host::Host;

/// The key a client means: a whole one, or a word that names a conversation of an agent. The same
/// word means the same conversation as in a chat.
pub(super) fn key_of(
    host: &Host,
    text: &str,
    agent: Option<&str>,
) -> Result<SessionKey, ErrorBody> {
    agents(host).named(text, agent).map(|(session, _)| session)
}

/// The name of a session's present life: changes when it is begun anew.
pub(super) fn session_id(key: &SessionKey, life: u64) -> String {
    short_hash(&format!("{key}\n{life}"))
}

/// What a list asks for besides the rows themselves.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extras {
    /// What was said first.
    pub(super) titles: bool,
    /// How the last answer begins.
    pub(super) last: bool,
}

/// One row.
pub(super) fn row(host: &Host, facts: &SessionFacts, is_busy: bool, extras: Extras) -> Value {
    let place = Placed::of(host, &facts.key);
    let updated = facts.updated_at().0;
    let mut row = json!({
        "key": facts.key,
        "sessionId": session_id(&facts.key, facts.note.life),
        "kind": place.kind,
        "classification": if place.is_main { "main" } else { place.kind },
        "agentId": facts.agent,
        "isMain": place.is_main,
        "createdAt": facts.created_at,
        "updatedAt": updated,
        "archived": facts.note.archived_at.is_some(),
        "pinned": facts.note.pinned_at.is_some(),
        "status": if is_busy { "running" } else { "done" },
        "hasActiveRun": is_busy,
        "thinkingLevels": [{"id": "off", "label": "off"}],
        "thinkingOptions": ["off"],
        "thinkingDefault": "off",
        "totalTokens": facts.used.tokens(),
        "estimatedCostUsd": facts.used.dollars(),
    });
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            row[name] = value;
        }
    };
    set("chatType", place.chat_type.map(Into::into));
    let last = facts.last.as_ref();
    set("channel", place.channel.map(Into::into));
    set("accountId", place.account.map(Into::into));
    set("label", facts.note.label.clone().map(Into::into));
    let title = facts.opening.clone().filter(|opening| !opening.is_empty());
    set("displayName", facts.note.label.clone().map(Into::into));
    set("derivedTitle", title.filter(|_| extras.titles).map(Into::into));
    set("archivedAt", facts.note.archived_at.map(|at| at.0.into()));
    set("pinnedAt", facts.note.pinned_at.map(|at| at.0.into()));
    set("lastMessagePreview", last.filter(|_| extras.last).map(|last| last.answer.clone().into()));
    set("startedAt", last.map(|last| last.started_at.0.into()));
    set("endedAt", last.map(|last| last.finished_at.0.into()));
    let span = |last: &crate::engine::LastExchange| last.finished_at.0 - last.started_at.0;
    set("runtimeMs", last.map(|last| span(last).max(0).into()));
    set("lastInteractionAt", last.map(|last| last.finished_at.0.into()));
    set("lastActivityAt", last.map(|last| last.finished_at.0.into()));
    set("inputTokens", last.map(|last| last.input_tokens.into()));
    set("outputTokens", last.map(|last| last.output_tokens.into()));
    let model = last.map(|last| last.model.clone());
    let model = model.or_else(|| super::models::chain(host, &facts.agent).into_iter().next());
    if let Some((provider, name)) = model.as_deref().and_then(|model| model.split_once('/')) {
        set("modelProvider", Some(provider.into()));
        set("model", Some(name.into()));
    }
    set("contextTokens", model.and_then(|model| window(host, &model)).map(Into::into));
    row
}

/// Where a session's conversation takes place.
struct Placed {
    kind: &'static str,
    chat_type: Option<&'static str>,
    is_main: bool,
    channel: Option<String>,
    account: Option<String>,
}

impl Placed {
    fn of(host: &Host, key: &SessionKey) -> Self {
        let mut placed = Self {
            kind: "direct",
            chat_type: Some("direct"),
            is_main: false,
            channel: None,
            account: None,
        };
        let KeyParts::Agent { place, thread, .. } = key.parts() else {
            return Self { kind: "global", chat_type: None, ..placed };
        };
        match place {
            Place::Main(word) => placed.is_main = thread.is_none() && word == main_key(host),
            Place::Peer(_) => {}
            Place::CronRun { .. } | Place::Hook(_) => {
                (placed.kind, placed.chat_type) = ("unknown", None);
            }
            Place::ChannelPeer { channel, .. } => placed.channel = Some(channel),
            Place::AccountPeer { account, .. } => {
                (placed.channel, placed.account) = (Some(account.channel), Some(account.account));
            }
            Place::Room { channel, account, kind, .. } => {
                (placed.channel, placed.account, placed.kind) = (Some(channel), account, "group");
                placed.chat_type = Some(match kind {
                    RoomKind::Group => "group",
                    RoomKind::Channel => "channel",
                });
            }
        }
        placed
    }
}
