//! `message`: through the outbox, once.

use serde_json::json;
use telson_actors::tool::core::reach::CrossContext;

use crate::kit::{Model, answer_of, at_every_commit, engine, settings};
use crate::support::{Platform, direct};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_goes_where_it_is_wanted_before_the_answer() {
    let (platform, dir) = (Platform::new(), tempfile::tempdir().unwrap());
    let model = Model::calling(vec![
        ("message", json!({"message": "one moment"})),
        ("message", json!({"action": "send", "target": "ben", "message": "anna says hi"})),
        ("message", json!({"target": "ben", "channel": "carrier-pigeon", "message": "x"})),
        ("message", json!({"threadId": "7", "message": "x"})),
        ("message", json!({"message": "   "})),
    ]);
    let answer = answer_of(engine(&platform, &model, settings(dir.path())), &platform, "go").await;
    assert_eq!(platform.sent_to("ben"), ["anna says hi"]);
    let to_anna = platform.sent_to("anna");
    assert_eq!((to_anna.len(), to_anna[0].as_str()), (2, "one moment"), "{to_anna:?}");
    assert!(answer.contains("on its way to fake/default:ben"), "{answer}");
    assert!(
        answer.contains("no account carrier-pigeon/default; there is fake/default"),
        "{answer}"
    );
    assert!(answer.contains("arguments.threadId needs arguments.target"), "{answer}");
    assert!(answer.contains("nothing to send"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_stay_in_their_conversation_where_the_config_says_so() {
    let (platform, dir) = (Platform::new(), tempfile::tempdir().unwrap());
    let model = Model::calling(vec![
        ("message", json!({"target": "anna", "message": "to you"})),
        ("message", json!({"target": "ben", "message": "to another"})),
    ]);
    let mut settings = settings(dir.path());
    settings.cross = CrossContext { within_channel: false, across_channels: false };
    let answer = answer_of(engine(&platform, &model, settings), &platform, "go").await;
    assert!(platform.sent_to("ben").is_empty());
    assert_eq!(platform.sent_to("anna")[0], "to you");
    assert!(answer.contains("crossContext.allowWithinProvider"), "{answer}");
}

// D7: whenever the power fails, the message is sent, and sent once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_sent_once_whenever_the_engine_dies() {
    let dir = tempfile::tempdir().unwrap();
    let model = Model::new(|said, results| {
        let calls = [("message", json!({"target": "carl", "message": "once"}))];
        let wanted = usize::from(said.contains("tell carl"));
        calls.into_iter().take(wanted).skip(results.len()).collect()
    });
    at_every_commit(
        |platform| engine(platform, &model, settings(dir.path())),
        async |engine| drop(engine.inject(direct("1", "anna", "tell carl")).await),
        |platform, place| {
            assert_eq!(platform.sent_to("carl"), ["once"], "{place}");
            assert_eq!(platform.sent_to("anna").len(), 1, "{place}: {:?}", platform.sent());
        },
    )
    .await;
}
