//! Files that come along with messages of the gateway's clients: shown to models that see them, kept
//! for their turn across a kill, and refused where nobody would see them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::client::{Client, message};
use crate::kit::until;
use crate::rig::{Rig, client};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n a picture";

fn picture() -> Value {
    // What it calls itself counts for nothing.
    json!({"mimeType": "application/octet-stream", "fileName": "a.bin", "content": STANDARD.encode(PNG)})
}

fn url() -> String {
    format!("data:image/png;base64,{}", STANDARD.encode(PNG))
}

fn files(rig: &Rig) -> usize {
    std::fs::read_dir(rig.home.state_dir().join("media/api")).map_or(0, Iterator::count)
}

async fn refused(client: &mut Client, key: &str, attachments: Value) -> String {
    let mut params = message("main", "look [#no]", key);
    params["attachments"] = attachments;
    let error = client.call("chat.send", params).await.unwrap_err();
    assert_eq!(error["code"], "INVALID_REQUEST", "{error}");
    error["message"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_sees_is_shown_what_came_along() {
    let rig = Rig::seeing();
    let service = rig.start();
    let mut client = client(&service).await;
    let list = json!([picture()]);
    let sends = [
        ("chat.send", json!({"sessionKey": "main", "message": "[#1]", "idempotencyKey": "k1"})),
        ("sessions.send", json!({"key": "notes", "message": "[#2]", "idempotencyKey": "k2"})),
        ("agent", json!({"message": "[#3]", "idempotencyKey": "k3"})),
    ];
    for (method, mut params) in sends {
        let (mark, run) = (params["message"].clone(), params["idempotencyKey"].clone());
        let (mark, run) = (mark.as_str().unwrap(), run.as_str().unwrap());
        params["attachments"] = list.clone();
        client.call(method, params.clone()).await.unwrap();
        assert_eq!(client.ending(run).await["state"], "final");
        assert_eq!(rig.model.shown(mark), [url()], "{method}");
        // Its key is used: nothing is asked or kept again.
        client.call(method, params).await.unwrap();
        assert_eq!(rig.model.asked(mark), 1, "{method}");
    }
    until("they go with the answers", || (files(&rig) == 0).then_some(()));
    service.stop();
}

// D2: what was acknowledged is answered, with what came along, also by another life.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_outlives_the_life_that_took_it_in() {
    let rig = Rig::seeing();
    let service = rig.start();
    let mut first = client(&service).await;
    let mut params = message("main", "look [#1] [[hold]]", "k1");
    params["attachments"] = json!([picture()]);
    assert_eq!(first.call("chat.send", params).await.unwrap()["status"], "started");
    until("it is asked", || (rig.model.asked("[#1]") == 1).then_some(()));
    service.kill();
    assert_eq!(files(&rig), 1);
    let service = rig.start();
    let mut second = client(&service).await;
    rig.model.release();
    until("it is asked again", || (rig.model.asked("[#1]") == 2).then_some(()));
    second.call("agent.wait", json!({"runId": "k1"})).await.unwrap();
    assert_eq!(rig.model.shown("[#1]"), [url(), url()], "by both lives");
    until("it goes with the answer", || (files(&rig) == 0).then_some(()));
    service.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_model_would_be_shown_is_refused() {
    let (blind, seeing) = (Rig::new(), Rig::seeing());
    let service = blind.start();
    let mut one = client(&service).await;
    let why = refused(&mut one, "a", json!([picture()])).await;
    assert!(why.contains("mock/m is not shown image/png"), "{why}");
    service.stop();
    let service = seeing.start();
    let mut one = client(&service).await;
    let sent = |bytes: &[u8]| json!({"mimeType": "image/png", "content": STANDARD.encode(bytes)});
    for (list, part) in [
        (json!([picture(), sent(b"plain")]), "attachment 1: models are shown pictures"),
        (json!([sent(b"%PDF-1.7")]), "mock/m is not shown application/pdf"),
        (json!([sent(&[PNG, &vec![0; 3_750_000]].concat())]), "at most"),
        (json!([{"mimeType": "image/png"}]), "content is missing"),
        (json!(vec![picture(); 11]), "too many"),
    ] {
        let why = refused(&mut one, "b", list).await;
        assert!(why.contains(part), "{part}: {why}");
    }
    for rig in [&blind, &seeing] {
        assert_eq!((rig.model.asked("[#no]"), files(rig)), (0, 0));
    }
    // A key of which nothing was admitted is free.
    assert_eq!(one.send("main", "and now [#yes]", "b").await["status"], "started");
    service.stop();
}
