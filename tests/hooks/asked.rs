//! Hooks that change what is about to happen.

use std::sync::Arc;

use serde_json::{Value, json};
use telson_actors::hook::{Decision, HookEvent, Moment};

use crate::kit::{Model, Note, Own, content, engine, start, stop, text};
use crate::support::{Platform, direct, idle};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_highest_priority_goes_first_and_each_sees_what_came_before() {
    let (platform, model) = (Platform::new(), Arc::new(Model::default()));
    let adds = |name, priority, mark: &'static str| {
        Own::new(name, Moment::MessageSending, priority, move |event| {
            Ok(content(text(event) + mark))
        })
    };
    let unchanged = |_: &HookEvent| Ok(Decision { cancel: Some(false), ..Decision::default() });
    let engine = start(
        engine(&platform, &model)
            .hook(adds("low", -5, "3"))
            .hook(adds("first of equals", 0, "1"))
            .hook(adds("second of equals", 0, "2"))
            .hook(adds("high", 9, "0"))
            .hook(Own::new("none", Moment::MessageSending, -9, unchanged)),
    )
    .await;
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    idle(&engine).await;
    assert_eq!(platform.sent_to("anna"), ["answer to hi0123"]);
    stop(engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_answer_is_not_sent_and_its_journey_says_why() {
    let (platform, model) = (Platform::new(), Arc::new(Model::default()));
    let yes = |cancel| Ok(Decision { cancel: Some(cancel), ..Decision::default() });
    let later = Own::new("later", Moment::MessageSending, 0, move |_| yes(false));
    let engine = start(
        engine(&platform, &model)
            .hook(Own::new("censor", Moment::MessageSending, 1, move |event| {
                yes(text(event).contains("secret"))
            }))
            .hook(later.clone()),
    )
    .await;
    engine.inject(direct("1", "anna", "the secret")).await.unwrap();
    engine.inject(direct("2", "anna", "the weather")).await.unwrap();
    idle(&engine).await;
    assert_eq!(platform.sent_to("anna"), ["answer to the weather"]);
    assert_eq!(later.seen().len(), 1, "what is final is not asked about again");
    let journey = engine.why("the secret").await.unwrap().remove(0);
    assert_eq!(journey.state, "answered");
    assert_eq!(journey.reason.as_deref(), Some("hook censor cancelled it: nothing was sent"));
    assert!(journey.entries.is_empty() && engine.load().dead_letters == 0);
    stop(engine).await;
}

async fn with_tool(answer: Decision) -> (Vec<String>, String) {
    let (platform, model) = (Platform::new(), Arc::new(Model::default()));
    let tool = Arc::new(Note::default());
    let hook = Own::new("gate", Moment::BeforeToolCall, 0, move |_| Ok(answer.clone()));
    let engine = engine(&platform, &model).tool(tool.clone(), &["main"]).hook(hook);
    let engine = start(engine).await;
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    idle(&engine).await;
    stop(engine).await;
    (tool.ledger(), platform.sent_to("anna").join("|"))
}

fn params(value: Value) -> Option<serde_json::Map<String, Value>> {
    value.as_object().cloned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_call_is_blocked_changed_or_left_alone() {
    let block_reason = Some("not today".to_owned());
    let blocked = Decision { block: Some(true), block_reason, ..Decision::default() };
    let (calls, answer) = with_tool(blocked).await;
    assert_eq!(calls, [""; 0]);
    assert_eq!(answer, "the hook gate blocked this call: not today");

    let not_blocked = Decision { block: Some(false), ..Decision::default() };
    let (calls, _) = with_tool(not_blocked).await;
    assert_eq!(calls, ["the original"]);

    let other = Decision { params: params(json!({"text": "another"})), ..Decision::default() };
    let (calls, answer) = with_tool(other).await;
    assert_eq!((calls, answer.as_str()), (vec!["another".into()], "noted: another"));

    let misfit = Decision { params: params(json!({"text": 5})), ..Decision::default() };
    let (calls, answer) = with_tool(misfit).await;
    assert_eq!(calls, [""; 0], "what does not fit is not called");
    assert!(answer.contains("do not fit any more") && answer.contains("text"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_is_changed_before_the_model_and_the_journal_have_it() {
    let (platform, model) = (Platform::new(), Arc::new(Model::default()));
    let redact = |event: &HookEvent| Ok(content(text(event).replace("original", "[redacted]")));
    let engine =
        start(engine(&platform, &model).tool(Arc::new(Note::default()), &["main"]).hook(Own::new(
            "redact",
            Moment::ToolResultPersist,
            0,
            redact,
        )))
        .await;
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    idle(&engine).await;
    assert_eq!(platform.sent_to("anna"), ["noted: the [redacted]"]);
    let asked = format!("{:?}", model.bill().last().unwrap().messages);
    assert!(!asked.contains("noted: the original"), "{asked}");
    stop(engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_starts_with_what_hooks_make_of_its_system_prompt() {
    let (platform, model) = (Platform::new(), Arc::new(Model::default()));
    let context = |text: &str| Some(text.to_owned());
    let engine = start(
        engine(&platform, &model)
            .hook(Own::new("weather", Moment::BeforeAgentStart, 1, move |_| {
                Ok(Decision { prepend_context: context("It rains."), ..Decision::default() })
            }))
            .hook(Own::new("mood", Moment::BeforeAgentStart, 0, move |event| {
                let HookEvent::BeforeAgentStart { prompt, system_prompt, .. } = event else {
                    panic!("{event:?}");
                };
                let system_prompt = Some(format!("{system_prompt} and kind about {prompt}"));
                let prepend_context = context("It is May.");
                Ok(Decision { system_prompt, prepend_context, ..Decision::default() })
            })),
    )
    .await;
    engine.inject(direct("1", "anna", "dogs")).await.unwrap();
    idle(&engine).await;
    let bill = model.bill();
    assert_eq!(bill.len(), 1);
    assert_eq!(bill[0].system, "be brief and kind about dogs\n\nIt rains.\n\nIt is May.");
    stop(engine).await;
}
