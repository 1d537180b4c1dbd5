//! `sessions_send`: says something to the agent of another session.
//!
//! It becomes an admitted message of that session like one from a person: durable before the call
//! ends, answered by a turn of its own, where that session's answers go. Its dedupe key is made of
//! the call, so that a call made twice says it once.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::json;

use super::hops::{self, HOPS_MAX};
use super::{failed, reached, spec_of_text};
use crate::inbox::{InboxRecord, inbox_prefix};
use crate::message::session_key::{KeyParts, Place, RoomKind};
use crate::message::{ChatKind, Inbound, SessionKey};
use crate::provider::ToolSpec;
use crate::router::{Admission, Relayed};
use crate::session::SessionRecord;
use crate::tool::core::reach::Reach;
use crate::tool::core::{CoreDeps, place, required};
use crate::tool::{Invocation, Tool, ToolTraits};

/// Longest message, in characters.
const MESSAGE_CHARS_MAX: usize = 50_000;
/// An admission waits for the disk, and for room.
const DEADLINE: Duration = Duration::from_mins(1);
/// What our dedupe keys begin with; no platform's id does.
const DEDUPE_PREFIX: &str = "telson:sessions_send:";

/// See the module.
pub(in crate::tool::core) struct SessionsSend {
    pub(in crate::tool::core) deps: CoreDeps,
    pub(in crate::tool::core) reach: Arc<Reach>,
}

impl SessionsSend {
    async fn send(&self, call: &Invocation) -> Result<String, String> {
        let message = required(call, "message")?;
        let session = reached(&self.deps.store, &self.reach, call)?;
        if session.key == call.session {
            return Err("this is the session you are in; just answer".into());
        }
        let hops = self.hops(call)? + 1;
        if hops > HOPS_MAX {
            return Err(format!(
                "this message has come through {HOPS_MAX} sessions already and goes no further"
            ));
        }
        let inbound = self.inbound(call, &session, hops, message)?;
        let mut admission = Admission::new(inbound.account.clone());
        let SessionRecord { key, agent, .. } = session;
        admission.relayed.push(Relayed { session: key.clone(), agent, inbound, tools: None });
        let said = self.deps.admissions.admit(admission).await;
        let said = said.map_err(|error| format!("the message was not sent: {error}"))?;
        Ok(if said.duplicates > 0 {
            format!("{key} has the message already")
        } else {
            format!("{key} has the message; its answer goes to its own conversation")
        })
    }

    /// The longest way any message of this session has come that waits for an answer: those of the
    /// turn are among them.
    fn hops(&self, call: &Invocation) -> Result<u32, String> {
        let waiting = self.deps.store.scan::<InboxRecord>(&inbox_prefix(&call.session));
        let inbound =
            waiting.map_err(failed)?.into_iter().map(|(_, record)| record.envelope.inbound);
        let hops = inbound.map(|inbound| {
            hops::of(&inbound.sender, inbound.dedupe_key.starts_with(DEDUPE_PREFIX))
        });
        Ok(hops.max().unwrap_or(0))
    }

    fn inbound(
        &self,
        call: &Invocation,
        session: &SessionRecord,
        hops: u32,
        message: &str,
    ) -> Result<Inbound, String> {
        let to = place::of_session(&self.deps.store, &session.key).map_err(failed)?;
        let to = to.ok_or_else(|| format!("{} has no conversation to answer in", session.key))?;
        Ok(Inbound {
            account: to.account.clone(),
            dedupe_key: format!("{DEDUPE_PREFIX}{}", call.idempotency_key),
            chat: chat_of(&session.key),
            peer: to.target.clone(),
            peer_aliases: Vec::new(),
            thread: to.thread.clone(),
            sender: hops::sender(hops, &call.session),
            reply_to: to,
            text: hops::tagged(&call.session, message),
            attachments: Vec::new(),
            sent_at: self.deps.clock.now(),
        })
    }
}

fn chat_of(session: &SessionKey) -> ChatKind {
    match session.parts() {
        KeyParts::Agent { place: Place::Room { kind: RoomKind::Group, .. }, .. } => ChatKind::Group,
        KeyParts::Agent { place: Place::Room { kind: RoomKind::Channel, .. }, .. } => {
            ChatKind::Channel
        }
        KeyParts::Agent { .. } | KeyParts::Global => ChatKind::Direct,
    }
}

impl Tool for SessionsSend {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "sessions_send".into(),
            description: "Says something to the agent of another conversation. It answers there, \
                          not to you."
                .into(),
            parameters: json!({
                "type": "object",
                "required": ["sessionKey", "message"],
                "additionalProperties": false,
                "properties": {
                    "sessionKey": {"type": "string", "description": "As sessions_list tells it."},
                    "message": spec_of_text(MESSAGE_CHARS_MAX),
                },
            }),
        }
    }

    fn traits(&self) -> ToolTraits {
        // The dedupe key makes it so.
        ToolTraits { is_idempotent: true, deadline: DEADLINE }
    }

    fn call<'a>(&'a self, call: &'a Invocation) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(self.send(call))
    }
}
