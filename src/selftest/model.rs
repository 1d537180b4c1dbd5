//! The model of a swept service: it notes every fourth message with a tool before it answers, and
//! repeats the lines with a mark. A real HTTP server, so that the service asks it as it asks any
//! other.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;

use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Every how many messages one is noted.
const NOTED_EVERY: u32 = 4;

/// Listens on a free port of this machine.
pub(super) struct Model {
    listener: TcpListener,
    address: SocketAddr,
}

impl Model {
    pub(super) async fn bind() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Where it is asked.
    pub(super) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Answers for as long as it is polled.
    pub(super) async fn serve(self) -> io::Result<Infallible> {
        let answers = post(|Json(request): Json<Value>| async move { Json(answer(&request)) });
        let routes = Router::new().route("/v1/chat/completions", answers);
        axum::serve(self.listener, routes).await?;
        Err(io::Error::other("the model has stopped answering"))
    }
}

/// Whether the message of this number is noted.
pub(super) fn is_noted(number: u32) -> bool {
    number.is_multiple_of(NOTED_EVERY)
}

/// One document, as a server answers that does not stream.
fn answer(request: &Value) -> Value {
    let message = message(request["messages"].as_array().map_or(&[], Vec::as_slice));
    json!({
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20},
    })
}

/// What it says next in the running turn: what is not noted yet is noted first.
fn message(messages: &[Value]) -> Value {
    let ends_turn = |message: &Value| {
        message["role"] == "assistant" && message["tool_calls"].as_array().is_none_or(Vec::is_empty)
    };
    let begin = messages.iter().rposition(ends_turn).map_or(0, |at| at + 1);
    let turn = messages.get(begin..).unwrap_or_default();
    let said = turn.iter().filter(|message| message["role"] == "user");
    let said: Vec<&str> = said.filter_map(|message| message["content"].as_str()).collect();
    let called = turn.iter().filter_map(|message| message["tool_calls"].as_array()).flatten();
    let called: BTreeSet<u32> = called
        .filter_map(|call| call.pointer("/function/arguments").and_then(Value::as_str))
        .flat_map(numbers)
        .collect();
    let wanted: BTreeSet<u32> = said.iter().flat_map(|text| numbers(text)).collect();
    let missing = wanted.difference(&called).filter(|number| is_noted(**number));
    let calls: Vec<Value> = missing.map(|number| call(*number)).collect();
    if calls.is_empty() {
        // Jobs and heartbeats come with advice around them, which nobody wants to read.
        let lines = said.iter().flat_map(|text| text.lines());
        let marked: Vec<&str> = lines.filter(|line| !numbers(line).is_empty()).collect();
        let content = format!("echo: {}", marked.join("\n\n"));
        return json!({"role": "assistant", "content": content});
    }
    json!({"role": "assistant", "content": null, "tool_calls": calls})
}

/// Writes the mark down, in the agent's workspace.
fn call(number: u32) -> Value {
    let arguments = json!({"command": format!("echo '[#{number}]' >> notes")}).to_string();
    json!({"id": format!("c{number}"), "type": "function",
           "function": {"name": "exec", "arguments": arguments}})
}

/// The numbers of the marks in a text.
fn numbers(text: &str) -> Vec<u32> {
    let pieces = text.split("[#").skip(1);
    pieces.filter_map(|piece| piece.split_once(']')?.0.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(role: &str, content: &str) -> Value {
        json!({"role": role, "content": content})
    }

    #[test]
    fn what_has_to_be_noted_is_noted_once_and_then_answered() {
        let old = [said("user", "[#4] old"), said("assistant", "echo: [#4] old")];
        let asked = [&old[..], &[said("user", "[#8] one\n\n[#9] two")]].concat();
        let first = message(&asked);
        let calls = first["tool_calls"].as_array().unwrap();
        assert_eq!(calls.len(), 1, "{first}");
        assert!(calls[0].to_string().contains("[#8]"), "{first}");
        // Another message was put into the turn behind the result.
        let result = json!({"role": "tool", "tool_call_id": "c8", "content": "[exit code 0]"});
        let more = [&asked[..], &[first, result, said("user", "[#12] three")]].concat();
        let second = message(&more);
        assert!(second["tool_calls"][0].to_string().contains("[#12]"), "{second}");
        let done = [&more[..], &[second, json!({"role": "tool", "content": ""})]].concat();
        assert_eq!(message(&done)["content"], "echo: [#8] one\n\n[#9] two\n\n[#12] three");
        let woken = [said("user", "System: [08:00:00] [#5] tea\n\nSay HEARTBEAT_OK if not.")];
        assert_eq!(message(&woken)["content"], "echo: System: [08:00:00] [#5] tea");
    }
}
