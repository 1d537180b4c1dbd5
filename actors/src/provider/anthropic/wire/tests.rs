//! Requests as they leave, answers as they are known to arrive, and arbitrary bytes.

use proptest::prelude::*;

use super::*;
use crate::provider::answer::Decoder as _;
use crate::provider::{Reasoning, ToolCall, ToolResult, Usage};

fn request() -> Request {
    let turn = TurnMessage::text;
    Request {
        model: "m".to_owned(),
        system: "be brief".to_owned(),
        messages: vec![
            turn(Role::User, "hi"),
            turn(Role::Assistant, ""),
            turn(Role::Assistant, "hello"),
            turn(Role::User, "again"),
        ],
        tools: Vec::new(),
        may_call: true,
        must_call: false,
        output_tokens_max: 7,
    }
}

/// Thinking as the server wants to see it again.
fn thinking(text: &str, signature: &str) -> Part {
    let block = json!({"type": "thinking", "thinking": text, "signature": signature});
    Part::Reasoning(Reasoning { format: FORMAT.into(), block: block.to_string() })
}

const START: &str = r#"{"type":"message_start","message":{"id":"x","content":[],"usage":
    {"input_tokens":5,"cache_read_input_tokens":20,"cache_creation_input_tokens":100,"output_tokens":1}}}"#;

#[test]
fn a_request_keeps_the_system_prompt_apart() {
    let mut request = request();
    let body: Value = serde_json::from_str(&encode(&request)).unwrap();
    let expected = json!({
        "model": "m",
        "system": "be brief",
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "hello"},
            {"role": "user", "content": "again"},
        ],
        "max_tokens": 7,
        "stream": true,
    });
    assert_eq!(body, expected);
    request.system = " ".to_owned();
    let body: Value = serde_json::from_str(&encode(&request)).unwrap();
    assert_eq!(body.get("system"), None);
}

#[test]
fn a_stream_gives_text_usage_and_reason() {
    let events = [
        START,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hel"}}"#,
        r#"{"type":"something_new","text":"no"}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"lo"}}"#,
        r#"{"type":"content_block_stop","index":1}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":9}}"#,
    ];
    let mut decoder = Decoder::default();
    let mut pieces = Vec::new();
    for data in events {
        match decoder.event(data).unwrap() {
            Progress::Text(text) => pieces.push(text.to_owned()),
            other => assert_eq!(other, Progress::Quiet, "{data}"),
        }
    }
    assert_eq!(pieces, ["Hel", "lo"]);
    assert!(!decoder.is_whole(), "only message_stop ends a message");
    assert_eq!(decoder.event(r#"{"type":"message_stop"}"#), Ok(Progress::Done));
    assert!(decoder.is_whole());
    assert_eq!(
        decoder.finish(),
        Ok(Completion {
            parts: vec![thinking("hm", "s"), Part::Text("Hello".to_owned())],
            usage: Usage { input: 125, output: 9 },
            stop: StopReason::Length,
        })
    );
}

#[test]
fn errors_and_unknown_events_are_told_apart() {
    let event = |data| Decoder::default().event(data).map(|progress| progress == Progress::Error);
    let error = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    assert_eq!(event(error), Ok(true));
    for quiet in ["", "{}", "null", "7", r#"{"type":7}"#, r#"{"type":"message_start"}"#] {
        assert_eq!(event(quiet), Ok(false), "{quiet}");
    }
    assert_eq!(event("{oops").unwrap_err().class, FailureClass::Format);
}

#[test]
fn a_plain_document_is_an_answer_too() {
    let mut decoder = Decoder::default();
    let body = r#"{"type":"message","content":[{"type":"thinking","thinking":"hm"},
        {"type":"text","text":"Hi"},{"type":"text","text":"!"}],"stop_reason":"refusal",
        "usage":{"input_tokens":2,"output_tokens":3}}"#;
    assert_eq!(decoder.document(body), Ok(Progress::Text("Hi!")));
    let completion = decoder.finish().unwrap();
    assert_eq!(completion.stop, StopReason::Refusal);
    assert_eq!(completion.usage, Usage { input: 2, output: 3 });
    let other = Decoder::default().document(r#"{"status":"up"}"#).unwrap_err();
    assert_eq!(other.class, FailureClass::Format);
    let error = r#"{"type":"error","error":{"type":"api_error","message":"m"}}"#;
    assert_eq!(Decoder::default().document(error), Ok(Progress::Error));
}

#[test]
fn tools_their_calls_and_their_results_go_out() {
    let call = Part::Call(ToolCall {
        id: "t1".into(),
        name: "clock".into(),
        arguments: r#"{"zone":"CET"}"#.into(),
        signature: None,
    });
    let result = Part::Result(ToolResult {
        call: "t1".into(),
        name: "clock".into(),
        text: "no such zone".into(),
        status: ToolStatus::Failed,
    });
    let foreign = Part::Reasoning(Reasoning { format: "another".into(), block: "{}".into() });
    let blank = Part::Text(" ".into());
    let request = Request {
        messages: vec![
            TurnMessage {
                role: Role::Assistant,
                parts: vec![foreign, thinking("hm", "s"), blank, call],
            },
            TurnMessage { role: Role::User, parts: vec![result, Part::Text("and now?".into())] },
        ],
        tools: vec![ToolSpec {
            name: "clock".into(),
            description: "Tells the time.".into(),
            parameters: json!({"type": "object"}),
        }],
        ..request()
    };
    let body: Value = serde_json::from_str(&encode(&request)).unwrap();
    assert_eq!(
        body["messages"],
        json!([
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "tool_use", "id": "t1", "name": "clock", "input": {"zone": "CET"}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "no such zone", "is_error": true},
                {"type": "text", "text": "and now?"},
            ]},
        ])
    );
    let tool = json!([{
        "name": "clock", "description": "Tells the time.", "input_schema": {"type": "object"},
    }]);
    assert_eq!(body["tools"], tool);
}

#[test]
fn calls_come_in_pieces_and_hidden_thinking_whole() {
    let mut decoder = Decoder::default();
    for data in [
        START,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"redacted_thinking","data":"x"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"a","name":"clock","input":{}}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"zo"}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"ne\":1}"}}"#,
        r#"{"type":"content_block_stop","index":1}"#,
        r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"b","name":"clock","input":{}}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"}}"#,
    ] {
        assert_eq!(decoder.event(data), Ok(Progress::Quiet), "{data}");
    }
    let completion = decoder.finish().unwrap();
    let calls: Vec<_> = completion.calls().map(|call| (&*call.id, &*call.arguments)).collect();
    assert_eq!(calls, [("a", r#"{"zone":1}"#), ("b", "{}")]);
    assert_eq!(completion.stop, StopReason::Tools);
    let Part::Reasoning(hidden) = &completion.parts[0] else { panic!("{completion:?}") };
    let hidden: Value = serde_json::from_str(&hidden.block).unwrap();
    assert_eq!(hidden, json!({"type": "redacted_thinking", "data": "x"}));
    let mut whole = Decoder::default();
    let body = r#"{"content":[{"type":"tool_use","id":"a","name":"x","input":{"n":1}}],"stop_reason":"tool_use"}"#;
    assert_eq!(whole.document(body), Ok(Progress::Quiet));
    assert_eq!(whole.finish().unwrap().calls().next().unwrap().arguments, r#"{"n":1}"#);
}

proptest! {
    #[test]
    fn arbitrary_data_never_panics(data in ".{0,200}") {
        let read = Decoder::default().event(&data).map(|_| ()).err();
        prop_assert!(read.is_none_or(|failure| failure.class == FailureClass::Format));
        let read = Decoder::default().document(&data).map(|_| ()).err();
        prop_assert!(read.is_none_or(|failure| failure.class == FailureClass::Format));
    }

    #[test]
    fn odd_shapes_never_panic(
        kind in "message_start|content_block_start|content_block_delta|message_delta|error",
        field in "message|content_block|delta|usage|error",
        odd in "null|7|-1|\"x\"|\\[\\]|\\{\\}|\\[null\\]|\\{\"type\":\"text\",\"text\":7\\}",
    ) {
        let data = format!(r#"{{"type":"{kind}","{field}":{odd}}}"#);
        let expected = if kind == "error" { Progress::Error } else { Progress::Quiet };
        let mut decoder = Decoder::default();
        prop_assert_eq!(decoder.event(&data), Ok(expected));
    }

    #[test]
    fn token_counts_never_overflow(counts: [u64; 3]) {
        let usage = json!({
            "input_tokens": counts[0],
            "cache_read_input_tokens": counts[1],
            "cache_creation_input_tokens": counts[2],
        });
        let mut decoder = Decoder::default();
        let event = json!({"type": "message_delta", "usage": usage}).to_string();
        prop_assert_eq!(decoder.event(&event), Ok(Progress::Quiet));
        let sum = counts.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
        prop_assert_eq!(decoder.answer.usage.input, sum);
    }

    #[test]
    fn text_survives_the_way_out_and_the_way_in(text in "(?s).*") {
        let mut request = request();
        request.messages[0] = TurnMessage::text(Role::User, format!("x{text}"));
        let body: Value = serde_json::from_str(&encode(&request)).unwrap();
        prop_assert_eq!(&body["messages"][0]["content"], &json!(format!("x{text}")));

        let delta = json!({"type": "text_delta", "text": text});
        let event = json!({"type": "content_block_delta", "delta": delta}).to_string();
        let mut decoder = Decoder::default();
        let expected = if text.is_empty() { Progress::Quiet } else { Progress::Text(&text) };
        prop_assert_eq!(decoder.event(&event), Ok(expected));
    }
}

#[test]
fn a_call_can_be_demanded() {
    let mut request = request();
    let (name, description) = ("look".to_owned(), String::new());
    request.tools = vec![ToolSpec { name, description, parameters: json!({"type": "object"}) }];
    (request.may_call, request.must_call) = (true, true);
    let body: Value = serde_json::from_str(&encode(&request)).unwrap();
    assert_eq!(body.pointer("/tool_choice/type"), Some(&json!("any")));
    request.may_call = false;
    let body: Value = serde_json::from_str(&encode(&request)).unwrap();
    assert_ne!(body.pointer("/tool_choice/type"), Some(&json!("any")), "not when it may not call");
}
