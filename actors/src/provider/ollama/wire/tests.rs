//! Requests as they leave, answers as they are known to arrive, and arbitrary bytes.

use proptest::prelude::*;

use super::*;
use crate::provider::answer::Decoder as _;
use crate::provider::{ToolCall, ToolResult, ToolStatus, Usage};

#[test]
fn a_conversation_with_tools_goes_out() {
    let mut request = Request {
        model: "m".into(),
        system: "be brief".into(),
        messages: vec![
            TurnMessage::text(Role::User, "what time is it?"),
            TurnMessage {
                role: Role::Assistant,
                parts: vec![Part::Call(ToolCall {
                    id: "c1".into(),
                    name: "clock".into(),
                    arguments: r#"{"zone":"CET"}"#.into(),
                    signature: None,
                })],
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
        may_call: true,
        must_call: false,
        output_tokens_max: 7,
    };
    let body: Value = serde_json::from_str(&encode(&request)).unwrap();
    assert_eq!(
        body["messages"],
        json!([
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "what time is it?"},
            {"role": "assistant", "content": "", "tool_calls": [
                {"function": {"name": "clock", "arguments": {"zone": "CET"}}},
            ]},
            {"role": "tool", "tool_name": "clock", "content": "12"},
        ])
    );
    assert_eq!(body["tools"][0]["function"]["name"], "clock");
    assert_eq!(body["options"]["num_predict"], 7);
    request.may_call = false;
    let body: Value = serde_json::from_str(&encode(&request)).unwrap();
    assert_eq!(body.get("tools"), None);
}

#[test]
fn a_stream_gives_text_calls_and_usage() {
    let mut decoder = Decoder::default();
    let text = r#"{"model":"m","message":{"role":"assistant","content":"Hi","thinking":"hm"},"done":false}"#;
    assert_eq!(decoder.event(text), Ok(Progress::Text("Hi")));
    let call = r#"{"message":{"content":"","tool_calls":[{"function":{"name":"clock","arguments":{"a":1}}},{"function":{"name":"clock"}}]},"done":false}"#;
    assert_eq!(decoder.event(call), Ok(Progress::Quiet));
    assert!(!decoder.is_whole());
    let end = r#"{"message":{"content":""},"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":2}"#;
    assert_eq!(decoder.event(end), Ok(Progress::Quiet));
    assert!(decoder.is_whole());
    let completion = decoder.finish().unwrap();
    assert_eq!(completion.usage, Usage { input: 3, output: 2 });
    assert_eq!(completion.stop, StopReason::Tools);
    let calls: Vec<&str> = completion.calls().map(|call| call.arguments.as_str()).collect();
    assert_eq!(calls, [r#"{"a":1}"#, "{}"]);
}

#[test]
fn cuts_and_errors_are_told_apart() {
    let mut decoder = Decoder::default();
    let cut = r#"{"message":{"content":"a"},"done":true,"done_reason":"length"}"#;
    assert_eq!(decoder.document(cut), Ok(Progress::Text("a")));
    assert_eq!(decoder.finish().unwrap().stop, StopReason::Length);
    assert_eq!(Decoder::default().event(r#"{"error":"model not loaded"}"#), Ok(Progress::Error));
    let other = Decoder::default().document(r#"{"status":"up"}"#).unwrap_err();
    assert_eq!(other.class, FailureClass::Format);
}

proptest! {
    #[test]
    fn arbitrary_data_never_panics(data in ".{0,200}", odd in "null|7|\"x\"|\\[\\]|\\{\\}|\\[null\\]") {
        let read = Decoder::default().event(&data).map(|_| ()).err();
        prop_assert!(read.is_none_or(|failure| failure.class == FailureClass::Format));
        for data in [
            format!(r#"{{"message":{odd},"done":{odd}}}"#),
            format!(r#"{{"message":{{"tool_calls":{odd}}}}}"#),
            format!(r#"{{"message":{{"tool_calls":[{{"function":{odd}}}]}}}}"#),
        ] {
            let mut decoder = Decoder::default();
            prop_assert_eq!(decoder.event(&data), Ok(Progress::Quiet), "{}", data);
        }
    }
}
