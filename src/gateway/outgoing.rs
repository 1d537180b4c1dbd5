//! What one connection is told: which events, in which frame, with which number.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::hub::{Forgotten, Hub, HubEvent};
use crate::frame::ErrorBody;
use crate::methods::Caller;

/// The outgoing side of a connection.
#[derive(Debug)]
pub(super) struct Outgoing {
    hub: Hub,
    topics: BTreeSet<String>,
    seq: u64,
}

impl Outgoing {
    pub(super) fn new(hub: Hub) -> Self {
        Self { hub, topics: BTreeSet::new(), seq: 0 }
    }

    /// How many there are is bounded where they are asked for.
    pub(super) fn subscribe(&mut self, topic: String) {
        if !self.topics.contains(&topic) {
            self.hub.want(&topic, true);
            self.topics.insert(topic);
        }
    }

    pub(super) fn unsubscribe(&mut self, topic: &str) {
        if self.topics.remove(topic) {
            self.hub.want(topic, false);
        }
    }

    /// The frame of an event, if this connection is to have it.
    ///
    /// # Errors
    /// It was to have it, and what it says is forgotten.
    pub(super) fn event(
        &mut self,
        event: &HubEvent,
        caller: &Caller,
    ) -> Result<Option<String>, Forgotten> {
        let is_allowed = event.scope.is_none_or(|scope| caller.may(scope));
        let is_wanted =
            event.topics.is_empty() || event.topics.iter().any(|topic| self.topics.contains(topic));
        if !is_allowed || !is_wanted {
            return Ok(None);
        }
        let payload = event.text().ok_or(Forgotten)?;
        Ok(Some(self.numbered(event.name, &payload)))
    }

    /// The frame of an event that is for this connection.
    pub(super) fn numbered(&mut self, name: &str, payload: &str) -> String {
        self.seq += 1;
        let seq = self.seq;
        format!(r#"{{"type":"event","event":"{name}","payload":{payload},"seq":{seq}}}"#)
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        for topic in &self.topics {
            self.hub.want(topic, false);
        }
    }
}

/// The frame of an event outside the numbering, before a client is let in.
pub(super) fn challenge(nonce: &str, ts: i64) -> String {
    json!({
        "type": "event",
        "event": "connect.challenge",
        "payload": {"nonce": nonce, "ts": ts, "capabilities": []},
    })
    .to_string()
}

/// The frame of an answer whose payload is written already.
pub(super) fn answer_text(id: &Value, result: Result<Arc<str>, ErrorBody>) -> String {
    match result {
        Ok(payload) => format!(r#"{{"type":"res","id":{id},"ok":true,"payload":{payload}}}"#),
        Err(error) => answer(id, Err(error)),
    }
}

/// The frame of an answer.
pub(super) fn answer(id: &Value, result: Result<Value, ErrorBody>) -> String {
    match result {
        Ok(payload) => json!({"type": "res", "id": id, "ok": true, "payload": payload}),
        Err(error) => json!({"type": "res", "id": id, "ok": false, "error": error}),
    }
    .to_string()
}
