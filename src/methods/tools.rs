//! The tools of a session: what it can call, and one call by hand.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use telson_actors::answer::CallEnd;

use super::chat::agents;
use super::once::{self, Taken};
use super::params::{KEY_BYTES_MAX, Text, is_key, read};
use super::{Call, ErrorBody, Method, Scope, ready};
use crate::config::{Config, ToolProfile};
use crate::engine::{Invoked, Kept};

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "tools.effective",
        scope: Scope::Read,
        about: "what a session's agent can call",
        run: |call| ready(effective(&call)),
    },
    Method {
        name: "tools.invoke",
        scope: Scope::Write,
        about: "call a tool once, within the policy of an agent",
        run: |call| Box::pin(invoke(call)),
    },
];

/// What calls of it are kept under.
const METHOD: &str = "tools.invoke";

/// What is never called by hand, whatever an agent may do: it acts in other conversations' names, or
/// on the machine itself, and nobody watches.
pub(crate) const NEVER_BY_HAND: [&str; 8] = [
    "apply_patch",
    "cron",
    "exec",
    "gateway",
    "nodes",
    "process",
    "sessions_send",
    "sessions_spawn",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct EffectiveParams {
    agent_id: Option<Text>,
    session_key: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "a call by hand is confirmed by making it, and comes from its caller")]
struct InvokeParams {
    name: Text,
    #[serde(default)]
    args: Map<String, Value>,
    session_key: Option<Text>,
    agent_id: Option<Text>,
    confirm: Option<bool>,
    idempotency_key: Option<Text>,
    conversation_read_origin: Option<Origin>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Origin {
    DirectOperator,
}

fn effective(call: &Call) -> Result<Value, ErrorBody> {
    let params: EffectiveParams = read("tools.effective", call.params.clone())?;
    let own = params.agent_id.as_ref().map(Text::as_str);
    let (_, agent) = agents(&call.host).session(params.session_key.as_str(), own)?;
    let core = telson_actors::tool::core::NAMES;
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for spec in call.engine.tools(&agent) {
        let is_core = core.contains(&spec.name.as_str());
        let entry = json!({
            "id": spec.name,
            "label": spec.name,
            "description": spec.description,
            "rawDescription": spec.description,
            "source": if is_core { "core" } else { "plugin" },
        });
        if is_core { own.push(entry) } else { others.push(entry) }
    }
    let mut groups = vec![json!({"id": "core", "label": "Core", "source": "core", "tools": own})];
    if !others.is_empty() {
        let label = "Servers and the embedding program";
        groups.push(json!({"id": "plugin", "label": label, "source": "plugin", "tools": others}));
    }
    let profile = profile(call.host.config.as_ref(), &agent);
    Ok(json!({"agentId": agent, "profile": profile, "groups": groups}))
}

fn profile(config: Option<&Config>, agent: &str) -> &'static str {
    let own = config.and_then(|config| {
        let own = config.agents_map().remove(agent).and_then(|entry| entry.tools.profile);
        own.or(config.tools.profile)
    });
    match own {
        Some(ToolProfile::Minimal) => "minimal",
        Some(ToolProfile::Coding) => "coding",
        Some(ToolProfile::Messaging) => "messaging",
        Some(ToolProfile::Full) => "full",
        None => "none",
    }
}

/// What is said of a call whose end nobody knows.
pub(crate) const UNKNOWN_CALL: &str =
    "the tools have restarted meanwhile: nobody knows whether the call was made";
const RESTARTING: &str = "the tools are restarting; try again";

/// One call. With a key it is made once, whatever comes of it: a tool that was cut off may have done
/// its work.
async fn invoke(call: Call) -> Result<Value, ErrorBody> {
    let params: InvokeParams = read("tools.invoke", call.params.clone())?;
    let (all, own) = (agents(&call.host), params.agent_id.as_ref().map(Text::as_str));
    let (session, agent) = match &params.session_key {
        Some(key) => all.session(key.as_str(), own)?,
        None => all.main_session(own)?,
    };
    let name = params.name.as_str().trim();
    let failed = |code: &str, message: String| {
        let message = if message.is_empty() { "the tool gave no reason".into() } else { message };
        Ok(json!({"ok": false, "toolName": name, "error": {"code": code, "message": message}}))
    };
    let hidden = || failed("not_found", format!("tool {name:?} is not available here"));
    if name.is_empty() || NEVER_BY_HAND.contains(&name) {
        return hidden().map(|answer| named(answer, &params.name));
    }
    // Counted from here: an engine that comes to its end must not take it for nothing.
    let coming = call.engine.calls().begin(None, None);
    // Before the key is taken: one that was used for nothing could never be used again.
    match call.engine.may_use(&agent, name).await {
        Some(true) => {}
        Some(false) => return hidden(),
        None => return Err(ErrorBody::unavailable(RESTARTING)),
    }
    let arguments = Value::Object(params.args).to_string();
    let (mut kept, mut joined) = (None, None);
    if let Some(key) = params.idempotency_key.as_ref().map(Text::as_str) {
        if !is_key(key) {
            let why = format!("at most {KEY_BYTES_MAX} bytes without control characters");
            return Err(ErrorBody::invalid(format!("params.idempotencyKey: {why}")));
        }
        let asked = once::digest_of(&[&session, &agent, &name, &arguments]);
        let join = || call.engine.join_call(METHOD, key);
        let beginning = match once::take(&call, METHOD, (key, key), asked, join).await? {
            Taken::Now(beginning) => Some(beginning),
            Taken::Joined(waiting) => {
                joined = Some(waiting);
                None
            }
            Taken::Ended(CallEnd::Done(text)) => return Ok(done(name, &text)),
            Taken::Ended(CallEnd::Failed(code, why)) => return failed(&code, why),
            Taken::Ended(CallEnd::TooLong(bytes)) => return Err(once::too_long(key, bytes)),
            Taken::Ended(CallEnd::Open | CallEnd::Lost) => return Err(once::unknown(key)),
        };
        kept = Some(Kept { method: METHOD, key: key.to_owned(), beginning });
    }
    drop(coming);
    let invoked = match joined {
        // Whoever asks again waits for the same answer.
        Some(waiting) => Invoked::of(waiting.await),
        None => call.engine.invoke(&session, &agent, (name, arguments), kept.as_mut()).await,
    };
    match invoked {
        Invoked::Done(text) => Ok(done(name, &text)),
        // The same words for a tool that does not exist and one that may not be used.
        Invoked::Failed(text) => failed("tool_error", text),
        Invoked::Unknown => {
            if let Some(kept) = &kept {
                // Whoever asks again is not told to wait for it.
                let noted = call.engine.end_call(METHOD, &kept.key, CallEnd::Lost).await;
                noted.map_err(|error| ErrorBody::unavailable(error.to_string()))?;
            }
            Err(ErrorBody::unavailable(UNKNOWN_CALL))
        }
        nothing @ (Invoked::Hidden | Invoked::Absent) => {
            if let Some(beginning) = kept.and_then(|kept| kept.beginning) {
                let given = beginning.undone().await;
                given.map_err(|error| ErrorBody::unavailable(error.to_string()))?;
            }
            if nothing == Invoked::Hidden {
                return hidden();
            }
            Err(ErrorBody::unavailable(RESTARTING))
        }
    }
}

fn done(name: &str, text: &str) -> Value {
    let output = json!({"content": [{"type": "text", "text": text}]});
    let is_core = telson_actors::tool::core::NAMES.contains(&name);
    let source = if is_core { "core" } else { "plugin" };
    json!({"ok": true, "toolName": name, "output": output, "source": source})
}

/// A name of spaces is shown as it came.
fn named(mut answer: Value, name: &Text) -> Value {
    answer["toolName"] = json!(name);
    answer
}
