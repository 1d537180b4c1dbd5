//! The agent's own tool: what it can do, and for whom.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use telson_actors::provider::{Completion, Failure, Part, Provider, Request, TextSink, ToolCall};
use telson_actors::tool::core::CoreSettings;
use telson_actors::tool::policy::{Policy, Profile, Scope};

use crate::jobs::hourly;
use crate::kit::{World, jobs};
use crate::support::{direct, idle};

/// A model that makes one call and then says what came of it.
struct Caller(Mutex<Value>);

impl Provider for Caller {
    fn stream<'a>(
        &'a self,
        request: &'a Request,
        _: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        let parts =
            request.messages.last().map(|message| message.parts.clone()).unwrap_or_default();
        let told = parts.into_iter().find_map(|part| match part {
            Part::Result(result) => Some(result.text),
            Part::Text(_) | Part::Reasoning(_) | Part::Call(_) | Part::Media(_) => None,
        });
        let completion = told.map_or_else(
            || {
                let mut completion = Completion::text("");
                completion.parts.push(Part::Call(ToolCall {
                    id: "c".into(),
                    name: "cron".into(),
                    arguments: self.0.lock().unwrap().to_string(),
                    signature: None,
                }));
                completion
            },
            Completion::text,
        );
        Box::pin(std::future::ready(Ok(completion)))
    }
}

async fn says(sender: &str, calls: &[Value]) -> (Vec<String>, usize) {
    let world = World::new();
    let caller = Arc::new(Caller(Mutex::default()));
    let full = Scope { profile: Some(Profile::Full), ..Scope::default() };
    let owners = BTreeSet::from(["fake:anna".to_owned()]);
    let engine = world
        .builder()
        .provider("model", caller.clone())
        .core_tools(CoreSettings { owners, ..CoreSettings::default() })
        .tool_policy("main", Policy::new(&full, &Scope::default()))
        .backend(Arc::new(world.memory.clone()))
        .start()
        .await
        .unwrap();
    for (nth, call) in calls.iter().enumerate() {
        *caller.0.lock().unwrap() = call.clone();
        engine.inject(direct(&nth.to_string(), sender, "please")).await.unwrap();
        idle(&engine).await;
    }
    (world.platform.sent_to(sender), jobs(&engine).list().await.unwrap().len())
}

#[tokio::test(start_paused = true)]
async fn an_owner_has_jobs_made_changed_and_removed() {
    let mut job = hourly("j", json!({"mode": "none"}));
    job["agentId"] = Value::Null;
    let calls = [
        json!({"action": "add", "job": job}),
        json!({"action": "update", "id": "j", "patch": {"enabled": false}}),
        json!({"action": "list", "includeDisabled": true}),
        json!({"action": "add", "job": {"name": "x"}}),
        json!({"action": "add", "job": hourly("k", json!({"mode": "none"}))}),
        json!({"action": "remove", "id": "j"}),
    ];
    let (told, left) = says("anna", &calls).await;
    let made: Value = serde_json::from_str(&told[0]).unwrap();
    assert_eq!((&made["id"], &made["agentId"]), (&json!("j"), &json!("main")));
    assert!(told[1].contains("\"enabled\":false"), "{told:?}");
    assert!(told[2].starts_with('[') && told[2].contains("\"j\""), "{told:?}");
    assert!(told[3].contains("schedule is missing"), "{told:?}");
    assert_eq!((told[5].as_str(), left), ("j is removed", 1));
}

#[tokio::test(start_paused = true)]
async fn nobody_else_has_a_job_made_or_sees_one() {
    let add = json!({"action": "add", "job": hourly("j", json!({"mode": "none"}))});
    let (told, left) = says("mallory", &[add, json!({"action": "list"})]).await;
    assert_eq!(left, 0);
    assert!(told.iter().all(|told| told.contains("fake:mallory is none")), "{told:?}");
}
