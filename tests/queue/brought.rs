//! Tools of a client are durable with their message, and nothing of them is if it is refused.

use std::sync::Arc;

use telson::Limits;
use telson_actors::channel::webchat;
use telson_actors::client_tool::{ClientTool, ClientTools, client_tools_prefix};
use telson_actors::clock::Timestamp;
use telson_actors::message::{ChatKind, Inbound, SessionKey};
use telson_actors::router::{AdmitError, Relayed};
use telson_actors::session::lane::Mode;
use telson_actors::store::{Backend, MemoryBackend};

use crate::desk::{Desk, stop, until};
use crate::support::{Platform, direct, idle};

fn relayed(id: &str, tool: &str) -> Relayed {
    let session = SessionKey::parse("agent:main:main").unwrap();
    let tool = ClientTool {
        name: tool.into(),
        description: String::new(),
        parameters: r#"{"type":"object"}"#.into(),
    };
    let (at, tools) = (Timestamp(0), vec![tool]);
    Relayed {
        agent: "main".into(),
        inbound: Inbound {
            account: webchat::account(),
            dedupe_key: id.into(),
            chat: ChatKind::Direct,
            peer: session.to_string(),
            peer_aliases: Vec::new(),
            thread: None,
            sender: "api".into(),
            reply_to: direct(id, "bert", "hello").reply_to,
            text: "hello".into(),
            attachments: Vec::new(),
            sent_at: at,
        },
        session,
        tools: Some(ClientTools { at, tools, is_alone: false, must_call: false }),
    }
}

/// What lies on the disk of anybody's tools.
fn kept(disk: &MemoryBackend) -> usize {
    disk.scan(&client_tools_prefix(), None, 10).unwrap().len()
}

// D2, L1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_message_leaves_no_tools_behind() {
    let (platform, desk) = (Platform::new(), Desk::default());
    let limits = Limits { waiting_max: 1, ..Limits::default() };
    let builder = desk.engine(&platform, Mode::Steer).limits(limits);
    let backend = Arc::new(MemoryBackend::new());
    let engine = builder.backend(backend.clone()).start().await.unwrap();
    engine.inject(direct("1", "anna", "hang")).await.unwrap();
    until("the model is asked", || desk.asked().len() == 1).await;
    for id in ["a", "b", "a"] {
        let refused = engine.relay(relayed(id, "first")).await;
        assert!(matches!(refused, Err(AdmitError::Busy { .. })), "{refused:?}");
    }
    assert_eq!(kept(&backend), 0);
    engine.inject(direct("2", "anna", "/stop")).await.unwrap();
    idle(&engine).await;
    // The key was refused before, so these are its first tools.
    let relay = engine.relay(relayed("a", "second")).await.unwrap();
    assert!(relay.is_new);
    idle(&engine).await;
    let asked = desk.asked().concat();
    assert!(asked.iter().any(|text| text.contains("hello")), "{asked:?}");
    assert_eq!(kept(&backend), 0, "they go with the answer");
    stop(engine).await;
}

// D7: whoever else were in the turn would be handed its calls too. The session itself finds out which
// messages bring tools: as they come, and when it wakes over what has waited.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_bring_tools_are_gathered_with_nobody_in_this_life_and_the_next() {
    for dies in [false, true] {
        for mode in [Mode::Collect, Mode::Steer] {
            let (platform, desk) = (Platform::new(), Desk::default());
            let memory = Arc::new(MemoryBackend::new());
            let start = || desk.engine(&platform, mode).backend(memory.clone()).start();
            let mut engine = start().await.unwrap();
            let said = |id: &str, text: &str| {
                let mut relayed = relayed(id, "brought");
                relayed.inbound.text = text.into();
                relayed
            };
            let first = Relayed { tools: None, ..said("first", "work 1 first") };
            engine.relay(first).await.unwrap();
            until("the tool is called", || desk.called().len() == 1).await;
            for id in ["a", "b"] {
                assert!(engine.relay(said(id, &format!("hello {id}"))).await.unwrap().is_new);
            }
            if dies {
                stop(engine).await;
                engine = start().await.unwrap();
            }
            desk.open(2);
            idle(&engine).await;
            let asked = desk.asked();
            for id in ["a", "b"] {
                let own = [format!("hello {id}")];
                assert!(asked.contains(&own.to_vec()), "{mode:?}, {dies}: {asked:?}");
            }
            let joined = |texts: &&Vec<String>| texts.concat().contains("hello") && texts.len() > 1;
            assert_eq!(asked.iter().find(joined), None, "{mode:?}, {dies}");
            assert_eq!(kept(&memory), 0);
            stop(engine).await;
        }
    }
}
