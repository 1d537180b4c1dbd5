//! `telson why`: the journey of a message.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::Place;
use super::exit::Failure;
use super::output::{Output, Tone};
use super::remote::Line;
use super::time::moment;

/// Journeys of one answer at most.
pub(super) const LIMIT_MAX: u64 = 1_000;

pub(super) async fn run(
    place: &Place,
    query: &str,
    limit: u64,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let mut client = Line::open(place).await?;
    let answer = client.call("telson.why", json!({"query": query, "limit": limit})).await?;
    let journeys = answer["journeys"].as_array().cloned().unwrap_or_default();
    if journeys.is_empty() {
        let text = format!("nothing in the journal matches {query:?}");
        output.show(&json!({"ok": false, "journeys": []}), || text);
        return Ok(ExitCode::FAILURE);
    }
    output.show(&answer, || {
        let shown: Vec<_> = journeys.iter().map(|journey| text(*output, journey)).collect();
        let total = answer["total"].as_u64().unwrap_or(0);
        let more = match total.saturating_sub(journeys.len() as u64) {
            0 => String::new(),
            more => {
                format!("\nand {more} more: --limit {} shows them\n", total.min(LIMIT_MAX))
            }
        };
        shown.join("\n") + &more
    });
    Ok(ExitCode::SUCCESS)
}

fn text(output: Output, journey: &Value) -> String {
    let mut text = String::new();
    let state = journey["state"].as_str().unwrap_or("?");
    let tone = match state {
        "answered" => Tone::Good,
        "waiting" => Tone::Warn,
        _ => Tone::Bad,
    };
    text.push_str(&output.paint(tone, state));
    if let Some(reason) = journey["reason"].as_str() {
        text.push_str(&format!(": {reason}"));
    }
    text.push('\n');
    message(&journey["message"], &mut text);
    replays(&journey["replayed"], &mut text);
    turn(&journey["turn"], &mut text);
    for entry in journey["entries"].as_array().into_iter().flatten() {
        self::entry(output, entry, &mut text);
    }
    text
}

fn message(message: &Value, text: &mut String) {
    if message.is_null() {
        return;
    }
    let id = message["id"].as_str().unwrap_or("-");
    let (sender, said) = (quoted(&message["sender"]), quoted(&message["text"]));
    text.push_str(&format!("  {id}  from {sender}: {said}\n"));
    if let Some(platform_id) = message["platform_id"].as_str() {
        text.push_str(&format!("      platform id {platform_id}\n"));
    }
    for (key, label) in [("sent_at", "written"), ("admitted_at", "admitted")] {
        let at = moment(&message[key]);
        if !at.is_empty() {
            text.push_str(&format!("      {label} {at}\n"));
        }
    }
    if let Some(session) = message["session"].as_str() {
        text.push_str(&format!("      session {session}\n"));
    }
}

/// What a message or an entry was before a person put it back to work.
fn replays(replays: &Value, text: &mut String) {
    for replay in replays.as_array().into_iter().flatten() {
        let cell = |key: &str| replay[key].as_str().unwrap_or("?");
        let (letter, was, reason) = (cell("dead_letter"), cell("was"), cell("reason"));
        let (at, since) = (moment(&replay["at"]), moment(&replay["dead_since"]));
        text.push_str(&format!("      {at} replayed from dead letter {letter}, which was {was}\n"));
        text.push_str(&format!("        since {since}: {reason}\n"));
        if !replay["said"].is_null() {
            text.push_str(&format!("        and said {}\n", quoted(&replay["said"])));
        }
    }
}

fn turn(turn: &Value, text: &mut String) {
    // What the gateway itself answers has no model.
    if turn.is_null() || turn["model"] == "" {
        return;
    }
    text.push_str(&format!(
        "  turn {} with {}, {} message(s), {} to {}\n",
        turn["turn"],
        turn["model"].as_str().unwrap_or("?"),
        turn["messages"],
        moment(&turn["started_at"]),
        moment(&turn["finished_at"]),
    ));
}

fn entry(output: Output, entry: &Value, text: &mut String) {
    let state = entry["state"].as_str().unwrap_or("?");
    let tone = if state == "delivered" { Tone::Good } else { Tone::Warn };
    text.push_str(&format!(
        "  {}  {} to {}: {}\n",
        entry["id"].as_str().unwrap_or("-"),
        output.paint(tone, state),
        entry["to"].as_str().unwrap_or("?"),
        quoted(&entry["text"]),
    ));
    replays(&entry["replayed"], text);
    for note in entry["notes"].as_array().into_iter().flatten() {
        let outcome = note["outcome"].as_str().unwrap_or("?");
        text.push_str(&format!("      {} {outcome}\n", moment(&note["at"])));
    }
    let delivered = moment(&entry["delivered_at"]);
    if !delivered.is_empty() {
        let platform_id = entry["platform_id"].as_str().unwrap_or("");
        text.push_str(&format!("      {delivered} delivered {platform_id}\n"));
    }
}

/// One line of a text, in quotes.
fn quoted(value: &Value) -> String {
    let text = value.as_str().unwrap_or("");
    let excerpt = telson_actors::event::excerpt(text);
    format!("\"{excerpt}\"")
}
