//! A message sent, told while it is answered, and read back.

use serde_json::json;

use crate::client::{count, message, text_of};
use crate::rig::{Rig, client};

const MAIN: &str = "agent:main:main";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_told_from_its_beginning_to_its_one_end() {
    let rig = Rig::new();
    let service = rig.start();
    let mut client = client(&service).await;
    client.call("sessions.subscribe", json!({})).await.unwrap();
    client.call("sessions.messages.subscribe", json!({"key": "main"})).await.unwrap();
    let sent = client.send("main", "hello [#1]", "k1").await;
    assert_eq!(sent, json!({"runId": "k1", "status": "started"}));
    let told = client.run("k1").await;
    assert_eq!(
        (&told[0]["state"], &told[0]["phase"]),
        (&json!("status"), &json!("starting_model"))
    );
    let deltas: Vec<_> = told.iter().filter(|told| told["state"] == "delta").collect();
    let mut text = String::new();
    for delta in &deltas {
        text.push_str(delta["deltaText"].as_str().unwrap());
        assert_eq!(text_of(&delta["message"]), text, "cumulative");
        assert_eq!(delta.get("replace"), None);
    }
    assert!(!deltas.is_empty());
    let last = told.last().unwrap();
    assert_eq!((&last["state"], &last["sessionKey"]), (&json!("final"), &json!(MAIN)));
    assert_eq!(text_of(&last["message"]), "echo: hello [#1]");
    assert_eq!(text, "echo: hello [#1]", "the deltas are the whole text");
    let seqs: Vec<u64> = told.iter().map(|told| told["seq"].as_u64().unwrap()).collect();
    assert!(seqs.is_sorted() && seqs[0] > 0, "{seqs:?}");

    let rest = client.rest().await;
    let of = |name: &str| rest.iter().filter(|event| event["event"] == name).collect::<Vec<_>>();
    let agent: Vec<u64> =
        of("agent").iter().map(|event| event["payload"]["seq"].as_u64().unwrap()).collect();
    assert!(agent.iter().copied().eq(1..=agent.len() as u64), "counted one by one: {agent:?}");
    let streams: Vec<&str> =
        of("agent").iter().map(|event| event["payload"]["stream"].as_str().unwrap()).collect();
    for stream in ["lifecycle", "run_status", "assistant", "usage"] {
        assert!(streams.contains(&stream), "{streams:?}");
    }
    let roles: Vec<_> =
        of("session.message").iter().map(|it| it["payload"]["message"]["role"].clone()).collect();
    assert_eq!(roles, ["user", "assistant"]);
    assert!(of("sessions.changed").len() >= 2, "{rest:#?}");

    let history = client.history("main").await;
    assert_eq!(history.len(), 2, "{history:#?}");
    assert_eq!(
        (&history[0]["content"], &history[0]["idempotencyKey"]),
        (&json!("hello [#1]"), &json!("k1:user"))
    );
    assert_eq!(history[1]["content"], json!([{"type": "text", "text": "echo: hello [#1]"}]));
    assert_eq!((&history[1]["provider"], &history[1]["model"]), (&json!("mock"), &json!("m")));
    assert_eq!(history[1]["usage"]["output"], 5);
    for message in &history {
        let id = &message["__openclaw"]["id"];
        let params = json!({"sessionKey": "main", "messageId": id});
        let found = client.call("chat.message.get", params).await.unwrap();
        assert_eq!(found, json!({"ok": true, "message": message}));
    }
    service.stop();
}

// D5: a repeat is answered from the store, in this life and in the next, and never run again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_key_never_makes_a_second_turn() {
    let rig = Rig::new();
    let service = rig.start();
    let (mut one, mut two) = (client(&service).await, client(&service).await);
    let mut asked = Vec::new();
    for _ in 0..10 {
        for client in [&mut one, &mut two] {
            asked.push(client.ask("chat.send", message("main", "once [#1] [[hold]]", "k1")).await);
        }
    }
    let mut statuses = Vec::new();
    for pair in asked.chunks(2) {
        statuses.push(one.answer(&pair[0]).await.unwrap()["status"].clone());
        statuses.push(two.answer(&pair[1]).await.unwrap()["status"].clone());
    }
    let started = statuses.iter().filter(|status| **status == "started").count();
    let in_flight = statuses.iter().filter(|status| **status == "in_flight").count();
    assert_eq!((started, in_flight), (1, 19), "{statuses:?}");
    rig.model.release();
    for client in [&mut one, &mut two] {
        assert_eq!(client.ending("k1").await["state"], "final");
    }
    let again = one.send("main", "once [#1] [[hold]]", "k1").await;
    assert_eq!(again, json!({"runId": "k1", "status": "ok"}));
    service.kill();
    let service = rig.start();
    let mut one = client(&service).await;
    let again = one.send("main", "once [#1] [[hold]]", "k1").await;
    assert_eq!(again, json!({"runId": "k1", "status": "ok"}));
    one.send("main", "and this [#2]", "k2").await;
    one.ending("k2").await;
    assert_eq!(rig.model.asked("[#1]"), 1, "{:?}", rig.model.ledger());
    assert_eq!(count(&one.history("main").await, "assistant", "[#1]"), 1);
    let rest = one.rest().await;
    let of_first = rest.iter().filter(|event| event["payload"]["runId"] == "k1").count();
    assert_eq!(of_first, 0, "nothing is told again: {rest:#?}");
    service.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_refused_by_name_and_costs_nothing() {
    let rig = Rig::new();
    let service = rig.start();
    let mut client = client(&service).await;
    for (params, part) in [
        (json!({"nope": 1}), "unexpected property 'nope'"),
        (json!({"sessionKey": "main", "message": "x"}), "idempotencyKey"),
        (
            json!({"sessionKey": "agent:nobody:main", "message": "x", "idempotencyKey": "a"}),
            "nobody",
        ),
        (
            json!({"sessionKey": "agent:a:b:c:d:e:f", "message": "x", "idempotencyKey": "a"}),
            "session key",
        ),
        (json!({"sessionKey": "main", "message": " ", "idempotencyKey": "a"}), "required"),
        (json!({"sessionKey": "main", "message": 7, "idempotencyKey": "a"}), "/message"),
        (json!({"sessionKey": "main", "message": "x", "idempotencyKey": "a\u{0}b"}), "control"),
        (
            json!({"sessionKey": "main", "message": "x", "idempotencyKey": "a", "expectedLeafEntryId": "l"}),
            "not supported",
        ),
    ] {
        let error = client.call("chat.send", params.clone()).await.unwrap_err();
        assert_eq!(error["code"], "INVALID_REQUEST", "{params}");
        assert!(error["message"].as_str().unwrap().contains(part), "{params}: {error}");
    }
    assert_eq!(rig.model.ledger(), Vec::<String>::new());
    let known = client.call("agent.identity.get", json!({"sessionKey": "main"})).await.unwrap();
    assert_eq!((&known["agentId"], &known["nameSource"]), (&json!("main"), &json!("default")));
    // A session is made by writing to it.
    let sent = client.call("sessions.send", json!({"key": "notes", "message": "hi [#1]"})).await;
    let run = sent.unwrap()["runId"].as_str().unwrap().to_owned();
    assert_eq!(client.ending(&run).await["sessionKey"], "agent:main:notes");
    service.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_is_bounded_by_count_and_by_characters() {
    let rig = Rig::new();
    let service = rig.start();
    let mut client = client(&service).await;
    for number in 0..6 {
        let (text, key) = (format!("number {number} {}", "x".repeat(100)), format!("k{number}"));
        client.send("main", &text, &key).await;
        client.ending(&key).await;
    }
    let params = json!({"sessionKey": "main", "limit": 3, "maxChars": 10});
    let page = client.call("chat.history", params).await.unwrap();
    let texts: Vec<String> = page["messages"].as_array().unwrap().iter().map(text_of).collect();
    assert_eq!((texts.len(), &page["hasMore"]), (3, &json!(true)));
    assert!(
        texts[0].starts_with("echo: numb") && texts[0].ends_with("(truncated)..."),
        "{texts:?}"
    );
    let params = json!({"sessionKey": "main", "limit": 100, "offset": 10});
    let page = client.call("chat.history", params).await.unwrap();
    let texts: Vec<String> = page["messages"].as_array().unwrap().iter().map(text_of).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].starts_with("number 0"), "{texts:?}");
    assert_eq!(page["hasMore"], json!(false));
    service.stop();
}
