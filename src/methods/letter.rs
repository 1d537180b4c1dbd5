//! Dead letters as they are shown.

use serde_json::{Value, json};
use telson_actors::dead_letter::{DeadLetter, Item};
use telson_actors::event::excerpt;
use telson_actors::store::Damaged;

/// One line of a list.
pub(super) fn short(letter: &DeadLetter) -> Value {
    let (kind, from_or_to, text) = parts(letter);
    json!({
        "id": letter.id.to_string(),
        "at": letter.at,
        "kind": kind,
        "reason": letter.reason.name(),
        "detail": letter.reason.to_string(),
        "who": from_or_to,
        "text": excerpt(&text),
    })
}

/// Everything about it.
pub(super) fn whole(letter: &DeadLetter) -> Value {
    let mut value = short(letter);
    let (_, _, text) = parts(letter);
    value["text"] = json!(text);
    match &letter.item {
        Item::Inbound(record) => {
            value["message"] = json!(record.envelope.id.to_string());
            value["session"] = json!(record.session.to_string());
            value["platformId"] = json!(record.envelope.inbound.dedupe_key);
            value["admittedAt"] = json!(record.envelope.admitted_at);
        }
        Item::Outbound(entry) => {
            value["entry"] = json!(entry.id.to_string());
            value["session"] = json!(entry.session.to_string());
            value["to"] = json!(entry.to.to_string());
            value["attempts"] = json!(entry.attempts);
            value["notes"] = entry
                .notes
                .iter()
                .map(|note| json!({"at": note.at, "outcome": note.outcome}))
                .collect();
        }
        Item::Row { account, platform_id } => {
            value["account"] = json!(account.to_string());
            value["platformId"] = json!(platform_id);
        }
    }
    value
}

/// One line about a damaged record.
pub(super) fn damaged(damaged: &Damaged) -> Value {
    json!({
        "id": damaged.id(),
        "kind": damaged.kind(),
        "reason": damaged.reason,
        "where": damaged.place(),
        "text": excerpt(&damaged.text()),
    })
}

/// Everything about it, as it was found.
pub(super) fn damaged_whole(record: &Damaged) -> Value {
    let mut value = damaged(record);
    value["text"] = json!(record.text());
    let hex = crate::hex::hex(&record.value);
    value["bytes"] = json!(hex);
    value
}

fn parts(letter: &DeadLetter) -> (&'static str, String, String) {
    match &letter.item {
        Item::Inbound(record) => {
            let inbound = &record.envelope.inbound;
            ("message", inbound.sender.clone(), inbound.text.clone())
        }
        Item::Outbound(entry) => ("reply", entry.to.shown_target(), entry.text.clone()),
        Item::Row { platform_id, .. } => ("row", platform_id.clone(), String::new()),
    }
}
