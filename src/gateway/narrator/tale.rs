//! The events of one run, in the shapes of the gateway protocol. Pure.

use serde_json::{Map, Value, json};
use telson_actors::clock::Timestamp;
use telson_actors::event::AttemptFailed;

/// The topic of the list of sessions.
pub(crate) const SESSIONS: &str = "sessions";

/// The topic and the event of models that give no answer.
pub(crate) const ATTEMPTS: &str = "telson.attempt";

/// The topic of one session.
pub(crate) fn topic_of(session: &str) -> String {
    format!("session:{session}")
}

/// An event for those who asked for its topic, or for everybody who may look.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) name: &'static str,
    pub(crate) topic: Option<String>,
    pub(crate) payload: Value,
}

/// Telling about one run.
pub(super) struct Tale<'a> {
    pub(super) run: String,
    pub(super) session: &'a str,
    pub(super) agent: &'a str,
    /// Counts what is told of the run.
    pub(super) seq: &'a mut u64,
    pub(super) now: Timestamp,
    pub(super) told: Vec<Told>,
}

impl Tale<'_> {
    /// An `agent` event: the next in the run's own numbering.
    pub(super) fn agent(&mut self, stream: &str, mut data: Value) {
        *self.seq += 1;
        data["sessionKey"] = json!(self.session);
        let payload = json!({
            "runId": self.run,
            "seq": *self.seq,
            "stream": stream,
            "ts": self.now.0,
            "data": data,
        });
        self.told.push(Told { name: "agent", topic: None, payload });
    }

    /// A `chat` event, at the place in the numbering that the run has reached.
    pub(super) fn chat(&mut self, state: &str, fields: Value) {
        let mut payload = Map::new();
        payload.insert("runId".into(), json!(self.run));
        payload.insert("sessionKey".into(), json!(self.session));
        payload.insert("agentId".into(), json!(self.agent));
        payload.insert("seq".into(), json!(*self.seq));
        payload.insert("state".into(), json!(state));
        if let Value::Object(fields) = fields {
            payload.extend(fields);
        }
        self.told.push(Told { name: "chat", topic: None, payload: Value::Object(payload) });
    }

    /// A model has given no answer: for those who asked to hear of it, since the protocol has no word
    /// for it.
    pub(super) fn attempt(&mut self, failed: &AttemptFailed) {
        let AttemptFailed { model, class, reason, next, pause_ms, .. } = failed;
        let payload = json!({
            "sessionKey": self.session,
            "agentId": self.agent,
            "runId": self.run,
            "ts": self.now.0,
            "model": model,
            "class": class,
            "reason": reason,
            "next": next,
            "retryInMs": pause_ms,
        });
        self.told.push(Told { name: ATTEMPTS, topic: Some(ATTEMPTS.to_owned()), payload });
    }

    /// The session's row in lists has changed.
    pub(super) fn changed(&mut self, phase: &str) {
        let payload = json!({
            "sessionKey": self.session,
            "agentId": self.agent,
            "phase": phase,
            "runId": self.run,
            "ts": self.now.0,
        });
        let topic = Some(SESSIONS.to_owned());
        self.told.push(Told { name: "sessions.changed", topic, payload });
    }

    /// A text as a message of the agent.
    pub(super) fn message(&self, text: &str) -> Value {
        json!({
            "role": "assistant",
            "content": [{"type": "text", "text": text}],
            "timestamp": self.now.0,
        })
    }
}
