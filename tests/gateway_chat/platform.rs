//! Sessions of a platform, seen and written to over the gateway.

use serde_json::{Value, json};

use crate::client::{Client, text_of};
use crate::kit::until;
use crate::rig::{TOKEN, url};
use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platforms_runs_are_told_and_its_people_can_be_answered() {
    let scene = Scene::new();
    scene.home.set_env("TELSON_GATEWAY_TOKEN", std::path::Path::new(TOKEN));
    let friend = scene.friend("+15550100001");
    let service = scene.start();
    let mut client = Client::connect(&url(&service), TOKEN).await;
    scene.say(&friend, "hi there [#1]");
    let told = client.event(|event| event["payload"]["state"] == "final").await["payload"].clone();
    assert!(told["runId"].as_str().unwrap().starts_with("turn-"), "{told}");
    assert!(text_of(&told["message"]).contains("[#1]"), "{told}");
    let session = told["sessionKey"].as_str().unwrap().to_owned();
    until("the friend is answered", || (scene.texts_to(&friend).len() == 1).then_some(()));

    let send = |key: &str, deliver: bool| {
        let text = format!("from the gateway [#{key}]");
        json!({"sessionKey": session, "message": text, "idempotencyKey": key, "deliver": deliver})
    };
    for (key, deliver) in [("here", false), ("there", true)] {
        client.call("chat.send", send(key, deliver)).await.unwrap();
        assert_eq!(client.ending(key).await["state"], "final");
    }
    until("what was to be delivered is", || (scene.texts_to(&friend).len() == 2).then_some(()));
    let texts = scene.texts_to(&friend);
    assert!(texts[1].contains("[#there]") && !texts.concat().contains("[#here]"), "{texts:?}");

    // Another channel than the one that is named is not where it was meant to go.
    let ask = |channel: &str, key: &str| {
        json!({"message": format!("over [#{key}]"), "sessionKey": session, "deliver": true,
               "channel": channel, "idempotencyKey": key})
    };
    let error = client.call("agent", ask("telegram", "a1")).await.unwrap_err();
    assert_eq!(error["code"], "INVALID_REQUEST", "{error}");
    for (count, channel) in [(3, "imessage"), (4, "last")] {
        client.call("agent", ask(channel, channel)).await.unwrap();
        until("it is delivered", || (scene.texts_to(&friend).len() == count).then_some(()));
    }
    let post = json!({
        "to": "+15550100001", "channel": "imessage", "message": "plain [#3]", "idempotencyKey": "p",
    });
    let (first, again): (Value, Value) = (
        client.call("send", post.clone()).await.unwrap(),
        client.call("send", post).await.unwrap(),
    );
    assert_eq!(first, again, "the same entry");
    for (field, value) in [("message", "other [#3]"), ("to", "+15550100002")] {
        let mut other = json!({
            "to": "+15550100001", "channel": "imessage", "message": "plain [#3]",
            "idempotencyKey": "p",
        });
        other[field] = json!(value);
        let error = client.call("send", other).await.unwrap_err();
        assert_eq!(error["code"], "INVALID_REQUEST", "{field}: {error}");
        assert!(error["message"].as_str().unwrap().contains("a key of its own"), "{error}");
    }
    let posted = || scene.texts().iter().filter(|text| text.contains("[#3]")).count();
    until("the text is out", || (posted() > 0).then_some(()));
    service.idle();
    assert_eq!(posted(), 1);
    let error = client.call(
        "send",
        json!({"to": "x", "channel": "nowhere", "message": "y", "idempotencyKey": "q"}),
    );
    assert_eq!(error.await.unwrap_err()["code"], "INVALID_REQUEST");
    service.stop();
}
