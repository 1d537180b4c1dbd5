//! `sessions_list`, `sessions_history` and `sessions_send`: other conversations.

mod hops;
mod send;
mod view;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

pub(super) use self::send::SessionsSend;

use super::reach::Reach;
use super::{CoreDeps, blocking, count, required};
use crate::message::SessionKey;
use crate::provider::ToolSpec;
use crate::session::{Exchange, SessionRecord, exchange_prefix, session_key, session_prefix};
use crate::store::{Store, StoreError};
use crate::tool::{Invocation, Tool, ToolTraits};

/// Sessions of one answer, unless fewer are asked for.
const SESSIONS_DEFAULT: usize = 50;
/// Turns of one answer, unless another number is asked for.
const TURNS_DEFAULT: usize = 20;
const TURNS_MAX: usize = 200;
/// Reading, which a long list may make slow.
const DEADLINE: Duration = Duration::from_mins(1);

/// Lists sessions.
pub(super) struct SessionsList {
    pub(super) deps: CoreDeps,
    pub(super) reach: Arc<Reach>,
}

/// Tells what was said in a session.
pub(super) struct SessionsHistory {
    pub(super) deps: CoreDeps,
    pub(super) reach: Arc<Reach>,
}

impl Tool for SessionsList {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "sessions_list".into(),
            description: "Lists the conversations you may see, the most recent first.".into(),
            parameters: json!({
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "limit": {"type": "integer", "minimum": 1},
                    "activeMinutes": {
                        "type": "integer", "minimum": 1,
                        "description": "Only those in which something was said that recently.",
                    },
                },
            }),
        }
    }

    fn traits(&self) -> ToolTraits {
        ToolTraits { is_idempotent: true, deadline: DEADLINE }
    }

    fn call<'a>(&'a self, call: &'a Invocation) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move {
            let limit = count(call, "limit", SESSIONS_DEFAULT);
            let minutes = count(call, "activeMinutes", usize::MAX) as u64;
            let active = Duration::from_secs(minutes.saturating_mul(60));
            let (deps, reach, call) = (self.deps.clone(), self.reach.clone(), call.clone());
            blocking(move || {
                let now = deps.clock.now();
                let mut seen = visible(&deps.store, &reach, &call).map_err(failed)?;
                seen.retain(|seen| now.since(seen.last_at) <= active);
                seen.sort_by_key(|seen| std::cmp::Reverse(seen.last_at));
                Ok(view::list(&seen, limit))
            })
            .await
        })
    }
}

fn visible(store: &Store, reach: &Reach, call: &Invocation) -> Result<Vec<view::Seen>, StoreError> {
    let mut seen = Vec::new();
    let from = (&call.session, call.agent.as_str());
    for (_, record) in store.scan::<SessionRecord>(&session_prefix())? {
        if reach.check(from, (&record.key, &record.agent)).is_err() {
            continue;
        }
        let last: Vec<(_, Exchange)> = store.tail(&exchange_prefix(&record.key), 1)?;
        let last = last.into_iter().next().map(|(_, exchange)| exchange);
        seen.push(view::Seen {
            is_own: record.key == call.session,
            last_at: last.as_ref().map_or(record.created_at, |last| last.finished_at),
            place: last.map(|last| last.reply_to.to_string()),
            key: record.key,
            agent: record.agent,
        });
    }
    Ok(seen)
}

impl Tool for SessionsHistory {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "sessions_history".into(),
            description: "Tells what was said last in a conversation, oldest first.".into(),
            parameters: json!({
                "type": "object",
                "required": ["sessionKey"],
                "additionalProperties": false,
                "properties": {
                    "sessionKey": {"type": "string", "description": "As sessions_list tells it."},
                    "limit": {"type": "integer", "minimum": 1, "maximum": TURNS_MAX},
                },
            }),
        }
    }

    fn traits(&self) -> ToolTraits {
        ToolTraits { is_idempotent: true, deadline: DEADLINE }
    }

    fn call<'a>(&'a self, call: &'a Invocation) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move {
            let limit = count(call, "limit", TURNS_DEFAULT).min(TURNS_MAX);
            let (deps, reach, call) = (self.deps.clone(), self.reach.clone(), call.clone());
            blocking(move || {
                let session = reached(&deps.store, &reach, &call)?;
                let said: Vec<(_, Exchange)> =
                    deps.store.tail(&exchange_prefix(&session.key), limit).map_err(failed)?;
                Ok(view::history(said.into_iter().map(|(_, exchange)| exchange)))
            })
            .await
        })
    }
}

/// The session a call names, if it is there and within reach. Who may not know of a session is told
/// no more than whose agent it belongs to, which its key says already.
fn reached(store: &Store, reach: &Reach, call: &Invocation) -> Result<SessionRecord, String> {
    let named = required(call, "sessionKey")?;
    let key = SessionKey::parse(named.trim()).map_err(|error| error.to_string())?;
    let found: Option<SessionRecord> = store.get(&session_key(&key)).map_err(failed)?;
    let agent = match &found {
        Some(record) => record.agent.clone(),
        None => key.agent().unwrap_or_default(),
    };
    reach.check((&call.session, &call.agent), (&key, &agent))?;
    found.ok_or_else(|| format!("there is no session {key}; ask sessions_list"))
}

fn failed(error: StoreError) -> String {
    format!("the sessions can't be read: {error}")
}

fn spec_of_text(chars_max: usize) -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": chars_max})
}
