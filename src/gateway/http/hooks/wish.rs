//! What a request wants: `wake` and `agent` bodies, mappings and presets. Pure.

use serde_json::Value;

use super::template::{Source, fill, is_template};
use super::{github, gmail};
use crate::config::{HookAction, HookMapping, HookPreset, WakeMode};
use crate::gateway::http::error::HttpError;

/// Longest text for an agent, in characters.
const TEXT_CHARS_MAX: usize = 100_000;
/// Longest name or key, in characters.
const NAME_CHARS_MAX: usize = 512;

/// What a request wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wish {
    /// A note instead of a message.
    pub(super) wake: Option<WakeMode>,
    pub(super) text: String,
    /// What it is from, for the agent.
    pub(super) name: String,
    pub(super) agent: Option<String>,
    pub(super) session: SessionWish,
    /// Under which it is taken once.
    pub(super) key: Option<String>,
    /// Whether that is a platform's own number of what it delivers: then it is the same delivery,
    /// whatever the config makes of it by now.
    pub(super) is_numbered: bool,
    pub(super) deliver: bool,
    pub(super) channel: Option<String>,
    pub(super) to: Option<String>,
    pub(super) account: Option<String>,
    pub(super) model: Option<String>,
    /// Whether the text is taken as the operator's own.
    pub(super) is_trusted: bool,
    /// What was understood and can't be done.
    pub(super) not_applied: Vec<&'static str>,
}

/// Which session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum SessionWish {
    /// The default one, if there is one; else one of its own.
    #[default]
    Default,
    /// One of its own in any case.
    Own,
    /// One the config names.
    Configured(String),
    /// One the request names.
    Requested(String),
    /// The default one; there must be one.
    Kept,
}

fn field<'a>(body: &'a Value, name: &str) -> Result<Option<&'a str>, HttpError> {
    let text = match body.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if !text.trim().is_empty() => text.trim(),
        Some(_) => return Err(HttpError::param(name, format!("{name} must be a text"))),
    };
    let max = if matches!(name, "text" | "message") { TEXT_CHARS_MAX } else { NAME_CHARS_MAX };
    if text.chars().count() > max {
        return Err(HttpError::param(name, format!("{name} is longer than {max} characters")));
    }
    Ok(Some(text))
}

fn owned(body: &Value, name: &str) -> Result<Option<String>, HttpError> {
    Ok(field(body, name)?.map(str::to_owned))
}

fn required(body: &Value, name: &str) -> Result<String, HttpError> {
    owned(body, name)?.ok_or_else(|| HttpError::param(name, format!("{name} is missing")))
}

fn mode(body: &Value, name: &str) -> Result<WakeMode, HttpError> {
    match field(body, name)? {
        None | Some("now") => Ok(WakeMode::Now),
        Some("next-heartbeat") => Ok(WakeMode::NextHeartbeat),
        Some(_) => Err(HttpError::param(name, format!("{name} must be now or next-heartbeat"))),
    }
}

/// The body of `wake`.
pub(super) fn wake(body: &Value) -> Result<Wish, HttpError> {
    Ok(Wish {
        wake: Some(mode(body, "mode")?),
        text: required(body, "text")?,
        name: "webhook".into(),
        agent: owned(body, "agentId")?,
        session: owned(body, "sessionKey")?.map_or(SessionWish::Default, SessionWish::Requested),
        key: owned(body, "idempotencyKey")?,
        deliver: true,
        ..Wish::default()
    })
}

/// The body of `agent`.
pub(super) fn agent(body: &Value) -> Result<Wish, HttpError> {
    let key = owned(body, "sessionKey")?;
    let session = match (field(body, "sessionMode")?, key) {
        (None | Some("persistent"), Some(key)) => SessionWish::Requested(key),
        (None, None) => SessionWish::Default,
        (Some("isolated"), None) => SessionWish::Own,
        (Some("persistent"), None) => SessionWish::Kept,
        (Some("isolated"), Some(_)) => {
            let text = "a session of its own has no sessionKey; leave one of both out";
            return Err(HttpError::param("sessionMode", text));
        }
        (Some(_), _) => {
            let text = "sessionMode must be isolated or persistent";
            return Err(HttpError::param("sessionMode", text));
        }
    };
    let deliver = match body.get("deliver") {
        None | Some(Value::Null) => true,
        Some(Value::Bool(deliver)) => *deliver,
        Some(_) => return Err(HttpError::param("deliver", "deliver must be true or false")),
    };
    // It is a message, and messages are answered at once.
    let waits = mode(body, "wakeMode")? == WakeMode::NextHeartbeat;
    let not_applied = ["thinking", "timeoutSeconds"];
    let not_applied = not_applied.into_iter().filter(|name| body.get(*name).is_some());
    let not_applied = not_applied.chain(waits.then_some("wakeMode"));
    Ok(Wish {
        wake: None,
        text: required(body, "message")?,
        name: owned(body, "name")?.unwrap_or_else(|| "webhook".into()),
        agent: owned(body, "agentId")?,
        session,
        key: owned(body, "idempotencyKey")?,
        is_numbered: false,
        deliver,
        channel: owned(body, "channel")?,
        to: owned(body, "to")?,
        account: owned(body, "accountId")?,
        model: owned(body, "model")?,
        is_trusted: false,
        not_applied: not_applied.collect(),
    })
}

/// What a named request comes to, by the first mapping that fits, else by a preset; nothing if there
/// is neither.
pub(super) fn named(
    mappings: &[HookMapping],
    presets: &[HookPreset],
    source: &Source<'_>,
) -> Result<Option<Wish>, HttpError> {
    let preset = match source.path {
        "github" if presets.contains(&HookPreset::Github) => Some(of_github(source)?),
        "gmail" if presets.contains(&HookPreset::Gmail) => Some(of_gmail(source)?),
        _ => None,
    };
    match mappings.iter().find(|mapping| fits(mapping, source)) {
        Some(mapping) => {
            // A delivery is known by its preset, whatever a mapping makes of it.
            let key = preset.and_then(|wish| wish.key);
            let is_numbered = key.is_some();
            Ok(Some(Wish { key, is_numbered, ..mapped(mapping, source)? }))
        }
        None => Ok(preset),
    }
}

fn fits(mapping: &HookMapping, source: &Source<'_>) -> bool {
    let is_path = |path: &str| path.trim_matches('/') == source.path;
    let sender = source.payload.get("source").and_then(Value::as_str);
    mapping.matches.path.as_deref().is_none_or(is_path)
        && mapping.matches.source.as_deref().is_none_or(|wanted| sender == Some(wanted))
}

fn mapped(mapping: &HookMapping, source: &Source<'_>) -> Result<Wish, HttpError> {
    let template = match mapping.action {
        HookAction::Wake => mapping.text_template.as_ref().or(mapping.message_template.as_ref()),
        HookAction::Agent => mapping.message_template.as_ref().or(mapping.text_template.as_ref()),
    };
    let text = match template {
        Some(template) => fill(template, source),
        None => fill("{{payload}}", source),
    };
    let text: String = text.trim().chars().take(TEXT_CHARS_MAX).collect();
    if text.is_empty() {
        return Err(HttpError::invalid("the mapping's template makes no text of this payload"));
    }
    let session = match &mapping.session_key {
        None => SessionWish::Default,
        Some(key) if is_template(key) => SessionWish::Requested(fill(key, source)),
        Some(key) => SessionWish::Configured(key.clone()),
    };
    let name = mapping.name.as_ref().map(|name| fill(name, source));
    Ok(Wish {
        wake: (mapping.action == HookAction::Wake).then_some(mapping.wake_mode),
        text,
        name: name.unwrap_or_else(|| source.path.to_owned()),
        agent: mapping.agent_id.clone(),
        session,
        key: None,
        is_numbered: false,
        deliver: mapping.deliver.unwrap_or(true),
        channel: mapping.channel.clone(),
        to: mapping.to.clone(),
        account: mapping.account_id.clone(),
        model: mapping.model.clone(),
        is_trusted: mapping.allow_unsafe_external_content,
        not_applied: Vec::new(),
    })
}

fn of_github(source: &Source<'_>) -> Result<Wish, HttpError> {
    let header = |name: &str| source.headers.get(name).and_then(Value::as_str);
    let delivery = header("x-github-delivery").filter(|id| id.len() <= NAME_CHARS_MAX);
    let delivery = delivery
        .ok_or_else(|| HttpError::param("x-github-delivery", "X-GitHub-Delivery is missing"))?;
    Ok(Wish {
        text: github::message(source),
        name: "GitHub".into(),
        key: Some(format!("github:{delivery}")),
        is_numbered: true,
        deliver: true,
        ..Wish::default()
    })
}

fn of_gmail(source: &Source<'_>) -> Result<Wish, HttpError> {
    let push = gmail::read(source.payload).map_err(HttpError::invalid)?;
    let (name, key) = ("Gmail".to_owned(), Some(format!("gmail:{}", push.id)));
    let text = push.message;
    Ok(Wish { text, name, key, is_numbered: true, deliver: true, ..Wish::default() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::HookMatch;

    #[test]
    fn bad_bodies_name_what_is_wrong() {
        for (body, param) in [
            (json!({}), "message"),
            (json!({"message": ""}), "message"),
            (json!({"message": 7}), "message"),
            (json!({"message": "x".repeat(100_001)}), "message"),
            (json!({"message": "x", "sessionMode": "other"}), "sessionMode"),
            (json!({"message": "x", "sessionMode": "isolated", "sessionKey": "k"}), "sessionMode"),
            (json!({"message": "x", "deliver": "yes"}), "deliver"),
            (json!({"message": "x", "wakeMode": "later"}), "wakeMode"),
            (json!({"message": "x", "agentId": "a".repeat(513)}), "agentId"),
        ] {
            assert_eq!(agent(&body).unwrap_err().param.as_deref(), Some(param), "{param}");
        }
        assert_eq!(wake(&json!({"text": "x", "mode": "soon"})).unwrap_err().status, 400);
        assert_eq!(wake(&json!({})).unwrap_err().param.as_deref(), Some("text"));
        let wish = agent(&json!({"message": " x ", "thinking": "high"})).unwrap();
        assert_eq!((wish.text.as_str(), wish.not_applied), ("x", vec!["thinking"]));
        let wish = agent(&json!({"message": "x", "wakeMode": "next-heartbeat"})).unwrap();
        assert_eq!(wish.not_applied, ["wakeMode"]);
        let wish = agent(&json!({"message": "x", "wakeMode": "now"})).unwrap();
        assert!(wish.not_applied.is_empty());
    }

    #[test]
    fn the_first_mapping_that_fits_is_used() {
        let mapping = |path: Option<&str>, sender: Option<&str>, text: &str| HookMapping {
            matches: HookMatch { path: path.map(str::to_owned), source: sender.map(str::to_owned) },
            message_template: Some(text.into()),
            ..HookMapping::default()
        };
        let mappings = [
            mapping(Some("/ci"), Some("a"), "one {{n}}"),
            mapping(Some("ci"), None, "two {{n}}"),
            mapping(None, Some("b"), "three {{n}}"),
        ];
        let told = |path: &str, payload: Value| {
            let headers = json!({});
            let source = Source { payload: &payload, headers: &headers, path };
            named(&mappings, &[], &source).unwrap().map(|wish| wish.text)
        };
        assert_eq!(told("ci", json!({"source": "a", "n": 1})).as_deref(), Some("one 1"));
        assert_eq!(told("ci", json!({"n": 2})).as_deref(), Some("two 2"));
        assert_eq!(told("x", json!({"source": "b", "n": 3})).as_deref(), Some("three 3"));
        assert_eq!(told("x", json!({})), None);
        assert_eq!(told("github", json!({})), None, "a preset has to be switched on");
    }
}
