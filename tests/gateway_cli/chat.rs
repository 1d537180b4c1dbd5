//! The chat in the terminal, against answers in their recorded shapes.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::double::{Double, TOKEN, answer, event, refusal};
use crate::kit::{Finished, Home, until};

fn chat(run: &str, fields: Value) -> Value {
    let mut payload =
        json!({"runId": run, "sessionKey": "agent:main:main", "agentId": "main", "seq": 1});
    for (key, value) in fields.as_object().unwrap() {
        payload[key] = value.clone();
    }
    event("chat", payload)
}

fn said(text: &str) -> Value {
    json!({"role": "assistant", "content": [{"type": "text", "text": text}], "timestamp": 1})
}

/// Answers `echo: <message>` in two pieces; one that says "slow" never ends by itself, one that says
/// "fail" fails.
fn echoing() -> Double {
    Double::start(|id, method, params| {
        let run = params["idempotencyKey"].as_str().or(params["runId"].as_str()).unwrap_or("");
        let text = format!("echo: {}", params["message"].as_str().unwrap_or(""));
        let taken = answer(id, json!({"runId": run, "status": "started"}));
        let piece = |piece: &str, whole: &str| {
            chat(run, json!({"state": "delta", "deltaText": piece, "message": said(whole)}))
        };
        match method {
            "chat.history" => vec![answer(
                id,
                json!({"messages": [
                    {"role": "user", "content": "before"}, said("echo: before"),
                ]}),
            )],
            "chat.send" if text.contains("slow") => vec![taken, piece("echo: ", "echo: ")],
            "chat.send" if text.contains("fail") => {
                vec![
                    taken,
                    chat(run, json!({"state": "error", "errorMessage": "no model answers"})),
                ]
            }
            "chat.send" => vec![
                // An event may be faster than the answer, and others talk as well.
                chat(run, json!({"state": "status", "phase": "starting_model"})),
                piece("echo: ", "echo: "),
                taken,
                chat("another", json!({"state": "final", "message": said("not for us")})),
                piece(&text[6..], &text),
                chat(run, json!({"state": "final", "stopReason": "stop", "message": said(&text)})),
            ],
            "chat.abort" => vec![
                chat(run, json!({"state": "aborted", "stopReason": "rpc"})),
                answer(id, json!({"ok": true, "aborted": true, "runIds": [run]})),
            ],
            _ => vec![],
        }
    })
}

fn ask(double: &Double, args: &[&str]) -> Finished {
    let url = double.url();
    Home::new().ask(&[&["--url", &url, "--token", TOKEN], args].concat())
}

#[test]
fn one_message_is_answered_and_printed_once() {
    let double = echoing();
    let finished = ask(&double, &["chat", "--message", "hello \u{1b}[2J"]);
    assert_eq!((finished.code, finished.out.as_str()), (0, "echo: hello [2J\n"), "{finished:?}");
    let sent = double.params("chat.send").unwrap();
    assert_eq!(
        (&sent["sessionKey"], &sent["message"]),
        (&json!("agent:main:main"), &json!("hello \u{1b}[2J"))
    );
    let other = ask(&double, &["--json", "chat", "--session", "agent:main:x", "-m", "hi"]);
    let document = other.json();
    assert_eq!(
        (other.code, &document["ok"], &document["answer"]),
        (0, &json!(true), &json!("echo: hi"))
    );
    let again = double.params("chat.send").unwrap();
    assert_eq!(again["sessionKey"], "agent:main:x");
    assert_ne!(sent["idempotencyKey"], again["idempotencyKey"]);
}

#[test]
fn a_run_that_fails_fails_the_command() {
    let double = echoing();
    let finished = ask(&double, &["chat", "--message", "fail"]);
    assert_eq!(finished.code, 1, "{finished:?}");
    assert!(finished.err.contains("no model answers"), "{}", finished.err);
    let refusing = Double::start(|id, method, _| match method {
        "connect" => vec![],
        _ => vec![refusal(id, json!({"code": "UNAVAILABLE", "message": "the disk is full"}))],
    });
    let refused = ask(&refusing, &["chat", "--message", "x"]);
    assert!(refused.code == 1 && refused.err.contains("the disk is full"), "{refused:?}");
}

#[test]
fn an_interrupt_stops_the_answer() {
    let double = echoing();
    let home = Home::new();
    let url = double.url();
    let args = ["--url", &url, "--token", TOKEN, "chat", "--message", "slow"];
    let chatting = home.spawn(&args);
    until("the answer begins", || chatting.out().contains("echo:").then_some(()));
    chatting.signal(Signal::INT);
    let finished = chatting.finish();
    assert_eq!(finished.code, 130, "{finished:?}");
    let run = double.params("chat.send").unwrap()["idempotencyKey"].clone();
    assert_eq!(double.params("chat.abort").unwrap()["runId"], run);
}

#[test]
fn a_second_interrupt_leaves() {
    let double = Double::start(|id, method, params| match method {
        "chat.send" => {
            let run = params["idempotencyKey"].as_str().unwrap();
            let started = answer(id, json!({"runId": run, "status": "started"}));
            vec![started, chat(run, json!({"state": "delta", "deltaText": "on and on"}))]
        }
        // It takes the wish and goes on.
        "chat.abort" => vec![answer(id, json!({"ok": true, "aborted": false}))],
        _ => vec![],
    });
    let home = Home::new();
    let url = double.url();
    let args = ["--url", &url, "--token", TOKEN, "chat", "--message", "x"];
    let chatting = home.spawn(&args);
    until("the answer begins", || chatting.out().contains("on and on").then_some(()));
    chatting.signal(Signal::INT);
    until("the gateway is asked to stop it", || double.params("chat.abort"));
    chatting.signal(Signal::INT);
    assert_eq!(chatting.finish().code, 130);
}

#[test]
fn a_conversation_in_a_pipe_prints_answers_and_nothing_else() {
    let double = echoing();
    let url = double.url();
    let args = ["chat", "--url", &url, "--token", TOKEN];
    let done = Home::new().pipe(&args, b"one\n\nfail\ntwo\n/exit\nnever said\n");
    assert_eq!((done.code, done.out.as_str()), (1, "echo: one\necho: two\n"), "{done:?}");
    assert_eq!(done.err, "failed: no model answers\n");
    let sent = double.asked().into_iter().filter(|(method, _)| method == "chat.send").count();
    assert_eq!(sent, 3);
    let well = Home::new().pipe(&args, b"one\ntwo");
    assert_eq!((well.code, well.err.as_str()), (0, ""), "{well:?}");
    assert_eq!(well.out, "echo: one\necho: two\n");
}

#[test]
fn a_line_that_is_no_text_is_named_and_the_others_are_said() {
    let double = echoing();
    let url = double.url();
    let args = ["chat", "--url", &url, "--token", TOKEN];
    let done = Home::new().pipe(&args, b"one\n\xff bad\ntwo\n");
    assert_eq!((done.code, done.out.as_str()), (1, "echo: one\necho: two\n"), "{done:?}");
    assert_eq!(done.err, "line 2 is no UTF-8 and was not sent\n");
}

#[test]
fn one_message_that_is_refused_stops_no_other() {
    let double = Double::start(|id, method, params| match method {
        "chat.send" if params["message"] == "no" => {
            vec![refusal(id, json!({"code": "INVALID_REQUEST", "message": "not that"}))]
        }
        "chat.send" => {
            let run = params["idempotencyKey"].as_str().unwrap();
            let taken = answer(id, json!({"runId": run, "status": "started"}));
            vec![taken, chat(run, json!({"state": "final", "message": said("yes")}))]
        }
        _ => vec![],
    });
    let url = double.url();
    let done = Home::new().pipe(&["chat", "--url", &url, "--token", TOKEN], b"no\nwell\n");
    assert_eq!((done.code, done.out.as_str()), (1, "yes\n"), "{done:?}");
    assert_eq!(done.err, "refused: not that\n");
}

#[test]
fn a_lost_connection_tells_what_became_of_the_message() {
    let losing = |is_taken: bool| {
        Double::start(move |id, method, params| match method {
            "chat.send" => {
                let run = params["idempotencyKey"].as_str().unwrap();
                let taken = answer(id, json!({"runId": run, "status": "started"}));
                if is_taken { vec![taken, json!({})] } else { vec![json!({})] }
            }
            _ => vec![],
        })
    };
    for (is_taken, part) in [
        (true, "was taken and is kept: it is answered once the service runs again"),
        (false, "nobody can say whether the message was taken"),
    ] {
        let lost = ask(&losing(is_taken), &["chat", "--message", "x"]);
        assert!(lost.code == 1 && lost.err.contains(part), "{part}: {lost:?}");
    }
}

#[test]
fn the_whole_key_of_the_session_is_told() {
    let double = echoing();
    let document = ask(&double, &["--json", "chat", "--session", "main", "-m", "hi"]).json();
    assert_eq!(document["session"], "agent:main:main", "{document}");
}
