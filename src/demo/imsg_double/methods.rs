//! The methods that only look: readiness, chats, messages, and what became of a send.

use std::path::Path;

use serde_json::{Value, json};

use super::rpc::{Params, Request, RpcError, method_names};
use crate::demo::messages_db::{Chat, ChatName, Error, MessagesDb, SendState, StoredMessage};

/// The version of `imsg` that is played.
const VERSION: &str = "0.15.10";
const PROTOCOL_VERSION: i64 = 1;
const CHATS_DEFAULT: usize = 20;
const PAGE_DEFAULT: usize = 100;
/// Most messages one page may hold.
const PAGE_MAX: usize = 500;
/// Names of the reactions, by their number above 2000 (put) or 3000 (taken back).
const REACTIONS: [&str; 8] =
    ["love", "like", "dislike", "laugh", "emphasis", "question", "custom", "sticker"];
/// Length of a message GUID; a reaction's target may have a prefix before it.
const GUID_LENGTH: usize = 36;

/// Answers one request. `send` is not among these.
pub(super) fn call(db: &Path, request: &Request) -> Result<Value, RpcError> {
    let params = &request.params;
    match request.method.as_str() {
        "initialize" => initialize(db, params),
        "status" => Ok(status(db)),
        "chats.list" => chats_list(&open(db)?, params),
        "messages.after" => messages_after(&open(db)?, params),
        _ => send_status(&open(db)?, params),
    }
}

/// Opens the database for one request: it may have been replaced since the last one.
pub(super) fn open(db: &Path) -> Result<MessagesDb, RpcError> {
    MessagesDb::open(db).map_err(|error| database_error(db, &error))
}

/// How an error of the database is answered.
pub(super) fn database_error(db: &Path, error: &Error) -> RpcError {
    RpcError::database_unavailable(&db.to_string_lossy(), &error.to_string())
}

fn initialize(db: &Path, params: &Params) -> Result<Value, RpcError> {
    match params.get("protocol_version").and_then(Value::as_i64) {
        None | Some(PROTOCOL_VERSION) => Ok(status(db)),
        Some(other) => {
            Err(RpcError::invalid_params(format!("protocol_version {other} is not supported")))
        }
    }
}

fn status(db: &Path) -> Value {
    let path = db.to_string_lossy();
    let database = match MessagesDb::open(db) {
        Ok(_) => json!({"path": path, "ready": true, "features": {
            "unread_state": true, "scheduled_messages": true, "reactions": true,
            "reply_context": true, "routing_metadata": true, "balloon_payloads": true}}),
        Err(error) => json!({"path": path, "ready": false, "error": error.to_string()}),
    };
    json!({
        "version": VERSION,
        "protocol_version": PROTOCOL_VERSION,
        "database": database,
        "bridge": {"ready": false, "error": "The bridge is not started."},
        "contacts": {"available": false},
        "methods": method_names(),
        "supported_methods": method_names(),
        "capabilities": {"engine": {"version": VERSION}, "features": {}},
    })
}

fn chats_list(db: &MessagesDb, params: &Params) -> Result<Value, RpcError> {
    let chats = db.chats(limit(params, CHATS_DEFAULT)?).map_err(internal)?;
    let chats: Result<Vec<_>, _> = chats.iter().map(|chat| chat_payload(db, chat)).collect();
    Ok(json!({"chats": chats.map_err(internal)?}))
}

fn chat_payload(db: &MessagesDb, chat: &Chat) -> Result<Value, Error> {
    Ok(json!({
        "id": chat.rowid,
        "guid": chat.guid,
        "identifier": chat.identifier,
        "service": chat.service.name(),
        "name": chat.name,
        "display_name": chat.name,
        "is_group": chat.group,
        "participants": db.participants(chat.rowid)?,
        "last_message_at": "",
    }))
}

fn messages_after(db: &MessagesDb, params: &Params) -> Result<Value, RpcError> {
    let number = |key: &str| params.get(key).and_then(Value::as_i64);
    let since = number("since_rowid").filter(|since| *since >= 0);
    let since =
        since.ok_or_else(|| RpcError::invalid_params("since_rowid must not be negative"))?;
    let limit = limit(params, PAGE_DEFAULT)?.min(PAGE_MAX);
    let reactions = params.get("include_reactions") == Some(&Value::Bool(true));
    let page = db.messages_after(since, limit).map_err(internal)?;
    let next = page.last().map_or(since, |message| message.rowid);
    let has_more = page.len() == limit && db.newest_rowid().map_err(internal)? > next;
    let shown = page.iter().filter(|message| {
        message.item_type == 0
            && (reactions || message.associated_type < 2000)
            && number("chat_id").is_none_or(|chat| message.chat_rowid == Some(chat))
    });
    let messages: Result<Vec<_>, _> = shown.map(|message| message_payload(db, message)).collect();
    let messages = messages.map_err(internal)?;
    Ok(json!({"messages": messages, "next_rowid": next, "has_more": has_more}))
}

fn message_payload(db: &MessagesDb, message: &StoredMessage) -> Result<Value, Error> {
    let chat = message.chat_rowid.map(|rowid| db.find_chat(&ChatName::Rowid(rowid))).transpose()?;
    let participants = db.participants(message.chat_rowid.unwrap_or(0))?;
    let chat = chat.as_ref();
    let mut payload = json!({
        "id": message.rowid,
        "cursor": message.rowid,
        "chat_id": message.chat_rowid.unwrap_or(0),
        "guid": message.guid,
        "sender": message.handle,
        "is_from_me": message.is_from_me,
        "text": message.text,
        "created_at": message.created_at,
        "attachments": [],
        "reactions": [],
        "chat_identifier": chat.map_or("", |chat| &chat.identifier),
        "chat_guid": chat.map_or("", |chat| &chat.guid),
        "chat_name": chat.map_or("", |chat| &chat.name),
        "participants": participants,
        "is_group": chat.is_some_and(|chat| chat.group),
    });
    if let Some(balloon) = &message.balloon {
        payload["balloon_bundle_id"] = json!(balloon);
    }
    add_reaction(&mut payload, message);
    Ok(payload)
}

fn add_reaction(payload: &mut Value, message: &StoredMessage) {
    let kind = usize::try_from(message.associated_type % 1000).unwrap_or(usize::MAX);
    let (2000..=3999, Some(name)) = (message.associated_type, REACTIONS.get(kind)) else {
        return;
    };
    let target = message.associated_guid.as_deref().unwrap_or_default();
    let guid = target.get(target.len().saturating_sub(GUID_LENGTH)..).unwrap_or(target);
    payload["is_reaction"] = json!(true);
    payload["reaction_type"] = json!(name);
    payload["is_reaction_add"] = json!(message.associated_type < 3000);
    payload["reacted_to_guid"] = json!(guid);
}

fn send_status(db: &MessagesDb, params: &Params) -> Result<Value, RpcError> {
    let guid = params.get("guid").and_then(Value::as_str).unwrap_or_default();
    let state = db.send_state(guid).map_err(internal)?;
    let fields = state.as_ref().map(|state| {
        json!({
            "is_sent": state.is_sent,
            "is_delivered": state.is_delivered,
            "is_finished": state.is_finished,
            "error": state.error,
        })
    });
    Ok(json!({
        "ok": true,
        "guid": guid,
        "send_state": state.as_ref().map_or("pending", state_name),
        "service": state.as_ref().map(|state| &state.service),
        "status_fields": fields,
    }))
}

fn state_name(state: &SendState) -> &'static str {
    match state {
        SendState { error: 1.., .. } => "failed",
        SendState { is_delivered: true, .. } => "delivered",
        SendState { is_sent: true, .. } => "sent",
        _ => "pending",
    }
}

fn limit(params: &Params, default: usize) -> Result<usize, RpcError> {
    let Some(limit) = params.get("limit") else {
        return Ok(default);
    };
    let limit = limit.as_u64().and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.filter(|limit| *limit > 0);
    limit.ok_or_else(|| RpcError::invalid_params("limit must be a positive number"))
}

fn internal(error: Error) -> RpcError {
    RpcError::internal(error.to_string())
}
