//! What a client asks for beside its text: how it waits, which session is meant, where the answer goes.
//! What can't be done is said and not passed over.

use serde_json::{Value, json};

use crate::client::{message, text_of};
use crate::rig::{Rig, client};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_a_message_waits_changes_nothing_of_what_it_says() {
    let rig = Rig::new();
    let service = rig.start();
    let mut client = client(&service).await;
    let said = ["collect my mail", "steer", "cap:5 hello", "-- default"];
    for (number, text) in said.iter().enumerate() {
        let key = format!("k{number}");
        let mut params = message("main", text, &key);
        params["queueMode"] = json!("followup");
        assert_eq!(client.call("chat.send", params).await.unwrap()["status"], "started");
        let ending = client.ending(&key).await;
        assert_eq!(text_of(&ending["message"]), format!("echo: {text}"));
    }
    assert_eq!(rig.model.ledger(), said);
    let history = client.history("main").await;
    let shown: Vec<String> =
        history.iter().filter(|it| it["role"] == "user").map(text_of).collect();
    assert_eq!(shown, said);
    for (text, mode) in [("x", "bogus"), ("x", "STEER"), (" ", "steer")] {
        let mut params = message("main", text, "bad");
        params["queueMode"] = json!(mode);
        let error = client.call("chat.send", params).await.unwrap_err();
        assert_eq!(error["code"], "INVALID_REQUEST", "{mode}: {error}");
    }
    assert_eq!(rig.model.ledger().len(), said.len());
    service.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_meant_by_its_id_too() {
    let rig = Rig::new();
    let service = rig.start();
    let mut client = client(&service).await;
    client.send("notes", "one [#1]", "k1").await;
    client.ending("k1").await;
    let found = client.call("sessions.describe", json!({"key": "agent:main:notes"})).await.unwrap();
    let id = found["session"]["sessionId"].as_str().unwrap().to_owned();
    let params = json!({"message": "two [#2]", "sessionId": id, "idempotencyKey": "k2"});
    let accepted = client.call("agent", params).await.unwrap();
    assert_eq!(accepted["sessionKey"], "agent:main:notes");
    assert_eq!(client.ending("k2").await["sessionKey"], "agent:main:notes");
    // The name and the id of the present life go together; a client may note one of its own.
    for id in [&id, "its-own"] {
        let params = json!({"sessionKey": "agent:main:notes", "sessionId": id});
        assert_eq!(
            client.call("chat.history", params).await.unwrap()["messages"][0]["role"],
            "user"
        );
    }
    for (method, params) in [
        ("agent", json!({"message": "x", "sessionId": "nobody", "idempotencyKey": "a"})),
        (
            "agent",
            json!({"message": "x", "sessionKey": "main", "sessionId": id, "idempotencyKey": "a"}),
        ),
        (
            "chat.send",
            json!({"message": "x", "sessionKey": "main", "sessionId": id, "idempotencyKey": "a"}),
        ),
        ("chat.history", json!({"sessionKey": "main", "sessionId": id})),
    ] {
        let error = client.call(method, params).await.unwrap_err();
        assert_eq!(error["code"], "INVALID_REQUEST", "{method}: {error}");
        assert!(error["message"].as_str().unwrap().contains("sessionId"), "{method}: {error}");
    }
    assert_eq!(rig.model.ledger().len(), 2);
    service.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wishes_that_change_nothing_here_are_named() {
    let rig = Rig::new();
    let service = rig.start();
    let mut client = client(&service).await;
    let mut params = message("main", "[#1]", "k1");
    for (name, wish) in [("thinking", json!("high")), ("timeoutMs", json!(1000))] {
        params[name] = wish;
    }
    (params["fastMode"], params["replyToId"]) = (json!(false), json!("m1"));
    let answer = client.call("chat.send", params).await.unwrap();
    assert_eq!(answer["notApplied"], json!(["thinking", "timeoutMs", "replyToId"]));
    assert_eq!(client.ending("k1").await["state"], "final");
    let params = json!({"message": "[#2]", "idempotencyKey": "k2", "thinking": "low"});
    let accepted = client.call("agent", params).await.unwrap();
    assert_eq!(accepted["notApplied"], json!(["thinking"]));
    service.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_can_be_delivered_nowhere_is_not_made() {
    let rig = Rig::new();
    let service = rig.start();
    let mut client = client(&service).await;
    let ask = |more: &Value| {
        let mut params = json!({"message": "[#1]", "deliver": true, "idempotencyKey": "k1"});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        params
    };
    for more in [
        json!({}),
        json!({"bestEffortDeliver": false, "channel": "last"}),
        json!({"channel": "imessage"}),
        json!({"channel": "imessage", "to": "+15550100001"}),
    ] {
        let error = client.call("agent", ask(&more)).await.unwrap_err();
        assert_eq!(error["code"], "INVALID_REQUEST", "{more}: {error}");
    }
    let mut send = message("main", "[#1]", "k1");
    (send["deliver"], send["originatingChannel"]) = (json!(true), json!("imessage"));
    assert_eq!(client.call("chat.send", send).await.unwrap_err()["code"], "INVALID_REQUEST");
    assert_eq!(rig.model.ledger(), Vec::<String>::new());
    let more = json!({"channel": "imessage", "to": "+15550100001", "bestEffortDeliver": true});
    let id = client.ask("agent", ask(&more)).await;
    assert_eq!(client.answer(&id).await.unwrap()["status"], "accepted");
    let last = client.answer(&id).await.unwrap();
    assert_eq!(last["result"]["payloads"][0]["text"], "echo: [#1]");
    service.stop();
}

// What a person types is one thing wherever it is listed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_help_names_is_listed_and_asks_no_model() {
    let rig = Rig::new();
    let service = rig.start();
    let mut client = client(&service).await;
    let listed = client.call("commands.list", json!({})).await.unwrap();
    let listed = listed["commands"].as_array().unwrap().clone();
    let names: Vec<String> =
        listed.iter().map(|it| format!("/{}", it["name"].as_str().unwrap())).collect();
    client.send("main", "/help", "help").await;
    client.ending("help").await;
    let history = client.history("main").await;
    let help = history.iter().map(text_of).find(|text| text.contains("/status")).unwrap();
    for line in help.lines() {
        let name = line.split_whitespace().next().unwrap().to_owned();
        assert!(names.contains(&name), "{name} is missing: {names:?}");
    }
    for (number, name) in names.iter().enumerate() {
        let takes = listed[number]["acceptsArgs"] == true;
        let text = if takes && name == "/steer" { "/help".to_owned() } else { name.clone() };
        let key = format!("c{number}");
        client.send("main", &text, &key).await;
        client.ending(&key).await;
    }
    assert_eq!(rig.model.ledger(), Vec::<String>::new());
    service.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_hears_of_everything_it_was_promised() {
    let rig = Rig::new();
    let service = rig.start();
    let mut client = client(&service).await;
    let key = |number: usize| json!({"key": format!("s{number}")});
    for number in 0..1024 {
        let answer = client.call("sessions.messages.subscribe", key(number)).await.unwrap();
        assert_eq!(answer["subscribed"], true);
    }
    let error = client.call("sessions.messages.subscribe", key(1024)).await.unwrap_err();
    assert!(error["message"].as_str().unwrap().contains("unsubscribe"), "{error}");
    client.call("sessions.messages.subscribe", key(7)).await.unwrap();
    client.call("sessions.messages.unsubscribe", key(0)).await.unwrap();
    client.call("sessions.messages.subscribe", key(1024)).await.unwrap();
    client.send("s1024", "heard [#1]", "k1").await;
    let heard = client.event(|event| event["event"] == "session.message").await;
    assert_eq!(heard["payload"]["sessionKey"], "agent:main:s1024");
    service.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_word_means_one_session_to_every_method() {
    let model = crate::model::Model::start();
    let mut config = model.config();
    config["session"] = json!({"mainKey": "home"});
    let rig = Rig::with(model, &config);
    let service = rig.start();
    let mut client = client(&service).await;
    for (number, key) in ["main", "agent:main:main", "a:b"].iter().enumerate() {
        let run = format!("k{number}");
        client.send(key, &format!("to {key}"), &run).await;
        let session = client.ending(&run).await["sessionKey"].clone();
        let found = client.call("sessions.describe", json!({"key": key})).await.unwrap();
        assert_eq!(found["session"]["key"], session, "{key}");
        let shown = client.call("sessions.get", json!({"key": key})).await.unwrap();
        assert_eq!(shown["key"], session, "{key}");
    }
    let rows = client.call("sessions.list", json!({})).await.unwrap();
    assert_eq!(rows["totalCount"], 2, "{rows}");
    service.stop();
}
