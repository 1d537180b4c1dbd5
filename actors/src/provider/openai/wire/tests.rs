//! Requests as they leave, answers as they are known to arrive, and arbitrary bytes.

use proptest::prelude::*;

use super::*;
use crate::provider::TurnMessage;
use crate::provider::answer::Decoder as _;

fn request() -> Request {
    let turn = |role, text: &str| TurnMessage { role, text: text.to_owned() };
    Request {
        model: "m".to_owned(),
        system: "be brief".to_owned(),
        messages: vec![
            turn(Role::User, "hi"),
            turn(Role::Assistant, " \n"),
            turn(Role::Assistant, "hello"),
            turn(Role::User, "\"quoted\""),
        ],
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
            text: "Hello".to_owned(),
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
        request.messages[0].text = format!("x{text}");
        let body: Value = serde_json::from_str(&encode(&request, OutputLimit::MaxTokens)).unwrap();
        prop_assert_eq!(&body["messages"][1]["content"], &json!(format!("x{text}")));

        let chunk = json!({"choices": [{"delta": {"content": text}}]}).to_string();
        let mut decoder = Decoder::default();
        let expected = if text.is_empty() { Progress::Quiet } else { Progress::Text(&text) };
        prop_assert_eq!(decoder.event(&chunk), Ok(expected));
    }
}
