//! The agent's own tool: what it can do, and for whom.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use telson_actors::cron::job::Job;
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
    let (told, _, left) = says_to(sender, calls, &[]).await;
    (told, left)
}

/// The same, where some agents may run commands; answers the jobs that are left too.
async fn says_to(
    sender: &str,
    calls: &[Value],
    commanders: &[&str],
) -> (Vec<String>, Vec<Job>, usize) {
    let commanders = commanders.iter().map(|agent| (*agent).to_owned()).collect();
    let world = World::new();
    let caller = Arc::new(Caller(Mutex::default()));
    let full = Scope { profile: Some(Profile::Full), ..Scope::default() };
    let owners = BTreeSet::from(["fake:anna".to_owned()]);
    let engine = world
        .builder()
        .provider("model", caller.clone())
        .core_tools(CoreSettings { owners, commanders, ..CoreSettings::default() })
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
    let left = jobs(&engine).list().await.unwrap();
    let count = left.len();
    (world.platform.sent_to(sender), left, count)
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

fn command(name: &str) -> Value {
    let mut job = hourly(name, json!({"mode": "none"}));
    job["payload"] = json!({"kind": "command", "argv": ["/bin/true"]});
    job
}

#[tokio::test(start_paused = true)]
async fn an_agent_makes_a_command_only_where_it_may_run_one_and_an_owner_asks() {
    let add = json!({"action": "add", "job": command("c")});
    let (told, _, left) = says_to("anna", std::slice::from_ref(&add), &[]).await;
    assert!(left == 0 && told[0].contains("you may not run commands"), "{told:?}");
    let plain = json!({"action": "add", "job": hourly("p", json!({"mode": "none"}))});
    let change = json!({
        "action": "update", "id": "p", "patch": {"payload": {"kind": "command", "argv": ["x"]}},
    });
    let (told, jobs, _) = says_to("anna", &[plain, change], &[]).await;
    assert!(told[1].contains("you may not run commands"), "{told:?}");
    assert!(!jobs[0].is_command());
    let (told, jobs, left) = says_to("anna", &[add], &["main"]).await;
    assert!(left == 1 && jobs[0].is_command(), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_job_of_an_agent_runs_where_it_was_made_or_by_itself() {
    let mut here = hourly("here", json!({"mode": "none"}));
    here["sessionTarget"] = json!("current");
    let mut there = here.clone();
    there["id"] = json!("there");
    there["sessionTarget"] = json!("session:agent:main:fake:direct:ben");
    let calls = [json!({"action": "add", "job": here}), json!({"action": "add", "job": there})];
    let (told, jobs, left) = says_to("anna", &calls, &[]).await;
    assert_eq!(left, 1, "{told:?}");
    assert_eq!(jobs[0].spec.target.as_deref(), Some("agent:main:main"));
    assert!(told[1].contains("in this one"), "{told:?}");
}

// A model repeats what it reads to whoever asks.
#[tokio::test(start_paused = true)]
async fn an_agent_is_shown_no_secret_of_a_job() {
    let mut job = command("c");
    job["payload"]["env"] = json!({"KEY": "secret-a"});
    job["delivery"] = json!({"mode": "webhook", "to": "https://hooks.test/secret-b?k=secret-c"});
    let calls = [
        json!({"action": "add", "job": job}),
        json!({"action": "update", "id": "c", "patch": {"enabled": false}}),
        json!({"action": "list", "includeDisabled": true}),
    ];
    let (told, jobs, _) = says_to("anna", &calls, &["main"]).await;
    for told in &told {
        assert!(told.contains("hooks.test") && !told.contains("secret-"), "{told}");
    }
    assert_eq!((told.len(), jobs.len()), (3, 1));
}
