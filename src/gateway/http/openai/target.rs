//! Which agent answers a request, and in which session. Pure but for a random id of sessions that
//! nobody names.

use std::collections::BTreeSet;

use axum::http::HeaderMap;
use serde_json::Value;
use sha2::{Digest, Sha256};
use telson_actors::inbox::digest;
use telson_actors::message::session_key::{DmScope, KeyParts, Place};
use telson_actors::message::{AccountKey, SessionKey};

use super::prompt::{Prompt, SaidIn, render};
use crate::gateway::http::Routes;
use crate::gateway::http::error::HttpError;

/// The place of sessions that live for one request.
const ONCE: &str = "openai";
/// The place of those that a `user` comes back to.
const OF_USER: &str = "openai-user";
/// Sessions that belong to other parts of the gateway.
const RESERVED: [&str; 3] = ["subagent", "cron", "acp"];
/// Longest key of a request or a session, in characters.
const KEY_CHARS_MAX: usize = 512;

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) agent: String,
    pub(super) session: SessionKey,
    /// The key under which the same request is never answered twice.
    pub(super) dedupe_key: String,
    /// What was asked, where somebody may ask the same again: under a key of its own.
    pub(super) asked: Option<u64>,
    /// Whether the session keeps a history that the client may come back to.
    pub(super) has_history: bool,
    /// The model that is to be asked instead of the agent's own.
    pub(super) model: Option<String>,
}

/// The agents there are, and the default one.
pub(super) fn agents(routes: &Routes) -> (BTreeSet<String>, String) {
    let config = routes.served.host.config.clone().unwrap_or_default();
    let all: BTreeSet<String> = config.agents_map().into_keys().collect();
    let first = all.first().cloned();
    let default = config.default_agent().or(first).unwrap_or_else(|| "main".into());
    (all, default)
}

/// The agent a model's name means; nothing for the default one.
fn named(model: &str) -> Result<Option<&str>, HttpError> {
    for product in ["openclaw", "telson"] {
        let Some(rest) = model.strip_prefix(product) else { continue };
        match rest.strip_prefix(['/', ':']) {
            Some("default") => return Ok(None),
            None if rest.is_empty() => return Ok(None),
            Some(agent) if !agent.is_empty() => return Ok(Some(agent)),
            _ => {}
        }
    }
    match model.strip_prefix("agent:") {
        Some(agent) if !agent.is_empty() && !agent.contains(':') => Ok(Some(agent)),
        _ => {
            let text = format!(
                "model {model:?} is no agent; use \"openclaw\" for the default one, or \
                 \"openclaw/<agent>\""
            );
            Err(HttpError::param("model", text))
        }
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, HttpError> {
    let ours = name.replace("openclaw", "telson");
    let Some(value) = headers.get(name).or_else(|| headers.get(ours)) else { return Ok(None) };
    let wrong = || HttpError::param(name, format!("the header {name} can't be read"));
    let text = value.to_str().map_err(|_| wrong())?.trim();
    if text.chars().count() > KEY_CHARS_MAX {
        return Err(wrong());
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}

impl Target {
    pub(super) fn read(
        routes: &Routes,
        model: &str,
        headers: &HeaderMap,
        (body, user): (&Value, Option<&str>),
    ) -> Result<Self, HttpError> {
        let (all, default) = agents(routes);
        let key = header(headers, "x-openclaw-session-key")?;
        let asked = header(headers, "x-openclaw-agent-id")?.or(named(model)?);
        let whole = key.filter(|key| key.starts_with("agent:") || *key == "global");
        let whole = whole.map(session).transpose()?;
        let owner = whole.as_ref().and_then(SessionKey::agent);
        let agent = match (owner, asked) {
            (Some(owner), Some(asked)) if owner != asked => {
                let text = format!("the session belongs to agent {owner:?}, not to {asked:?}");
                return Err(HttpError::param("x-openclaw-session-key", text));
            }
            (Some(owner), _) => owner,
            (None, asked) => asked.unwrap_or(&default).to_owned(),
        };
        if !all.contains(&agent) {
            let text = format!("there is no agent {agent:?}");
            return Err(HttpError { status: 404, ..HttpError::param("model", text) }
                .code("model_not_found"));
        }
        let once = once(headers, &agent)?;
        let (session, has_history) = match (whole, key, user) {
            (Some(whole), _, _) => (whole, true),
            (None, Some(key), _) => (short(&agent, key)?, true),
            (None, None, Some(user)) => (place(&agent, OF_USER, user)?, true),
            (None, None, None) => (place(&agent, ONCE, &once)?, false),
        };
        let model = header(headers, "x-openclaw-model")?.map(str::to_owned);
        if model.is_some() && has_history {
            let text = "another model can be chosen for a request without a session only";
            return Err(HttpError::param("x-openclaw-model", text));
        }
        let dedupe_key = format!("openai:{once}");
        let asked = header(headers, "idempotency-key")?.map(|_| what_is_asked(body));
        Ok(Self { agent, session, dedupe_key, asked, has_history, model })
    }

    /// Goes on in the session of an earlier response.
    pub(super) fn go_on(&mut self, previous: &SessionKey) -> Result<(), HttpError> {
        let is_own = previous.agent().is_some_and(|agent| agent == self.agent);
        if !is_own || self.has_history && *previous != self.session {
            let text = "the earlier response belongs to another agent or session";
            return Err(HttpError::param("previous_response_id", text));
        }
        self.session = previous.clone();
        self.has_history = true;
        Ok(())
    }

    pub(super) fn prompt(
        &self,
        instructions: &[String],
        said: &[SaidIn],
    ) -> Result<Prompt, HttpError> {
        render(instructions, said, self.has_history)
    }
}

/// Who makes the vectors of a request, as provider and model: the model it names, in its header or
/// in place of an agent, else the one of the config.
pub(super) fn vectors_of(
    routes: &Routes,
    model: &str,
    headers: &HeaderMap,
) -> Result<(String, String), HttpError> {
    let whole =
        |name: &str| name.split_once('/').map(|(one, two)| (one.to_owned(), two.to_owned()));
    let config = routes.served.host.config.clone().unwrap_or_default();
    let usual = config.agents.defaults.memory_search.named();
    if let Some(named) = header(headers, "x-openclaw-model")? {
        let of_usual = || usual.map(|(provider, _)| (provider.to_owned(), named.to_owned()));
        let none = || HttpError::param("x-openclaw-model", "the header must be provider/model");
        return whole(named).or_else(of_usual).ok_or_else(none);
    }
    let agent = match named(model) {
        Ok(agent) => agent,
        Err(error) => return whole(model).ok_or(error),
    };
    let (all, _) = agents(routes);
    if let Some(agent) = agent.filter(|agent| !all.contains(*agent)) {
        let text = format!("there is no agent {agent:?}");
        return Err(
            HttpError { status: 404, ..HttpError::param("model", text) }.code("model_not_found")
        );
    }
    let named = usual.map(|(provider, model)| (provider.to_owned(), model.to_owned()));
    named.ok_or_else(|| {
        no_vectors(
            "no model for embeddings is configured: set agents.defaults.memorySearch.provider and \
             .model, or name one as provider/model in the header x-openclaw-model",
        )
    })
}

/// What is told where nobody makes vectors.
pub(super) fn no_vectors(why: &str) -> HttpError {
    HttpError::param("model", why).code("embeddings_not_configured")
}

/// A name for this request: made of its `Idempotency-Key`, or of chance.
fn once(headers: &HeaderMap, agent: &str) -> Result<String, HttpError> {
    let mut bytes = [0_u8; 16];
    if let Some(key) = header(headers, "idempotency-key")? {
        bytes = *Sha256::digest(format!("{agent}\n{key}")).first_chunk().unwrap_or(&bytes);
    } else {
        getrandom::fill(&mut bytes).map_err(HttpError::internal)?;
    }
    Ok(crate::hex::hex(&bytes))
}

/// Tells one request from another, however its answer is to be shown.
fn what_is_asked(body: &Value) -> u64 {
    let mut body = body.clone();
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|name, _| !matches!(name.as_str(), "stream" | "stream_options"));
    }
    digest(&body.to_string())
}

fn bad_key(why: impl ToString) -> HttpError {
    HttpError::param("x-openclaw-session-key", why.to_string())
}

fn session(key: &str) -> Result<SessionKey, HttpError> {
    if RESERVED.contains(&key.split(':').nth(2).unwrap_or_default()) {
        return Err(bad_key("this session belongs to another part of the gateway"));
    }
    SessionKey::parse(key).map_err(bad_key)
}

/// A session by a name without its agent: the main one, or one of that name.
fn short(agent: &str, key: &str) -> Result<SessionKey, HttpError> {
    if RESERVED.iter().any(|word| key.strip_prefix(word).is_some_and(|it| it.starts_with(':'))) {
        return Err(bad_key("this session belongs to another part of the gateway"));
    }
    SessionKey::main(agent, key).map_err(bad_key)
}

fn place(agent: &str, channel: &str, id: &str) -> Result<SessionKey, HttpError> {
    let account = AccountKey::new(channel, "default");
    SessionKey::direct(agent, DmScope::PerChannelPeer, &account, id, "main")
        .map_err(|error| HttpError::invalid(error.to_string()))
}

/// Whether a session was made by this surface.
pub(super) fn is_ours(key: &SessionKey) -> bool {
    match key.parts() {
        KeyParts::Agent { place: Place::ChannelPeer { channel, .. }, .. } => {
            channel == ONCE || channel == OF_USER
        }
        KeyParts::Agent { .. } | KeyParts::Global => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_an_agent() {
        for default in
            ["openclaw", "openclaw/default", "openclaw:default", "telson", "telson/default"]
        {
            assert_eq!(named(default).unwrap(), None, "{default}");
        }
        for work in ["openclaw/work", "openclaw:work", "telson/work", "agent:work"] {
            assert_eq!(named(work).unwrap(), Some("work"), "{work}");
        }
        for none in ["", "gpt-4", "openclaw/", "openclaws", "agent:", "agent:a:b", "openclaw2/work"]
        {
            assert_eq!(named(none).unwrap_err().param.as_deref(), Some("model"), "{none}");
        }
    }

    #[test]
    fn sessions_of_other_parts_are_out_of_reach() {
        for key in ["agent:main:cron:x", "agent:main:subagent:x", "agent:main:acp:x:y"] {
            assert_eq!(session(key).unwrap_err().status, 400, "{key}");
        }
        for key in ["cron:x", "subagent:x", "acp:x"] {
            assert_eq!(short("main", key).unwrap_err().status, 400, "{key}");
        }
        assert_eq!(session("agent:main:main").unwrap().as_str(), "agent:main:main");
        assert_eq!(short("main", "notes").unwrap().as_str(), "agent:main:notes");
    }
}
