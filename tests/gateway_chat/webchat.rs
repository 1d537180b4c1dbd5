//! Reading web chat by number: each message once, over lost connections and killed services.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use telson::config::Gateway;
use telson::gateway::{Wanted, plan};
use telson::{Engine, Facts, Host};
use telson_actors::store::MemoryBackend;

use crate::client::Client;
use crate::kit::until;
use crate::rig::{Rig, TOKEN, client};

/// A reader that knows nothing but the last number it has seen.
struct Reader {
    seen: Vec<(u64, String)>,
}

impl Reader {
    fn last(&self) -> u64 {
        self.seen.last().map_or(0, |(number, _)| *number)
    }

    async fn read_on(&mut self, client: &mut Client) {
        loop {
            let params = json!({"sessionKey": "main", "after": self.last(), "limit": 3});
            let page = client.call("telson.webchat.since", params).await.unwrap();
            for message in page["messages"].as_array().unwrap() {
                self.take(message);
            }
            assert_eq!(page["next"], json!(self.last()));
            if page["hasMore"] == false {
                return;
            }
        }
    }

    fn take(&mut self, message: &Value) {
        let number = message["number"].as_u64().unwrap();
        if number > self.last() {
            self.seen.push((number, message["text"].as_str().unwrap().to_owned()));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_comes_and_goes_sees_each_message_once() {
    let rig = Rig::new();
    let mut reader = Reader { seen: Vec::new() };
    let mut sent = Vec::new();
    for life in 0..4 {
        let service = rig.start();
        let mut client = client(&service).await;
        client.call("sessions.messages.subscribe", json!({"key": "main"})).await.unwrap();
        reader.read_on(&mut client).await;
        for number in 0..5 {
            let (text, key) = (format!("[#{life}.{number}]"), format!("{life}-{number}"));
            client.send("main", &text, &key).await;
            sent.push(format!("echo: {text}"));
        }
        // Some are told while the reader is there, the rest it finds when it comes back.
        for _ in 0..2 {
            let told = client.event(|event| event["event"] == "telson.webchat").await;
            reader.take(&told["payload"]);
        }
        service.kill();
    }
    let service = rig.start();
    let mut client = client(&service).await;
    until("everything is answered", || {
        let load = &service.call("status", &json!({}))["load"];
        (load["waiting"] == 0 && load["undelivered"] == 0).then_some(())
    });
    reader.read_on(&mut client).await;
    let texts: Vec<&String> = reader.seen.iter().map(|(_, text)| text).collect();
    let distinct: BTreeSet<&String> = texts.iter().copied().collect();
    assert_eq!(texts.len(), distinct.len(), "none twice: {texts:#?}");
    assert_eq!(distinct, sent.iter().collect::<BTreeSet<_>>(), "none is missing");
    service.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_operator_puts_in_is_seen_and_no_model_reads_it() {
    let rig = Rig::new();
    let service = rig.start();
    let mut client = client(&service).await;
    client.call("sessions.messages.subscribe", json!({"key": "main"})).await.unwrap();
    client.send("main", "before [#1]", "k1").await;
    client.ending("k1").await;
    let params = json!({"sessionKey": "main", "message": "by hand", "label": "note"});
    let put = client.call("chat.inject", params).await.unwrap();
    let told = client.event(|event| {
        event["event"] == "telson.webchat" && event["payload"]["text"] == "[note]\n\nby hand"
    });
    let number = told.await["payload"]["number"].as_u64().unwrap();
    assert_eq!(put, json!({"ok": true, "messageId": format!("w{number}")}));
    client.send("main", "after [#2]", "k2").await;
    client.ending("k2").await;
    let history = client.history("main").await;
    let texts: Vec<String> = history.iter().map(crate::client::text_of).collect();
    let expected =
        ["before [#1]", "echo: before [#1]", "[note]\n\nby hand", "after [#2]", "echo: after [#2]"];
    assert_eq!(texts, expected);
    let params = json!({"sessionKey": "main", "messageId": put["messageId"]});
    let found = client.call("chat.message.get", params).await.unwrap();
    assert_eq!(found["message"], history[2]);
    assert!(!rig.model.ledger().iter().any(|asked| asked.contains("by hand")));
    service.stop();
}

/// Kills of the narrator while messages are kept, fewer than the restarts its branch allows.
const KILLS: usize = 4;

// D5: who only listens is told each message once, though whoever tells dies in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_is_told_each_message_once_though_the_narrator_dies() {
    let dir = tempfile::tempdir().unwrap();
    let wanted = Wanted {
        config: Gateway::default(),
        port: Some(0),
        from_env: [Some(TOKEN.into()), None],
        state_dir: dir.path().to_owned(),
    };
    let gateway = plan(wanted, Host::new(Facts::default())).unwrap();
    let engine = Engine::builder()
        .web_chat()
        .backend(Arc::new(MemoryBackend::new()))
        .gateway(gateway.clone())
        .start()
        .await
        .unwrap();
    let url = format!("ws://{}", gateway.addresses()[0]);
    let mut listener = Client::connect(&url, TOKEN).await;
    let mut writer = Client::connect(&url, TOKEN).await;
    listener.call("sessions.messages.subscribe", json!({"key": "main"})).await.unwrap();
    let mut put = Vec::new();
    for kill in 0..=KILLS {
        for number in 0..50 {
            let text = format!("[#{kill}.{number}]");
            let params = json!({"sessionKey": "main", "message": text});
            writer.call("chat.inject", params).await.unwrap();
            put.push(text);
            if number == 25 && kill < KILLS {
                // It may still be on its way back from the last time.
                until("it runs", || engine.kill_actor("edge/narrator").then_some(()));
            }
        }
    }
    let mut told = Vec::new();
    while told.len() < put.len() {
        let event = listener.event(|event| event["event"] == "telson.webchat").await;
        told.push(event["payload"]["text"].as_str().unwrap().to_owned());
    }
    assert_eq!(told, put);
    let rest = listener.rest().await;
    let more = rest.iter().filter(|event| event["event"] == "telson.webchat").count();
    assert_eq!(more, 0, "{rest:#?}");
    engine.shutdown(Duration::from_secs(5)).await;
}
