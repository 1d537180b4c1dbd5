//! Requests as they leave, answers as they are known to arrive, and arbitrary bytes.

use proptest::prelude::*;

use super::*;
use crate::provider::answer::Decoder as _;
use crate::provider::{Reasoning, ToolCall, ToolResult, ToolStatus};

fn request() -> Request {
    let turn = TurnMessage::text;
    Request {
        model: "m".to_owned(),
        system: "be brief".to_owned(),
        messages: vec![
            turn(Role::User, "hi"),
            turn(Role::Assistant, " \n"),
            turn(Role::Assistant, "hello"),
            turn(Role::User, "\"quoted\""),
        ],
        tools: Vec::new(),
        may_call: true,
        must_call: false,
        output_tokens_max: 7,
    }
}

/// Feeds events until the decoder has enough, and gives the text in pieces and the outcome.
fn decode(events: &[&str]) -> (Vec<String>, Decoder) {
    let mut decoder = Decoder::default();
    let mut pieces = Vec::new();
    for data in events {
        match decoder.event(data).unwrap() {
            Progress::Text(text) => pieces.push(text.to_owned()),
            Progress::Quiet => {}
            Progress::Done | Progress::Error => break,
        }
    }
    (pieces, decoder)
}

#[test]
fn a_request_asks_for_a_stream_with_usage() {
    let body: Value = serde_json::from_str(&encode(&request(), OutputLimit::MaxTokens)).unwrap();
    let expected = json!({
        "model": "m",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "hello"},
            {"role": "user", "content": "\"quoted\""},
        ],
        "stream": true,
        "stream_options": {"include_usage": true},
        "max_tokens": 7,
    });
    assert_eq!(body, expected);
}

#[test]
fn the_newer_limit_replaces_the_older() {
    let mut request = request();
    request.system.clear();
    let body = encode(&request, OutputLimit::MaxCompletionTokens);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["max_completion_tokens"], 7);
    assert_eq!(body.get("max_tokens"), None);
    assert_eq!(body["messages"][0]["role"], "user");
}

#[test]
fn a_stream_gives_text_usage_and_reason() {
    let (pieces, decoder) = decode(&[
        r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}],"usage":null}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}]}"#,
        r#"{"choices":[{"index":1,"delta":{"content":"other"}}]}"#,
        r#"{"choices":[{"delta":{"content":[{"type":"thinking","thinking":"x"},{"type":"text","text":"lo"}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#,
        "[DONE]",
        r#"{"choices":[{"index":0,"delta":{"content":"never read"}}]}"#,
    ]);
    assert_eq!(pieces, ["Hel", "lo"]);
    assert_eq!(
        decoder.finish(),
        Ok(Completion {
            parts: vec![Part::Text("Hello".to_owned())],
            usage: Usage { input: 3, output: 2 },
            stop: StopReason::Length,
        })
    );
}

#[test]
fn a_reason_makes_the_answer_whole_and_an_end_mark_ends_it() {
    let mut decoder = Decoder::default();
    let chunk = r#"{"choices":[{"delta":{"content":"a"}}]}"#;
    assert_eq!(decoder.event(chunk), Ok(Progress::Text("a")));
    assert!(!decoder.is_whole());
    assert_eq!(decoder.event(" [DONE] "), Ok(Progress::Done));
    let end = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
    assert_eq!(decoder.event(end), Ok(Progress::Quiet));
    assert!(decoder.is_whole());
}

#[test]
fn a_refusal_is_text_with_its_reason() {
    let (pieces, decoder) = decode(&[
        r#"{"choices":[{"delta":{"content":null,"refusal":"I cannot"}}]}"#,
        r#"{"choices":[{"delta":{},"finish_reason":"content_filter"}]}"#,
    ]);
    assert_eq!(pieces, ["I cannot"]);
    assert_eq!(decoder.finish().unwrap().stop, StopReason::Refusal);
}

#[test]
fn errors_and_unknown_events_are_told_apart() {
    let event = |data| Decoder::default().event(data).map(|progress| progress == Progress::Error);
    assert_eq!(event(r#"{"error":{"message":"m","type":"server_error"}}"#), Ok(true));
    assert_eq!(event(r#"{"object":"error","message":"m"}"#), Ok(true));
    for quiet in ["", "{}", "null", "7", r#"{"error":null,"choices":{}}"#, r#"{"choices":[3]}"#] {
        assert_eq!(event(quiet), Ok(false), "{quiet}");
    }
    assert_eq!(event("{oops").unwrap_err().class, FailureClass::Format);
}

#[test]
fn a_plain_document_is_an_answer_too() {
    let mut decoder = Decoder::default();
    let body = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},
        "finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;
    assert_eq!(decoder.document(body), Ok(Progress::Text("Hi")));
    let completion = decoder.finish().unwrap();
    assert_eq!((completion.stop, completion.usage.input), (StopReason::End, 1));
    let other = Decoder::default().document(r#"{"status":"up"}"#).unwrap_err();
    assert_eq!(other.class, FailureClass::Format);
    assert_eq!(Decoder::default().document(r#"{"error":"m"}"#), Ok(Progress::Error));
}

/// A conversation in which two tools were called, as the model is shown it again.
fn tool_request() -> Request {
    let call = |id: &str, name: &str, arguments: &str| {
        Part::Call(ToolCall {
            id: id.into(),
            name: name.into(),
            arguments: arguments.into(),
            signature: None,
        })
    };
    let result = |call: &str, text: &str| {
        Part::Result(ToolResult {
            call: call.into(),
            name: "clock".into(),
            text: text.into(),
            status: ToolStatus::Done,
        })
    };
    let thinking =
        |format: &str| Part::Reasoning(Reasoning { format: format.into(), block: "hm".into() });
    Request {
        messages: vec![
            TurnMessage::text(Role::User, "what time is it?"),
            TurnMessage {
                role: Role::Assistant,
                parts: vec![
                    thinking("openai-completions"),
                    thinking("another"),
                    call("c1", "clock", r#"{"zone":"CET"}"#),
                    call("c2", "clock", "{}"),
                ],
            },
            TurnMessage { role: Role::User, parts: vec![result("c1", "12"), result("c2", "11")] },
        ],
        tools: vec![ToolSpec {
            name: "clock".into(),
            description: "Tells the time.".into(),
            parameters: json!({"type": "object"}),
        }],
        ..request()
    }
}

#[test]
fn tools_their_calls_and_their_results_go_out() {
    let body = encode(&tool_request(), OutputLimit::MaxTokens);
    let body: Value = serde_json::from_str(&body).unwrap();
    let function = |arguments: &str| json!({"name": "clock", "arguments": arguments});
    assert_eq!(
        body["messages"],
        json!([
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "what time is it?"},
            {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [
                {"id": "c1", "type": "function", "function": function(r#"{"zone":"CET"}"#)},
                {"id": "c2", "type": "function", "function": function("{}")},
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": "12"},
            {"role": "tool", "tool_call_id": "c2", "content": "11"},
        ])
    );
    assert_eq!(
        body["tools"],
        json!([{"type": "function", "function": {
            "name": "clock", "description": "Tells the time.", "parameters": {"type": "object"},
        }}])
    );
}

#[test]
fn parallel_calls_come_in_pieces() {
    let (_, decoder) = decode(&[
        r#"{"choices":[{"delta":{"reasoning_content":"h"}}]}"#,
        r#"{"choices":[{"delta":{"reasoning_content":"m"}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"clock","arguments":""}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"zo"}},{"index":1,"id":"b","function":{"name":"clock"}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"ne\":1}"}}]}}]}"#,
        r#"{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#,
    ]);
    let completion = decoder.finish().unwrap();
    assert_eq!(completion.stop, StopReason::Tools);
    let calls: Vec<_> =
        completion.calls().map(|call| (call.id.as_str(), call.arguments.as_str())).collect();
    assert_eq!(calls, [("a", r#"{"zone":1}"#), ("b", "{}")]);
    let thinking = Reasoning { format: "openai-completions".into(), block: "hm".into() };
    assert!(completion.parts.contains(&Part::Reasoning(thinking)));
}

#[test]
fn a_document_with_calls_and_a_wrong_reason_still_waits_for_tools() {
    let mut decoder = Decoder::default();
    let body = r#"{"choices":[{"message":{"content":null,"tool_calls":[
        {"id":"a","function":{"name":"x","arguments":{"n":1}}},{"function":{"name":"y","arguments":"{}"}},
        {"id":"nameless","function":{"arguments":"{}"}}]},"finish_reason":"stop"}]}"#;
    assert_eq!(decoder.document(body), Ok(Progress::Quiet));
    let completion = decoder.finish().unwrap();
    let calls: Vec<_> = completion.calls().map(|call| (&*call.id, &*call.arguments)).collect();
    assert_eq!(calls, [("a", r#"{"n":1}"#), ("call_1", "{}")]);
    assert_eq!(completion.stop, StopReason::Tools);
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
        name in "choices|usage|error|object|delta|index|content",
        odd in "null|7|-1|\"x\"|\\[\\]|\\{\\}|\\[null\\]|\\[\\{\\}\\]|1e400",
    ) {
        for data in [
            format!(r#"{{"{name}":{odd}}}"#),
            format!(r#"{{"choices":[{{"{name}":{odd}}}]}}"#),
            format!(r#"{{"choices":[{{"delta":{{"{name}":{odd}}}}}]}}"#),
        ] {
            let text = Decoder::default().event(&data) == Ok(Progress::Text("x"));
            prop_assert_eq!(text, data.contains(r#""delta":{"content":"x"}"#));
        }
    }

    #[test]
    fn text_survives_the_way_out_and_the_way_in(text in "(?s).*") {
        let mut request = request();
        request.messages[0] = TurnMessage::text(Role::User, format!("x{text}"));
        let body: Value = serde_json::from_str(&encode(&request, OutputLimit::MaxTokens)).unwrap();
        prop_assert_eq!(&body["messages"][1]["content"], &json!(format!("x{text}")));

        let chunk = json!({"choices": [{"delta": {"content": text}}]}).to_string();
        let mut decoder = Decoder::default();
        let expected = if text.is_empty() { Progress::Quiet } else { Progress::Text(&text) };
        prop_assert_eq!(decoder.event(&chunk), Ok(expected));
    }
}

#[test]
fn a_call_can_be_demanded() {
    let mut request = request();
    let (name, description) = ("look".to_owned(), String::new());
    request.tools = vec![ToolSpec { name, description, parameters: json!({"type": "object"}) }];
    (request.may_call, request.must_call) = (true, true);
    let body: Value = serde_json::from_str(&encode(&request, OutputLimit::MaxTokens)).unwrap();
    assert_eq!(body.pointer("/tool_choice"), Some(&json!("required")));
    request.may_call = false;
    let body: Value = serde_json::from_str(&encode(&request, OutputLimit::MaxTokens)).unwrap();
    assert_ne!(body.pointer("/tool_choice"), Some(&json!("required")), "not when it may not call");
}
