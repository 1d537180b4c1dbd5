//! Changing sessions: notes about them, their model, beginning them anew, removing them.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use telson_actors::message::SessionKey;
use telson_actors::session::SessionNote;

use super::params::{Text, read};
use super::report::{agent_ids, default_agent, main_key, store_path};
use super::session_list::find;
use super::session_rows::{key_of, session_id};
use super::{Call, ErrorBody, Method, Scope};
use crate::engine::EditError;
use crate::gateway::own_key;

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "sessions.create",
        scope: Scope::Write,
        about: "a session nothing was said in yet",
        run: |call| Box::pin(create(call)),
    },
    Method {
        name: "sessions.patch",
        scope: Scope::Write,
        about: "change a session's label, place in lists, or model",
        run: |call| Box::pin(patch(call)),
    },
    Method {
        name: "sessions.reset",
        scope: Scope::Admin,
        about: "begin a session anew; what was said is put away",
        run: |call| Box::pin(reset(call)),
    },
    Method {
        name: "sessions.delete",
        scope: Scope::Admin,
        about: "remove a session; what was said is put away",
        run: |call| Box::pin(delete(call)),
    },
];

/// Longest label, in characters.
const LABEL_CHARS_MAX: usize = 512;
/// What clients may change elsewhere and nobody can change here.
const FIXED: &str = "is not supported by this gateway";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct KeyParams {
    key: Text,
    agent_id: Option<Text>,
    #[expect(dead_code, reason = "both begin anew")]
    reason: Option<Reason>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Reason {
    New,
    Reset,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct DeleteParams {
    key: Text,
    agent_id: Option<Text>,
    #[expect(dead_code, reason = "what was said is put away in any case")]
    delete_transcript: Option<bool>,
    expected_session_id: Option<Text>,
    #[expect(dead_code, reason = "the id changes with every life")]
    expected_lifecycle_revision: Option<Text>,
    expected_session_updated_at: Option<f64>,
    #[expect(dead_code, reason = "no hook is told of it")]
    emit_lifecycle_hooks: Option<bool>,
    #[serde(default)]
    archived_only: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct CreateParams {
    key: Option<Text>,
    idempotency_key: Option<Text>,
    agent_id: Option<Text>,
    label: Option<Text>,
    display_name: Option<Text>,
    model: Option<Text>,
    #[expect(dead_code, reason = "nothing is passed on to a session but its model")]
    parent_session_key: Option<Text>,
    #[expect(dead_code, reason = "no hook is told of it")]
    emit_command_hooks: Option<bool>,
}

/// A value that may be set, taken back, or left alone.
#[allow(clippy::option_option, reason = "absent, null and a value are three things")]
fn nullable<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::option_option, reason = "absent, null and a value are three things")]
struct PatchParams {
    key: Text,
    agent_id: Option<Text>,
    expected_session_id: Option<Text>,
    #[serde(default, deserialize_with = "nullable")]
    label: Option<Option<Text>>,
    #[serde(default, deserialize_with = "nullable")]
    model: Option<Option<Text>>,
    archived: Option<bool>,
    pinned: Option<bool>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// What the protocol knows and nothing here acts on.
const PATCHES: [&str; 32] = [
    "attention",
    "boardFace",
    "category",
    "color",
    "completionOwnerSessionKey",
    "contextWindow",
    "elevatedLevel",
    "execAsk",
    "execHost",
    "execNode",
    "execSecurity",
    "expectedLifecycleRevision",
    "expectedMarkedUnreadAt",
    "expectedPermissionMode",
    "expectedToolOverrides",
    "fastMode",
    "groupActivation",
    "icon",
    "inheritedToolAllow",
    "inheritedToolDeny",
    "inheritedToolPolicyVersion",
    "permissionMode",
    "reasoningLevel",
    "responseUsage",
    "sendPolicy",
    "statusNote",
    "thinkingLevel",
    "toolOverrides",
    "traceLevel",
    "ttlMinutes",
    "unread",
    "verboseLevel",
];

async fn create(call: Call) -> Result<Value, ErrorBody> {
    let params: CreateParams = read("sessions.create", call.params.clone())?;
    let agent = params.agent_id.map_or_else(|| default_agent(&call.host), |id| id.to_string());
    let key = match (&params.key, &params.idempotency_key) {
        (Some(key), _) => key_of(&call.host, key.as_str(), Some(&agent))?,
        (None, Some(wish)) => {
            // The same wish of the same client is the same session, in whatever life.
            let owner = call.caller.device.as_deref().unwrap_or_default();
            keyed(&agent, &own_key::hash(&format!("{agent}\n{owner}\n{wish}")))?
        }
        (None, None) => fresh_key(&agent)?,
    };
    let agent = key.agent().unwrap_or(agent);
    if !agent_ids(&call.host).contains(&agent) {
        return Err(ErrorBody::invalid(format!("unknown agent id {agent:?}")));
    }
    let label = params.label.or(params.display_name).map(checked).transpose()?;
    let model = params.model.as_ref().map(Text::as_str);
    let begun = call.engine.begin_session(&key, &agent, label.clone(), model).await;
    let is_repeat = params.key.is_none() && params.idempotency_key.is_some();
    if !begun.map_err(refused)? && !is_repeat {
        let change = |note: &mut SessionNote| {
            note.label = label.or(note.label.take());
            true
        };
        let edited = call.engine.edit_session(&key, model.map(Some), change).await;
        edited.map_err(refused)?;
    }
    changed(&call, &key, "create");
    let entry = entry(&call, &key).await?;
    Ok(json!({"ok": true, "key": key, "sessionId": entry["sessionId"], "entry": entry}))
}

fn fresh_key(agent: &str) -> Result<SessionKey, ErrorBody> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| ErrorBody::internal(error.to_string()))?;
    keyed(agent, &format!("{:016x}", u64::from_be_bytes(bytes)))
}

/// The key of a session that nobody has named, by what makes it one of its own.
fn keyed(agent: &str, own: &str) -> Result<SessionKey, ErrorBody> {
    let word = format!("chat-{}", own.get(..16).unwrap_or(own));
    SessionKey::main(agent, &word).map_err(|error| ErrorBody::invalid(error.to_string()))
}

async fn patch(call: Call) -> Result<Value, ErrorBody> {
    let params: PatchParams = read("sessions.patch", call.params.clone())?;
    let wrong = |why: String| ErrorBody::invalid(format!("invalid sessions.patch params: {why}"));
    if let Some(name) = params.others.keys().next() {
        return Err(if PATCHES.contains(&name.as_str()) {
            ErrorBody::invalid(format!("{name} {FIXED}"))
        } else {
            wrong(format!("at root: unexpected property '{name}'"))
        });
    }
    let key = key_of(&call.host, params.key.as_str(), params.agent_id.as_ref().map(Text::as_str))?;
    let model = params.model.as_ref().map(|model| model.as_ref().map(Text::as_str));
    let is_meant = is_life(&key, params.expected_session_id);
    let label = params.label.map(|label| label.map(checked).transpose()).transpose()?;
    let now = call.engine.clock().now();
    let change = |note: &mut SessionNote| {
        if !is_meant(note) {
            return false;
        }
        if let Some(label) = label {
            note.label = label;
        }
        for (wish, since) in
            [(params.archived, &mut note.archived_at), (params.pinned, &mut note.pinned_at)]
        {
            match wish {
                Some(true) => *since = since.or(Some(now)),
                Some(false) => *since = None,
                None => {}
            }
        }
        true
    };
    call.engine.edit_session(&key, model, change).await.map_err(refused)?;
    changed(&call, &key, "patch");
    let entry = entry(&call, &key).await?;
    let resolved = json!({"modelProvider": entry["modelProvider"], "model": entry["model"]});
    let path = store_path(&call.host);
    Ok(json!({"ok": true, "path": path, "key": key, "entry": entry, "resolved": resolved}))
}

async fn reset(call: Call) -> Result<Value, ErrorBody> {
    let params: KeyParams = read("sessions.reset", call.params.clone())?;
    let key = key_of(&call.host, params.key.as_str(), params.agent_id.as_ref().map(Text::as_str))?;
    call.engine.reset_session(&key).await.map_err(refused)?;
    changed(&call, &key, "reset");
    let entry = entry(&call, &key).await?;
    let resolved = json!({"modelProvider": entry["modelProvider"], "model": entry["model"]});
    Ok(json!({"ok": true, "key": key, "entry": entry, "resolved": resolved}))
}

async fn delete(call: Call) -> Result<Value, ErrorBody> {
    let params: DeleteParams = read("sessions.delete", call.params.clone())?;
    let key = key_of(&call.host, params.key.as_str(), params.agent_id.as_ref().map(Text::as_str))?;
    if is_main(&call, &key) {
        let text =
            format!("the main session {key} can't be deleted; sessions.reset begins it anew");
        return Err(ErrorBody::invalid(text));
    }
    let is_meant = is_life(&key, params.expected_session_id);
    let Some(facts) = find(&call, &key).await? else {
        return Ok(json!({"ok": true, "key": key, "deleted": false, "archived": []}));
    };
    #[expect(clippy::cast_precision_loss, reason = "milliseconds are far below 2^53")]
    let is_newer = |at: f64| facts.updated_at().0 as f64 > at;
    if params.expected_session_updated_at.is_some_and(is_newer) {
        return Err(ErrorBody::invalid(format!("{key} has changed since; look at it again")));
    }
    if params.archived_only && facts.note.archived_at.is_none() {
        return Err(ErrorBody::invalid(format!("{key} is not archived")));
    }
    let life = call.engine.remove_session_if(&key, is_meant).await.map_err(refused)?;
    changed(&call, &key, "delete");
    let archived = if facts.last.is_some() { vec![format!("{key}#{life}")] } else { Vec::new() };
    Ok(json!({"ok": true, "key": key, "deleted": true, "archived": archived}))
}

fn is_main(call: &Call, key: &SessionKey) -> bool {
    let agent = key.agent().unwrap_or_default();
    SessionKey::main(&agent, &main_key(&call.host)).is_ok_and(|main| main == *key)
        || key.agent().is_none()
}

/// The row of a session, which clients call its entry when it was changed.
async fn entry(call: &Call, key: &SessionKey) -> Result<Value, ErrorBody> {
    let Some(facts) = find(call, key).await? else {
        return Err(refused(EditError::Unknown(key.clone())));
    };
    let is_busy = super::session_list::busy(call)?.contains(key);
    let extras = super::session_rows::Extras::default();
    let mut entry = super::session_rows::row(&call.host, &facts, is_busy, extras);
    let chosen = call.engine.chosen_model(key).map_err(ErrorBody::internal)?;
    if let Some(choice) = chosen {
        entry["modelProvider"] = json!(choice.model.provider);
        entry["model"] = json!(choice.model.model);
        entry["modelOverrideSource"] = json!("user");
    }
    Ok(entry)
}

/// Whether a session is in the life that was meant; in any, if none was.
fn is_life(key: &SessionKey, expected: Option<Text>) -> impl FnOnce(&SessionNote) -> bool {
    let key = key.clone();
    move |note| expected.is_none_or(|expected| session_id(&key, note.life) == expected.as_str())
}

fn checked(label: Text) -> Result<String, ErrorBody> {
    let label = label.to_string();
    if label.chars().count() > LABEL_CHARS_MAX {
        let text = format!("a label has at most {LABEL_CHARS_MAX} characters");
        return Err(ErrorBody::invalid(text));
    }
    Ok(label)
}

pub(super) fn changed(call: &Call, key: &SessionKey, reason: &str) {
    let ts = call.engine.clock().now().0;
    let payload = json!({"sessionKey": key, "agentId": key.agent(), "reason": reason, "ts": ts});
    let topics = ["sessions".to_owned(), format!("session:{key}")];
    call.host.hub.tell_topics("sessions.changed", Some(Scope::Read), &topics, payload);
}

fn refused(error: EditError) -> ErrorBody {
    match error {
        EditError::Unknown(_) | EditError::Begun(_) | EditError::Refused(_) => {
            ErrorBody::invalid(error.to_string())
        }
        EditError::Busy(_) | EditError::Abort(_) => ErrorBody::unavailable(error.to_string()),
        EditError::Store(error) => ErrorBody::internal(error),
    }
}
