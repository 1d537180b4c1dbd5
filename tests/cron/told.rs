//! Who is told of what: people who ask for jobs in conversations of their own, and agents that write
//! to somebody themselves.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use telson::Engine;
use telson_actors::cron::job::Delivered;
use telson_actors::message::session_key::DmScope;
use telson_actors::provider::{
    Completion, Failure, Part, Provider, Request, TextSink, ToolCall, TurnMessage,
};
use telson_actors::router::SessionScope;
use telson_actors::tool::core::CoreSettings;
use telson_actors::tool::core::reach::CrossContext;
use telson_actors::tool::policy::{Policy, Profile, Scope};

use crate::jobs::hourly;
use crate::kit::{HOUR, MINUTE, World, add, greet, job, runs};
use crate::support::{direct, idle};

/// A model that makes one call of a tool where the prompt says so, and then answers.
struct Caller {
    tool: &'static str,
    /// What has to stand in a prompt.
    asked_by: &'static str,
    arguments: Mutex<Value>,
}

impl Provider for Caller {
    fn stream<'a>(
        &'a self,
        request: &'a Request,
        _: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        let last = request.messages.last();
        let told =
            last.into_iter().flat_map(|message| &message.parts).find_map(|part| match part {
                Part::Result(result) => Some(result.text.clone()),
                Part::Text(_) | Part::Reasoning(_) | Part::Call(_) | Part::Media(_) => None,
            });
        let prompt = last.map(TurnMessage::plain).unwrap_or_default();
        let completion = match told {
            Some(told) => Completion::text(format!("called: {told}")),
            None if prompt.contains(self.asked_by) => {
                let mut completion = Completion::text("");
                completion.parts.push(Part::Call(ToolCall {
                    id: "c".into(),
                    name: self.tool.into(),
                    arguments: self.arguments.lock().unwrap().to_string(),
                    signature: None,
                }));
                completion
            }
            None => Completion::text("here you are"),
        };
        Box::pin(std::future::ready(Ok(completion)))
    }
}

async fn start(
    world: &World,
    caller: &Arc<Caller>,
    dm_scope: DmScope,
    cross: CrossContext,
) -> Engine {
    let full = Scope { profile: Some(Profile::Full), ..Scope::default() };
    let owners = BTreeSet::from(["fake:anna".to_owned(), "fake:ben".to_owned()]);
    world
        .builder()
        .rules(|rules| rules.session.dm_scope = dm_scope)
        .provider("model", caller.clone())
        .core_tools(CoreSettings { owners, cross, ..CoreSettings::default() })
        .tool_policy("main", Policy::new(&full, &Scope::default()))
        .web_chat()
        .backend(Arc::new(world.memory.clone()))
        .start()
        .await
        .unwrap()
}

// With a session for each person the agent's main session never speaks.
#[tokio::test(start_paused = true)]
async fn who_asks_for_a_reminder_is_reminded_where_they_asked() {
    let add = json!({"action": "add", "job": {
        "id": "r", "schedule": {"kind": "at", "at": "20m"},
        "payload": {"kind": "agentTurn", "message": "tea"},
    }});
    for (dm_scope, last) in [(DmScope::PerPeer, "ben"), (DmScope::Main, "ben")] {
        let world = World::new();
        let arguments = Mutex::new(add.clone());
        let caller = Arc::new(Caller { tool: "cron", asked_by: "remind me", arguments });
        let engine = start(&world, &caller, dm_scope, CrossContext::default()).await;
        engine.inject(direct("1", "anna", "remind me of the tea")).await.unwrap();
        idle(&engine).await;
        // Somebody else is the last to be spoken to.
        engine.inject(direct("2", last, "hello")).await.unwrap();
        idle(&engine).await;
        tokio::time::sleep(21 * MINUTE).await;
        idle(&engine).await;
        let told = world.platform.sent_to("anna");
        assert_eq!(told.get(1).map(String::as_str), Some("here you are"), "{dm_scope:?}: {told:?}");
        assert_eq!(world.platform.sent_to("ben").len(), 1, "{dm_scope:?}");
        engine.shutdown(MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_nobody_in_a_conversation_would_hear_of_is_not_made_there() {
    let event = json!({"action": "add", "job": {
        "id": "e", "schedule": {"kind": "at", "at": "20m"},
        "payload": {"kind": "systemEvent", "text": "tea"},
    }});
    for (dm_scope, is_made) in [(DmScope::PerPeer, false), (DmScope::Main, true)] {
        let world = World::new();
        let arguments = Mutex::new(event.clone());
        let caller = Arc::new(Caller { tool: "cron", asked_by: "remind me", arguments });
        let engine = start(&world, &caller, dm_scope, CrossContext::default()).await;
        engine.inject(direct("1", "anna", "remind me of the tea")).await.unwrap();
        idle(&engine).await;
        let told = world.platform.sent_to("anna");
        assert_eq!(told[0].contains("this is not your main session"), !is_made, "{told:?}");
        assert_eq!(job(&engine, "e").await.is_some(), is_made);
        engine.shutdown(MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn where_there_is_one_session_for_everybody_events_are_told_there() {
    let world = World::new();
    let builder = world.builder().rules(|rules| rules.session.scope = SessionScope::Global);
    let engine = builder.backend(Arc::new(world.memory.clone())).start().await.unwrap();
    greet(&engine).await;
    let tea = json!({
        "id": "tea", "schedule": {"kind": "at", "at": "90s"},
        "payload": {"kind": "systemEvent", "text": "tea is ready"},
    });
    add(&engine, tea).await;
    add(&engine, hourly("turn", json!({"mode": "announce", "channel": "last"}))).await;
    let mut here = hourly("here", json!({"mode": "announce", "channel": "last"}));
    here["sessionTarget"] = json!("session:main");
    add(&engine, here).await;
    tokio::time::sleep(2 * MINUTE).await;
    idle(&engine).await;
    let told = world.platform.sent_to("anna");
    assert!(told.len() == 2 && told[1].ends_with("tea is ready"), "{told:?}");
    tokio::time::sleep(HOUR).await;
    idle(&engine).await;
    assert_eq!(world.platform.sent_to("anna").len(), 4, "{:?}", world.platform.sent());
    assert_eq!(runs(&engine, "here")[0].session.as_ref().unwrap().as_str(), "global");
}

/// What is announced to Anna of a job whose agent has made this call of `message`.
async fn announced(arguments: Value, cross: CrossContext) -> (Vec<String>, Delivered) {
    let world = World::new();
    let arguments = Mutex::new(arguments);
    let caller = Arc::new(Caller { tool: "message", asked_by: "Scheduled for", arguments });
    let engine = start(&world, &caller, DmScope::Main, cross).await;
    let place = json!({"mode": "announce", "channel": "fake", "to": "anna"});
    add(&engine, hourly("j", place)).await;
    tokio::time::sleep(HOUR + MINUTE).await;
    idle(&engine).await;
    let delivery = runs(&engine, "j").remove(0).end.unwrap().delivery;
    engine.shutdown(MINUTE).await;
    (world.platform.sent_to("anna"), delivery)
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_announced_unless_the_agent_has_really_written_there() {
    let open = CrossContext::default();
    let to_anna = json!({"message": "tea", "channel": "fake", "target": "anna"});
    let (told, delivery) = announced(to_anna.clone(), open).await;
    assert_eq!(told, ["tea"]);
    assert!(matches!(delivery, Delivered::Left(_)), "{delivery:?}");
    // Refused: the agent may not write anywhere by itself.
    let closed = CrossContext { within_channel: false, across_channels: false };
    let nowhere = json!({"message": "tea", "channel": "elsewhere", "target": "anna"});
    // A run's own conversation is one that nobody reads.
    let unsaid = json!({"message": "tea", "target": "anna"});
    for (arguments, cross, why) in [
        (to_anna, closed, "not allowed"),
        (nowhere, open, "there is no account"),
        (unsaid, open, "name the channel"),
    ] {
        let (told, delivery) = announced(arguments, cross).await;
        assert!(told.len() == 1 && told[0].contains(why), "{told:?}");
        assert!(matches!(delivery, Delivered::Written { .. }), "{delivery:?}");
    }
    let elsewhere = json!({"message": "tea", "channel": "fake", "target": "ben"});
    let (told, _) = announced(elsewhere, open).await;
    assert!(told.len() == 1 && told[0].starts_with("called: "), "{told:?}");
}
