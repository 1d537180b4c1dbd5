//! The surface of OpenAI's API.

use std::io::{Read, Write};

use serde_json::{Value, json};

use super::client_tools::published;
use super::kit::{Scene, TOKEN, endpoints, request};
use super::service_kit::until;

fn ask(text: &str) -> Value {
    json!({"model": "openclaw", "messages": [{"role": "user", "content": text}]})
}

fn content(answer: &super::kit::Answer) -> String {
    answer.json()["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn the_published_client_works_unchanged() {
    let scene = Scene::new(endpoints());
    let service = scene.start();
    let seen = published(&service, "client.mjs", include_str!("tools/client.mjs"));
    let models = ["openclaw", "openclaw/default", "openclaw/main", "openclaw/work"];
    assert_eq!(seen["models"], json!(models));
    assert_eq!(seen["model"], "openclaw/work");
    assert_eq!(seen["whole"]["text"], "you said one");
    assert_eq!(seen["whole"]["finish"], "stop");
    assert_eq!(
        seen["whole"]["usage"],
        json!({"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18})
    );
    let pieces: Vec<&str> =
        seen["stream"]["pieces"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(pieces.concat(), "pieces of an answer");
    assert!(pieces.len() > 1, "it came in pieces: {pieces:?}");
    assert_eq!(seen["stream"]["finish"], "stop");
    assert_eq!(seen["stream"]["usage"]["total_tokens"], 18);
    assert!(scene.model.question("PIECES two").contains("be brief"));
    assert_eq!(seen["first"]["text"].as_str().unwrap().lines().last(), Some("three"));
    assert_eq!(seen["first"]["status"], "completed");
    assert_eq!(seen["first"]["usage"]["output_tokens"], 7);
    assert_eq!(seen["second"], "2 messages", "it went on in the same session");
    assert_eq!(seen["deltas"], "pieces of an answer");
    assert_eq!(seen["completed"], "pieces of an answer");
    let events = [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ];
    let events: Vec<String> = events.iter().map(|event| format!("response.{event}")).collect();
    assert_eq!(seen["events"], json!(events));
    assert_eq!(seen["tools"], json!(["BadRequestError", "tools[0]", "unsupported_tools"]));
    assert_eq!(seen["nobody"], json!(["NotFoundError", "model", "model_not_found"]));
    assert_eq!(seen["hot"], json!(["BadRequestError", "temperature", null]));
    assert_eq!(seen["stranger"], json!(["AuthenticationError", null, "unauthorized"]));
    service.process.stop();
}

#[test]
fn it_is_off_unless_switched_on_and_for_operators_only() {
    let off = Scene::new(json!({}));
    let service = off.start();
    for path in ["/v1/chat/completions", "/v1/responses"] {
        let answer = service.post(path, &[], &ask("x"));
        assert_eq!(answer.status, 404, "{answer:?}");
        assert_eq!(answer.json()["error"]["code"], "endpoint_disabled");
    }
    assert_eq!(service.get_as_operator("/v1/models").status, 404);
    service.process.stop();
    let half = json!({"gateway": {"http": {"endpoints": {"responses": {"enabled": true}}}}});
    let half = Scene::new(half);
    let service = half.start();
    assert_eq!(service.post("/v1/chat/completions", &[], &ask("x")).status, 404);
    assert_eq!(service.get_as_operator("/v1/models").status, 200);
    let body = json!({"model": "openclaw", "input": "x"}).to_string();
    for headers in [
        vec![],
        vec![("authorization", "Bearer wrong")],
        vec![("authorization", "Basic dGhlLWdhdGV3YXlzLW93bi10b2tlbg==")],
        vec![("authorization", TOKEN)],
        vec![("x-openclaw-token", TOKEN)],
        vec![("authorization", "Bearer ")],
    ] {
        assert_eq!(
            service.send("POST", "/v1/responses", &headers, &body).status,
            401,
            "{headers:?}"
        );
    }
    let bearer = format!("Bearer {TOKEN}");
    for forwarded in ["forwarded", "x-forwarded-for", "x-real-ip"] {
        let headers = [("authorization", bearer.as_str()), (forwarded, "1.2.3.4")];
        let answer = service.send("POST", "/v1/responses", &headers, &body);
        assert_eq!(answer.json()["error"]["code"], "proxy_attribution_required", "{answer:?}");
    }
    assert_eq!(half.model.asked(""), 0);
    service.process.stop();
}

#[test]
fn sessions_are_kept_where_a_request_says_so_and_nowhere_else() {
    let scene = Scene::new(endpoints());
    let service = scene.start();
    let chat = |headers: &[(&str, &str)], user: Option<&str>| {
        let mut body = ask("HISTORY");
        body["user"] = json!(user);
        content(&service.post("/v1/chat/completions", headers, &body))
    };
    assert_eq!((chat(&[], None), chat(&[], None)), ("1 messages".into(), "1 messages".into()));
    assert_eq!(chat(&[], Some("anna")), "1 messages");
    assert_eq!(chat(&[], Some("anna")), "2 messages");
    assert_eq!(chat(&[], Some("bob")), "1 messages");
    let named = [("x-openclaw-session-key", "notes")];
    assert_eq!(
        (chat(&named, None), chat(&named, None)),
        ("1 messages".into(), "2 messages".into())
    );
    let whole = [("x-openclaw-session-key", "agent:main:notes")];
    assert_eq!(chat(&whole, Some("anna")), "3 messages", "the key goes before the user");
    let work = [("x-openclaw-agent-id", "work"), ("x-openclaw-session-key", "notes")];
    assert_eq!(chat(&work, None), "1 messages");
    for (name, value) in [
        ("x-openclaw-session-key", "agent:main:cron:x"),
        ("x-openclaw-session-key", "subagent:x"),
        ("x-openclaw-session-key", "agent:nonsense"),
        ("x-openclaw-model", "nowhere/unknown"),
    ] {
        let answer = service.post("/v1/chat/completions", &[(name, value)], &ask("REFUSED"));
        assert_eq!(answer.status, 400, "{name} {value}: {answer:?}");
        assert_eq!(answer.json()["error"]["param"], name);
    }
    let other = [("x-openclaw-agent-id", "work"), ("x-openclaw-session-key", "agent:main:notes")];
    assert_eq!(service.post("/v1/chat/completions", &other, &ask("REFUSED")).status, 400);
    assert_eq!(scene.model.asked("REFUSED"), 0);
    service.process.stop();
}

#[test]
fn what_cannot_be_done_is_said_and_what_is_not_passed_on_too() {
    let scene = Scene::new(endpoints());
    let service = scene.start();
    let with = |name: &str, value: Value| {
        let mut body = ask("REFUSED");
        body[name] = value;
        service.post("/v1/chat/completions", &[], &body)
    };
    for (name, value) in [
        ("temperature", json!(2.5)),
        ("top_p", json!(-1)),
        ("stop", json!(["a", "b", "c", "d", "e"])),
        ("n", json!(2)),
        ("max_tokens", json!(0)),
        ("tools", json!([{"type": "web_search"}])),
        ("response_format", json!({"type": "json_object"})),
        ("model", json!("gpt-4o")),
        ("messages", json!([])),
        ("messages", json!([{"role": "user", "content": [{"type": "image_url"}]}])),
        ("stream", json!("yes")),
    ] {
        let answer = with(name, value.clone());
        assert_eq!(answer.status, 400, "{name} {value}: {answer:?}");
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
    }
    assert_eq!(scene.model.asked("REFUSED"), 0, "nothing of it reached the model");
    let mut body = ask("fine");
    body["temperature"] = json!(0.5);
    body["seed"] = json!(7);
    let answer = service.post("/v1/chat/completions", &[], &body);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("x-telson-not-applied"), Some("temperature, seed"));
    let answer = service.post("/v1/chat/completions", &[], &ask("FAIL now"));
    assert_eq!(answer.status, 502, "{answer:?}");
    assert_eq!(answer.json()["error"]["type"], "api_error");
    assert_eq!(service.process.dead_letters(1).len(), 1, "it is kept for a person");
    service.process.stop();
}

#[test]
fn a_client_that_leaves_does_not_take_its_answer_along() {
    let scene = Scene::new(endpoints());
    let service = scene.start();
    let mut body = ask("SLOW and left alone");
    body["stream"] = json!(true);
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", "left")];
    let mut stream = service.connect();
    let text = request("POST", "/v1/chat/completions", &headers, &body.to_string());
    stream.write_all(text.as_bytes()).unwrap();
    let (mut seen, mut piece) = (String::new(), [0; 4096]);
    while !seen.contains("begun") {
        let length = stream.read(&mut piece).unwrap();
        assert!(length > 0, "it ended: {seen}");
        seen.push_str(&String::from_utf8_lossy(&piece[..length]));
    }
    drop(stream);
    scene.model.release();
    let journey = until("it is answered all the same", || {
        let journey = service.process.journey("SLOW and left alone");
        (journey["state"] == "answered").then_some(journey)
    });
    assert_eq!(journey["turn"]["answer"], "begun ended");
    // Whoever comes back under the same key gets that answer.
    let answer = service.post("/v1/chat/completions", &headers[1..], &ask("SLOW and left alone"));
    assert_eq!(content(&answer), "begun ended");
    let mut again = ask("SLOW and left alone");
    again["stream"] = json!(true);
    let answer = service.post("/v1/chat/completions", &headers[1..], &again);
    assert!(answer.body.contains("begun ended") && answer.body.ends_with("data: [DONE]\n\n"));
    assert_eq!(scene.model.asked("SLOW and left alone"), 1);
    service.process.stop();
}

// The answer of one conversation is not for whoever asks in another one.
#[test]
fn a_key_that_was_used_for_another_session_is_refused() {
    let scene = Scene::new(endpoints());
    let service = scene.start();
    let asked = |user: &str| {
        let mut body = ask("hello");
        body["user"] = json!(user);
        service.post("/v1/chat/completions", &[("idempotency-key", "one")], &body)
    };
    let first = asked("ann");
    assert_eq!(first.status, 200, "{first:?}");
    let other = asked("bob");
    assert_eq!(other.status, 409, "{other:?}");
    assert_eq!(other.json()["error"]["type"], "idempotency_key_reused", "{other:?}");
    assert_eq!(content(&asked("ann")), content(&first));
    service.process.stop();
}

// The same within a conversation: the answer to one question is not for another.
#[test]
fn a_key_that_was_used_for_another_request_is_refused() {
    let scene = Scene::new(endpoints());
    let service = scene.start();
    let asked = |text: &str, more: &[(&str, Value)]| {
        let mut body = ask(text);
        for (name, value) in more {
            body[*name] = value.clone();
        }
        service.post("/v1/chat/completions", &[("idempotency-key", "one")], &body)
    };
    let first = asked("hello", &[]);
    assert_eq!(first.status, 200, "{first:?}");
    for other in [asked("something else", &[]), asked("hello", &[("max_tokens", json!(7))])] {
        assert_eq!(other.status, 409, "{other:?}");
        assert_eq!(other.json()["error"]["type"], "idempotency_key_reused", "{other:?}");
    }
    // How the answer is shown makes no other request of it.
    let again = asked("hello", &[("stream", json!(true))]);
    assert_eq!(again.status, 200, "{again:?}");
    assert!(again.body.contains("you said hello"), "{again:?}");
    assert_eq!(content(&asked("hello", &[])), content(&first));
    assert_eq!(scene.model.asked("something else"), 0);
    let body = json!({"model": "openclaw", "input": "hello"});
    let elsewhere = service.post("/v1/responses", &[("idempotency-key", "one")], &body);
    assert_eq!(elsewhere.status, 409, "{elsewhere:?}");
    service.process.stop();
}

// What a slow reader has missed comes at the end, in its place.
#[test]
fn a_reader_who_stalls_gets_the_whole_answer_once() {
    let scene = Scene::new(endpoints());
    let service = scene.start();
    let mut body = ask("FLOOD");
    body["stream"] = json!(true);
    let token = format!("Bearer {TOKEN}");
    let headers = [("authorization", token.as_str())];
    let mut stream = service.connect();
    let text = request("POST", "/v1/chat/completions", &headers, &body.to_string());
    stream.write_all(text.as_bytes()).unwrap();
    until("the model has said everything", || (scene.model.answered("FLOOD") == 1).then_some(()));
    service.process.idle();
    let answer = super::kit::read(&mut stream);
    assert_eq!(answer.status, 200);
    let events = answer.body.lines().filter_map(|line| line.strip_prefix("data: "));
    let events: Vec<Value> = events.filter_map(|data| serde_json::from_str(data).ok()).collect();
    let pieces = events.iter().filter_map(|it| it["choices"][0]["delta"]["content"].as_str());
    let pieces: Vec<&str> = pieces.filter(|piece| !piece.is_empty()).collect();
    let flood = super::model::flood();
    assert!(pieces.len() < flood.len(), "it was slow enough to miss some: {}", pieces.len());
    assert!(pieces.concat() == flood.concat(), "in {} pieces", pieces.len());
    service.process.stop();
}

// The answer to one question is not the answer to another: it would pass for it, and the other one
// would be lost.
#[test]
fn a_key_that_was_used_for_another_text_is_refused() {
    let scene = Scene::new(endpoints());
    let mut service = scene.start();
    let asked = |service: &super::kit::Service, text: &str, user: Option<&str>| {
        let mut body = ask(text);
        body["user"] = json!(user.unwrap_or_default());
        if user.is_none() {
            body.as_object_mut().unwrap().remove("user");
        }
        let key = user.unwrap_or("nobody");
        service.post("/v1/chat/completions", &[("idempotency-key", key)], &body)
    };
    let users = [None, Some("ann")];
    let first = users.map(|user| asked(&service, "ONE of them", user));
    for _ in 0..2 {
        for (user, first) in users.iter().zip(&first) {
            let other = asked(&service, "ANOTHER one", *user);
            assert_eq!(other.status, 409, "{user:?}: {other:?}");
            assert_eq!(other.json()["error"]["type"], "idempotency_key_reused", "{other:?}");
            assert_eq!(content(&asked(&service, "ONE of them", *user)), content(first));
        }
        service.process.kill();
        service = scene.start();
    }
    assert_eq!((scene.model.asked("ONE of them"), scene.model.asked("ANOTHER one")), (2, 0));
    service.process.stop();
}
