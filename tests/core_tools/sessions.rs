//! `sessions_list`, `sessions_history`, `sessions_send`.

use std::sync::Arc;

use serde_json::{Value, json};
use telson_actors::message::ChatKind;
use telson_actors::router::{AccountMatch, AgentId, Binding, PeerId, PeerMatch};
use telson_actors::store::MemoryBackend;
use telson_actors::tool::core::reach::{Reach, Visibility};

use crate::kit::{Model, agent, at_every_commit, engine, everything, settings, stop};
use crate::support::{Platform, direct, idle};

const BEN: &str = "agent:main:fake:direct:ben";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_listed_and_their_history_told() {
    let (platform, dir) = (Platform::new(), tempfile::tempdir().unwrap());
    let model = Model::new(|said, results| match (said.contains("look"), results.len()) {
        (true, 0) => vec![
            ("sessions_list", json!({})),
            ("sessions_list", json!({"limit": 1})),
            ("sessions_history", json!({"sessionKey": BEN})),
            ("sessions_history", json!({"sessionKey": "agent:main:fake:direct:nobody"})),
            ("sessions_history", json!({"sessionKey": "ben"})),
        ],
        _ => vec![],
    });
    let backend = Arc::new(MemoryBackend::new());
    let engine =
        engine(&platform, &model, settings(dir.path())).backend(backend).start().await.unwrap();
    engine.inject(direct("1", "ben", "my secret garden")).await.unwrap();
    idle(&engine).await;
    engine.inject(direct("2", "anna", "hi")).await.unwrap();
    idle(&engine).await;
    engine.inject(direct("3", "anna", "look")).await.unwrap();
    idle(&engine).await;
    stop(engine).await;
    let answer = platform.sent_to("anna")[1].clone();
    let parts: Vec<&str> = answer.split("\n+ ").collect();
    let listed: Vec<Value> =
        parts[0].lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let keys: Vec<&str> = listed.iter().map(|line| line["sessionKey"].as_str().unwrap()).collect();
    assert_eq!(keys, ["agent:main:fake:direct:anna", BEN], "the most recent first");
    assert_eq!((&listed[0]["current"], &listed[1]["current"]), (&json!(true), &json!(false)));
    assert_eq!(listed[1]["place"], "fake/default:ben");
    assert!(parts[1].contains("[1 more]"), "{}", parts[1]);
    let said: Vec<Value> =
        parts[2].lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!((&said[0]["role"], &said[0]["text"]), (&json!("user"), &json!("my secret garden")));
    assert_eq!(said[1]["text"], "nothing to do");
    assert!(parts[3].contains("there is no session"), "{}", parts[3]);
    assert!(parts[4].contains("session key"), "{}", parts[4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_agents_sessions_are_out_of_reach_unless_allowed() {
    for (visibility, reachable) in
        [(Visibility::Own, false), (Visibility::Agent, false), (Visibility::All, true)]
    {
        let (platform, dir) = (Platform::new(), tempfile::tempdir().unwrap());
        let other = "agent:other:fake:direct:ben";
        let model = Model::new(move |said, results| match (said, results.len()) {
            ("look", 0) => vec![
                ("sessions_list", json!({})),
                ("sessions_history", json!({"sessionKey": other})),
                ("sessions_send", json!({"sessionKey": other, "message": "psst"})),
            ],
            _ => vec![],
        });
        let mut settings = settings(dir.path());
        settings.reach = Reach { visibility, ..Reach::default() };
        let engine = engine(&platform, &model, settings)
            .agent("other", agent())
            .tool_policy("other", everything())
            .rules(|rules| {
                rules.bindings.push(Binding {
                    agent: AgentId::new("other"),
                    channel: "fake".into(),
                    account: AccountMatch::Any,
                    peer: Some(PeerMatch {
                        kind: ChatKind::Direct,
                        id: PeerId::Exact("ben".into()),
                    }),
                    dm_scope: None,
                    group_scope: None,
                });
            })
            .backend(Arc::new(MemoryBackend::new()))
            .start()
            .await
            .unwrap();
        engine.inject(direct("1", "ben", "my secret garden")).await.unwrap();
        idle(&engine).await;
        engine.inject(direct("2", "anna", "look")).await.unwrap();
        idle(&engine).await;
        stop(engine).await;
        let answer = platform.sent_to("anna").join("");
        assert_eq!(answer.contains("my secret garden"), reachable, "{visibility:?}: {answer}");
        assert_eq!(answer.contains(&format!("{other}\"")), reachable, "{visibility:?}: {answer}");
        assert_eq!(platform.sent_to("ben").len(), 1 + usize::from(reachable), "{visibility:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_that_answer_each_other_come_to_an_end() {
    let (platform, dir) = (Platform::new(), tempfile::tempdir().unwrap());
    let anna = "agent:main:fake:direct:anna";
    let model = Model::new(move |said, results| {
        let to = match said {
            "hello" => return vec![],
            _ if said.contains(BEN) || said == "self" => BEN,
            _ => anna,
        };
        let calls = vec![("sessions_send", json!({"sessionKey": to, "message": "and you?"}))];
        if results.is_empty() { calls } else { vec![] }
    });
    let engine = engine(&platform, &model, settings(dir.path()))
        .backend(Arc::new(MemoryBackend::new()))
        .start()
        .await
        .unwrap();
    engine.inject(direct("1", "anna", "hello")).await.unwrap();
    engine.inject(direct("2", "ben", "hello")).await.unwrap();
    idle(&engine).await;
    engine.inject(direct("3", "anna", &format!("begin, {BEN}"))).await.unwrap();
    idle(&engine).await;
    let all: Vec<(String, String)> = platform.sent();
    let told: Vec<&String> =
        all.iter().map(|(_, text)| text).filter(|text| text.contains("has the message")).collect();
    assert_eq!(told.len(), 5, "{all:?}");
    // Which of the two is answered last is not said: they are conversations of their own.
    let ends: Vec<&str> = all
        .iter()
        .filter(|(_, text)| text.contains("goes no further"))
        .map(|(to, _)| to.as_str())
        .collect();
    assert_eq!(ends, ["ben"], "{all:?}");
    // What comes from a session says so.
    let requests = format!("{:?}", model.requests());
    assert!(requests.contains("[from session agent:main:fake:direct:anna; written by an agent"));
    // Talking to oneself has no end either.
    engine.inject(direct("4", "ben", "self")).await.unwrap();
    idle(&engine).await;
    assert!(platform.sent_to("ben").last().unwrap().contains("just answer"));
    stop(engine).await;
}

// D5, D7: whenever the power fails, the other session hears it, and hears it once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_word_to_a_session_is_said_once_whenever_the_engine_dies() {
    let dir = tempfile::tempdir().unwrap();
    let model = Model::new(|said, results| match (said, results.len()) {
        ("tell ben", 0) => vec![("sessions_send", json!({"sessionKey": BEN, "message": "psst"}))],
        _ => vec![],
    });
    at_every_commit(
        |platform| engine(platform, &model, settings(dir.path())),
        async |engine| drop(engine.inject(direct("1", "anna", "tell ben")).await),
        |platform, place| {
            // One answer to his own hello, one to what he was told.
            assert_eq!(platform.sent_to("ben").len(), 2, "{place}: {:?}", platform.sent());
            assert_eq!(platform.sent_to("anna").len(), 1, "{place}: {:?}", platform.sent());
        },
    )
    .await;
}
