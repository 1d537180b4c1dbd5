//! What one connection is told: which events, in which frame, with which number.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::hub::HubEvent;
use crate::frame::ErrorBody;
use crate::methods::Caller;

/// The outgoing side of a connection.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    topics: BTreeSet<String>,
    seq: u64,
}

impl Outgoing {
    pub(super) fn subscribe(&mut self, topic: String) {
        self.topics.insert(topic);
    }

    pub(super) fn unsubscribe(&mut self, topic: &str) {
        self.topics.remove(topic);
    }

    /// The frame of an event, if this connection is to have it.
    pub(super) fn event(&mut self, event: &HubEvent, caller: &Caller) -> Option<String> {
        let is_allowed = event.scope.is_none_or(|scope| caller.may(scope));
        let is_wanted =
            event.topics.is_empty() || event.topics.iter().any(|topic| self.topics.contains(topic));
        (is_allowed && is_wanted).then(|| self.numbered(event.name, &event.payload))
    }

    /// The frame of an event that is for this connection.
    pub(super) fn numbered(&mut self, name: &str, payload: &str) -> String {
        self.seq += 1;
        let seq = self.seq;
        format!(r#"{{"type":"event","event":"{name}","payload":{payload},"seq":{seq}}}"#)
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

/// The frame of an answer.
pub(super) fn answer(id: &Value, result: Result<Value, ErrorBody>) -> String {
    match result {
        Ok(payload) => json!({"type": "res", "id": id, "ok": true, "payload": payload}),
        Err(error) => json!({"type": "res", "id": id, "ok": false, "error": error}),
    }
    .to_string()
}
