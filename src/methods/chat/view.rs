//! Conversations as the gateway protocol shows them. Pure.
//!
//! An exchange of the transcript becomes a row of messages: what people wrote, what the agent and
//! its tools said in between, and the answer. Ids name where a message is kept: `m7` the message
//! with that number, `t7` the answer of that turn, `t7.2` one of its steps, `w9` a message web chat
//! keeps beside the transcript.

use serde_json::{Value, json};
use telson_actors::channel::webchat::ChatRecord;
use telson_actors::clock::Timestamp;
use telson_actors::inbox::InboxRecord;
use telson_actors::message::SessionKey;
use telson_actors::provider::{Part, Role, ToolCall, ToolResult, ToolStatus, TurnMessage};
use telson_actors::reply::is_silent;
use telson_actors::session::command::Command;
use telson_actors::session::{Exchange, Said};

/// What the dedupe keys of messages from the gateway's clients begin with.
const CHAT: &str = "chat:";
/// What the runs of all other messages begin with.
const TURN: &str = "turn-";

/// The dedupe key of a client's idempotency key.
pub(crate) fn dedupe_of(run: &str) -> String {
    format!("{CHAT}{run}")
}

/// What the run of a message is called: a client's own key, or made of its number.
pub(crate) fn run_of(dedupe_key: &str, id: u64) -> String {
    dedupe_key.strip_prefix(CHAT).map_or_else(|| format!("{TURN}{id}"), str::to_owned)
}

/// The number in a name that [`run_of`] has made.
pub(crate) fn number_of_run(run: &str) -> Option<u64> {
    run.strip_prefix(TURN)?.parse().ok()
}

/// The agent of a session.
pub(crate) fn agent_of(session: &SessionKey) -> String {
    session.agent().unwrap_or_else(|| "main".into())
}

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shown {
    pub(crate) id: String,
    pub(crate) at: Timestamp,
    pub(crate) value: Value,
}

impl Shown {
    fn new(id: String, at: Timestamp, mut value: Value, mut own: Value) -> Self {
        own["id"] = json!(id);
        own["recordTimestampMs"] = json!(at.0);
        value["__openclaw"] = own;
        Self { id, at, value }
    }
}

/// What people wrote in an exchange.
pub(crate) fn said(said: &Said) -> Shown {
    let id = said.envelope.0;
    user(id, &said.platform_id, &said.sender, &said.text, (said.sent_at, said.admitted_at))
}

/// A message that waits for its answer.
pub(crate) fn waiting(record: &InboxRecord) -> Shown {
    let (envelope, inbound) = (&record.envelope, &record.envelope.inbound);
    let times = (inbound.sent_at, envelope.admitted_at);
    user(envelope.id.0, &inbound.dedupe_key, &inbound.sender, &inbound.text, times)
}

/// A message web chat keeps, and the session that has announced it, if one has.
pub(crate) fn kept(record: &ChatRecord, from: Option<&SessionKey>) -> Shown {
    let model = if record.entry.is_some() { "gateway" } else { "gateway-injected" };
    let value = json!({
        "role": "assistant",
        "content": [text(&record.text)],
        "provider": "telson",
        "model": model,
        "stopReason": "stop",
        "timestamp": record.at.0,
    });
    let mut own = json!({"number": record.number});
    if let Some(from) = from.filter(|from| from.as_str() != record.session) {
        own["announcedBy"] = json!(from.as_str());
    }
    Shown::new(format!("w{}", record.number), record.at, value, own)
}

/// All messages of an exchange, in order.
pub(crate) fn exchange(exchange: &Exchange) -> Vec<Shown> {
    let mut shown: Vec<Shown> = exchange.said.iter().map(said).collect();
    let run = run_of_exchange(exchange);
    let at = exchange.finished_at;
    for (number, message) in (1..).zip(&exchange.steps) {
        for (place, value) in (1..).zip(step(message, exchange)) {
            let id = format!("t{}.{number}.{place}", exchange.turn);
            shown.push(Shown::new(id, at, value, json!({"runId": run})));
        }
    }
    shown.extend(answer(exchange));
    shown
}

/// The answer of an exchange, unless there is none to be seen.
pub(crate) fn answer(exchange: &Exchange) -> Option<Shown> {
    let (provider, model) = model_of(exchange);
    let usage = exchange.usage;
    let value = json!({
        "role": "assistant",
        "content": [text(answer_text(exchange)?)],
        "provider": provider,
        "model": model,
        "usage": {
            "input": usage.input,
            "output": usage.output,
            "totalTokens": usage.input.saturating_add(usage.output),
        },
        "stopReason": "stop",
        "timestamp": exchange.finished_at.0,
    });
    let id = format!("t{}", exchange.turn);
    let own = json!({"runId": run_of_exchange(exchange)});
    Some(Shown::new(id, exchange.finished_at, value, own))
}

/// What was answered; nothing where the agent chose silence, a hook stopped it, or the turn was
/// ended before.
pub(crate) fn answer_text(exchange: &Exchange) -> Option<&str> {
    let answer = exchange.answer.as_str();
    let is_sent = !exchange.entries.is_empty() || exchange.is_of_gateway();
    (is_sent && exchange.unanswered().is_none() && !is_silent(answer)).then_some(answer)
}

/// The provider and the model of an exchange.
pub(crate) fn model_of(exchange: &Exchange) -> (&str, &str) {
    if exchange.is_of_gateway() {
        return ("telson", "gateway");
    }
    exchange.model.split_once('/').unwrap_or(("", &exchange.model))
}

/// The run under which a turn is told: that of its first message.
pub(crate) fn run_of_exchange(exchange: &Exchange) -> String {
    let first = exchange.said.iter().find(|said| said.envelope.0 == exchange.turn);
    first.map_or_else(|| run_of("", exchange.turn), |said| run_of(&said.platform_id, exchange.turn))
}

fn user(id: u64, key: &str, sender: &str, said: &str, (sent, at): (Timestamp, Timestamp)) -> Shown {
    let said = match Command::parse(said) {
        // How it wanted to wait is not what it says.
        Some(Command::Once(_, said)) => said,
        _ => said.to_owned(),
    };
    let mut value = json!({"role": "user", "content": said, "timestamp": sent.0});
    let mut own = json!({"runId": run_of(key, id)});
    match key.strip_prefix(CHAT) {
        Some(run) => {
            value["idempotencyKey"] = json!(format!("{run}:user"));
            own["idempotencyKey"] = json!(format!("{run}:user"));
        }
        None => own["senderId"] = json!(sender),
    }
    Shown::new(format!("m{id}"), at, value, own)
}

/// One step of a turn: the agent's words and calls are one message, each result another.
fn step(message: &TurnMessage, exchange: &Exchange) -> Vec<Value> {
    let at = exchange.finished_at.0;
    if message.role == Role::User {
        // What was steered in stands among what people wrote.
        let results = message.parts.iter().filter_map(|part| match part {
            Part::Result(result) => Some(tool_result(result, at)),
            Part::Text(_) | Part::Reasoning(_) | Part::Call(_) | Part::Media(_) => None,
        });
        return results.collect();
    }
    let content: Vec<Value> = message
        .parts
        .iter()
        .filter_map(|part| match part {
            Part::Text(said) if !said.is_empty() => Some(text(said)),
            Part::Call(call) => Some(tool_call(call)),
            Part::Text(_) | Part::Reasoning(_) | Part::Result(_) | Part::Media(_) => None,
        })
        .collect();
    let (provider, model) = model_of(exchange);
    vec![json!({
        "role": "assistant",
        "content": content,
        "provider": provider,
        "model": model,
        "stopReason": "toolUse",
        "timestamp": at,
    })]
}

fn text(said: &str) -> Value {
    json!({"type": "text", "text": said})
}

fn tool_call(call: &ToolCall) -> Value {
    let arguments: Value =
        serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!(call.arguments));
    json!({"type": "toolCall", "id": call.id, "name": call.name, "arguments": arguments})
}

fn tool_result(result: &ToolResult, at: i64) -> Value {
    json!({
        "role": "toolResult",
        "toolCallId": result.call,
        "toolName": result.name,
        "content": [text(&result.text)],
        "isError": result.status != ToolStatus::Done,
        "timestamp": at,
    })
}

/// The same message with its texts cut to `chars_max`; whether anything was cut.
pub(crate) fn cut(value: &mut Value, chars_max: usize) -> bool {
    let mut is_cut = false;
    if let Some(content) = value.get_mut("content") {
        match content {
            Value::String(text) => is_cut = cut_text(text, chars_max),
            Value::Array(parts) => {
                for part in parts {
                    if let Some(Value::String(text)) = part.get_mut("text") {
                        is_cut |= cut_text(text, chars_max);
                    }
                }
            }
            _ => {}
        }
    }
    if is_cut {
        value["__openclaw"]["truncated"] = json!(true);
    }
    is_cut
}

fn cut_text(text: &mut String, chars_max: usize) -> bool {
    match text.char_indices().nth(chars_max) {
        Some((at, _)) => {
            text.truncate(at);
            text.push_str("\n...(truncated)...");
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_run_is_found_again_by_its_key(run in ".{1,30}", id: u64) {
            prop_assert_eq!(run_of(&dedupe_of(&run), id), run);
            prop_assert_eq!(number_of_run(&run_of("guid", id)), Some(id));
        }

        #[test]
        fn a_cut_text_is_the_beginning_of_it(text in ".{0,40}", max in 0usize..50) {
            let mut value = json!({"content": [{"type": "text", "text": text}]});
            let is_cut = cut(&mut value, max);
            prop_assert_eq!(is_cut, text.chars().count() > max);
            let kept: String = text.chars().take(max).collect();
            prop_assert!(value["content"][0]["text"].as_str().unwrap().starts_with(&kept));
        }
    }
}
