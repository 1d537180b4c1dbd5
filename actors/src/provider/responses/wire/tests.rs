//! Requests as they leave, answers as they are known to arrive, and arbitrary bytes.

use proptest::prelude::*;

use super::*;
use crate::provider::answer::Decoder as _;
use crate::provider::{Reasoning, ToolCall, ToolResult, ToolStatus, Usage};

fn request() -> Request {
    let reasoning = |format: &str| {
        let block = r#"{"type":"reasoning","id":"r","encrypted_content":"x"}"#.to_owned();
        Part::Reasoning(Reasoning { format: format.into(), block })
    };
    Request {
        model: "m".into(),
        system: "be brief".into(),
        messages: vec![
            TurnMessage::text(Role::User, "what time is it?"),
            TurnMessage {
                role: Role::Assistant,
                parts: vec![
                    reasoning("openai-responses"),
                    reasoning("another"),
                    Part::Text("looking".into()),
                    Part::Call(ToolCall {
                        id: "c1".into(),
                        name: "clock".into(),
                        arguments: "{}".into(),
                        signature: None,
                    }),
                ],
            },
            TurnMessage {
                role: Role::User,
                parts: vec![Part::Result(ToolResult {
                    call: "c1".into(),
                    name: "clock".into(),
                    text: "12".into(),
                    status: ToolStatus::Done,
                })],
            },
        ],
        tools: vec![ToolSpec {
            name: "clock".into(),
            description: "Tells the time.".into(),
            parameters: json!({"type": "object"}),
        }],
        may_call: false,
        must_call: false,
        output_tokens_max: 7,
    }
}

#[test]
fn a_conversation_is_a_list_of_items() {
    let body: Value = serde_json::from_str(&encode(&request())).unwrap();
    assert_eq!(
        body["input"],
        json!([
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "what time is it?"}]},
            {"type": "reasoning", "id": "r", "encrypted_content": "x"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "looking"}]},
            {"type": "function_call", "call_id": "c1", "name": "clock", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "12"},
        ])
    );
    assert_eq!(body["instructions"], "be brief");
    assert_eq!((&body["store"], &body["max_output_tokens"]), (&json!(false), &json!(7)));
    assert_eq!(
        (&body["tools"][0]["name"], &body["tool_choice"]),
        (&json!("clock"), &json!("none"))
    );
}

#[test]
fn a_stream_gives_thinking_text_calls_and_usage() {
    let events = [
        r#"{"type":"response.created","response":{"id":"x","status":"in_progress"}}"#,
        r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","id":"r"}}"#,
        r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","id":"r","summary":[],"encrypted_content":"e","status":null}}"#,
        r#"{"type":"response.output_text.delta","output_index":1,"delta":"He"}"#,
        r#"{"type":"response.output_text.delta","output_index":1,"delta":"y"}"#,
        r#"{"type":"response.output_item.added","output_index":2,"item":{"type":"function_call","id":"f","call_id":"c","name":"clock","arguments":""}}"#,
        r#"{"type":"response.function_call_arguments.delta","output_index":2,"delta":"{\"a\""}"#,
        r#"{"type":"response.function_call_arguments.delta","output_index":2,"delta":":1}"}"#,
        r#"{"type":"response.function_call_arguments.done","output_index":2,"arguments":"{\"a\":1}"}"#,
        r#"{"type":"response.something_new","delta":"no"}"#,
    ];
    let mut decoder = Decoder::default();
    let mut text = String::new();
    for data in events {
        if let Progress::Text(piece) = decoder.event(data).unwrap() {
            text.push_str(piece);
        }
        assert!(!decoder.is_whole());
    }
    let end = r#"{"type":"response.completed","response":{"status":"completed","usage":{"input_tokens":3,"output_tokens":2}}}"#;
    assert_eq!(decoder.event(end), Ok(Progress::Done));
    let completion = decoder.finish().unwrap();
    assert_eq!((text.as_str(), completion.plain().as_str()), ("Hey", "Hey"));
    assert_eq!(completion.usage, Usage { input: 3, output: 2 });
    assert_eq!(completion.stop, StopReason::Tools);
    let call = completion.calls().next().unwrap();
    assert_eq!((call.id.as_str(), call.arguments.as_str()), ("c", r#"{"a":1}"#));
    let Part::Reasoning(reasoning) = &completion.parts[0] else { panic!("{completion:?}") };
    assert!(reasoning.block.contains("encrypted_content") && !reasoning.block.contains("status"));
}

#[test]
fn a_cut_answer_and_a_failed_one_are_told_apart() {
    let mut decoder = Decoder::default();
    decoder.event(r#"{"type":"response.output_text.delta","delta":"a"}"#).unwrap();
    let cut = r#"{"type":"response.incomplete","response":{"incomplete_details":{"reason":"max_output_tokens"}}}"#;
    assert_eq!(decoder.event(cut), Ok(Progress::Done));
    assert_eq!(decoder.finish().unwrap().stop, StopReason::Length);
    for failed in [
        r#"{"type":"response.failed","response":{"error":{"code":"server_error","message":"m"}}}"#,
        r#"{"type":"error","code":"rate_limit_exceeded","message":"m"}"#,
    ] {
        assert_eq!(Decoder::default().event(failed), Ok(Progress::Error));
    }
}

#[test]
fn a_plain_document_is_an_answer_too() {
    let mut decoder = Decoder::default();
    let body = r#"{"status":"completed","output":[
        {"type":"message","content":[{"type":"output_text","text":"Hi"}]},
        {"type":"function_call","call_id":"c","name":"clock","arguments":"{\"a\":1}"}],
        "usage":{"input_tokens":3,"output_tokens":2}}"#;
    assert_eq!(decoder.document(body), Ok(Progress::Text("Hi")));
    let completion = decoder.finish().unwrap();
    assert_eq!(completion.calls().next().unwrap().arguments, r#"{"a":1}"#);
    let other = Decoder::default().document(r#"{"status":"up"}"#).unwrap_err();
    assert_eq!(other.class, FailureClass::Format);
}

proptest! {
    #[test]
    fn arbitrary_data_never_panics(data in ".{0,200}", odd in "null|7|\"x\"|\\[\\]|\\{\\}") {
        let read = Decoder::default().event(&data).map(|_| ()).err();
        prop_assert!(read.is_none_or(|failure| failure.class == FailureClass::Format));
        for kind in ["response.output_item.added", "response.output_item.done", "response.completed"] {
            let data = format!(r#"{{"type":"{kind}","item":{odd},"response":{odd},"output_index":{odd}}}"#);
            let mut decoder = Decoder::default();
            let done = decoder.event(&data) == Ok(Progress::Done);
            prop_assert_eq!(done, kind == "response.completed");
        }
    }
}

#[test]
fn a_call_can_be_demanded() {
    let mut request = request();
    let (name, description) = ("look".to_owned(), String::new());
    request.tools = vec![ToolSpec { name, description, parameters: json!({"type": "object"}) }];
    (request.may_call, request.must_call) = (true, true);
    let body: Value = serde_json::from_str(&encode(&request)).unwrap();
    assert_eq!(body.pointer("/tool_choice"), Some(&json!("required")));
    request.may_call = false;
    let body: Value = serde_json::from_str(&encode(&request)).unwrap();
    assert_ne!(body.pointer("/tool_choice"), Some(&json!("required")), "not when it may not call");
}
