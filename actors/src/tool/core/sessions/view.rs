//! How sessions and what was said in them are shown to a model.

use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::message::SessionKey;
use crate::session::Exchange;

/// Characters of one thing said.
const SAID_CHARS_MAX: usize = 4000;

/// A session somebody may see.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) key: SessionKey,
    pub(super) agent: String,
    pub(super) is_own: bool,
    pub(super) last_at: Timestamp,
    pub(super) place: Option<String>,
}

/// The first `limit` sessions, one JSON object a line.
pub(super) fn list(seen: &[Seen], limit: usize) -> String {
    if seen.is_empty() {
        return "there are no sessions you can see".into();
    }
    let mut text = String::new();
    for seen in seen.iter().take(limit) {
        let line = json!({
            "sessionKey": seen.key.as_str(),
            "agentId": seen.agent,
            "current": seen.is_own,
            "lastAtMs": seen.last_at.0,
            "place": seen.place,
        });
        text.push_str(&format!("{line}\n"));
    }
    if seen.len() > limit {
        text.push_str(&format!("[{} more]\n", seen.len() - limit));
    }
    text
}

/// Turns, one JSON object a message.
pub(super) fn history(exchanges: impl Iterator<Item = Exchange>) -> String {
    let mut text = String::new();
    for exchange in exchanges {
        for said in &exchange.said {
            let line = line("user", &said.sender, &said.text, said.sent_at);
            text.push_str(&format!("{line}\n"));
        }
        let line = line("assistant", &exchange.model, &exchange.answer, exchange.finished_at);
        text.push_str(&format!("{line}\n"));
    }
    if text.is_empty() { "nothing was said there yet".into() } else { text }
}

fn line(role: &str, by: &str, text: &str, at: Timestamp) -> Value {
    let cut: String = text.chars().take(SAID_CHARS_MAX).collect();
    let is_cut = cut.len() < text.len();
    json!({"role": role, "by": by, "atMs": at.0, "text": cut, "cut": is_cut})
}
