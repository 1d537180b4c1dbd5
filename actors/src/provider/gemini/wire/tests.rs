//! Requests as they leave, answers as they are known to arrive, and arbitrary bytes.

use proptest::prelude::*;

use super::*;
use crate::provider::Usage;
use crate::provider::answer::Decoder as _;

#[test]
fn a_conversation_is_a_list_of_contents() {
    let request = Request {
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
                    signature: Some("s".into()),
                })],
            },
            TurnMessage {
                role: Role::User,
                parts: vec![Part::Result(ToolResult {
                    call: "c1".into(),
                    name: "clock".into(),
                    text: "no such zone".into(),
                    status: ToolStatus::Failed,
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
        body,
        json!({
            "contents": [
                {"role": "user", "parts": [{"text": "what time is it?"}]},
                {"role": "model", "parts": [{
                    "functionCall": {"id": "c1", "name": "clock", "args": {"zone": "CET"}},
                    "thoughtSignature": "s",
                }]},
                {"role": "user", "parts": [{"functionResponse": {
                    "id": "c1", "name": "clock", "response": {"error": "no such zone"},
                }}]},
            ],
            "generationConfig": {"maxOutputTokens": 7},
            "systemInstruction": {"parts": [{"text": "be brief"}]},
            "tools": [{"functionDeclarations": [{
                "name": "clock",
                "description": "Tells the time.",
                "parametersJsonSchema": {"type": "object"},
            }]}],
        })
    );
}

#[test]
fn a_stream_gives_text_calls_and_usage() {
    let mut decoder = Decoder::default();
    let thought = r#"{"candidates":[{"content":{"parts":[{"text":"hm","thought":true}]}}]}"#;
    assert_eq!(decoder.event(thought), Ok(Progress::Quiet));
    let text = r#"{"candidates":[{"content":{"parts":[{"text":"Hel"},{"text":"lo"}]}}]}"#;
    assert_eq!(decoder.event(text), Ok(Progress::Text("Hello")));
    let call = r#"{"candidates":[{"content":{"parts":[
        {"functionCall":{"name":"clock","args":{"a":1}},"thoughtSignature":"s"},
        {"functionCall":{"name":"clock"}}]},"finishReason":"STOP"}],
        "usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"thoughtsTokenCount":5}}"#;
    assert!(!decoder.is_whole());
    assert_eq!(decoder.event(call), Ok(Progress::Quiet));
    assert!(decoder.is_whole());
    let completion = decoder.finish().unwrap();
    assert_eq!(completion.usage, Usage { input: 3, output: 7 });
    assert_eq!(completion.stop, StopReason::Tools);
    let calls: Vec<&ToolCall> = completion.calls().collect();
    assert_eq!((&*calls[0].arguments, calls[0].signature.as_deref()), (r#"{"a":1}"#, Some("s")));
    assert_eq!((&*calls[1].arguments, calls[1].signature.as_deref()), ("{}", None));
    assert_ne!(calls[0].id, calls[1].id);
}

#[test]
fn refusals_cuts_and_errors_are_told_apart() {
    let blocked = r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#;
    let mut decoder = Decoder::default();
    assert_eq!(decoder.event(blocked), Ok(Progress::Quiet));
    assert_eq!(decoder.finish().unwrap_err().class, FailureClass::Unclassified);
    let mut decoder = Decoder::default();
    let cut =
        r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"MAX_TOKENS"}]}"#;
    assert_eq!(decoder.document(cut), Ok(Progress::Text("a")));
    assert_eq!(decoder.finish().unwrap().stop, StopReason::Length);
    let error = r#"{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}"#;
    assert_eq!(Decoder::default().event(error), Ok(Progress::Error));
    let other = Decoder::default().document(r#"{"status":"up"}"#).unwrap_err();
    assert_eq!(other.class, FailureClass::Format);
}

proptest! {
    #[test]
    fn arbitrary_data_never_panics(data in ".{0,200}", odd in "null|7|\"x\"|\\[\\]|\\{\\}|\\[null\\]") {
        let read = Decoder::default().event(&data).map(|_| ()).err();
        prop_assert!(read.is_none_or(|failure| failure.class == FailureClass::Format));
        for data in [
            format!(r#"{{"candidates":{odd}}}"#),
            format!(r#"{{"candidates":[{{"content":{odd},"finishReason":{odd}}}]}}"#),
            format!(r#"{{"candidates":[{{"content":{{"parts":[{odd},{{"functionCall":{odd}}}]}}}}]}}"#),
            format!(r#"{{"usageMetadata":{odd},"promptFeedback":{odd}}}"#),
        ] {
            let mut decoder = Decoder::default();
            prop_assert_eq!(decoder.event(&data), Ok(Progress::Quiet), "{}", data);
        }
    }
}

#[test]
fn a_call_can_be_demanded() {
    let (name, description) = ("look".to_owned(), String::new());
    let mut request = Request {
        model: "m".into(),
        system: String::new(),
        messages: vec![TurnMessage::text(Role::User, "hi")],
        tools: vec![ToolSpec { name, description, parameters: json!({"type": "object"}) }],
        may_call: true,
        must_call: true,
        output_tokens_max: 7,
    };
    let body: Value = serde_json::from_str(&encode(&request)).unwrap();
    assert_eq!(body.pointer("/toolConfig/functionCallingConfig/mode"), Some(&json!("ANY")));
    request.may_call = false;
    let body: Value = serde_json::from_str(&encode(&request)).unwrap();
    assert_ne!(
        body.pointer("/toolConfig/functionCallingConfig/mode"),
        Some(&json!("ANY")),
        "not when it may not call"
    );
}
