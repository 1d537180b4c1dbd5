//! What calls cost, and what they may cost.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::json;
use telson::actors::clock::{Clock, Timestamp};
use telson::actors::provider::{
    Completion, Failure, Part, Provider, Request, TextSink, ToolCall, ToolSpec, Usage,
};
use telson::actors::session::AgentProfile;
use telson::actors::store::MemoryBackend;
use telson::actors::tool::{Invocation, Tool};
use telson::actors::usage::{Budget, Budgets, Price};
use telson::supervision::Dice;
use telson::{Builder, Engine};
use tokio::sync::Notify;

use crate::support::{Platform, builder, direct, idle};

/// A model that asks for one tool and then answers. Each call has a price of its own in its books.
#[derive(Default)]
struct Model(Mutex<Vec<Usage>>);

impl Model {
    /// What it was paid for: calls, tokens read, tokens written.
    fn paid(&self) -> (u64, u64, u64) {
        let books = self.0.lock().unwrap();
        books.iter().fold((0, 0, 0), |(calls, input, output), call| {
            (calls + 1, input + call.input, output + call.output)
        })
    }

    fn calls(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl Provider for Model {
    fn stream<'a>(
        &'a self,
        request: &'a Request,
        _: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        let mut books = self.0.lock().unwrap();
        let nth = u64::try_from(books.len()).unwrap() + 1;
        let mut completion = Completion::text("looked");
        completion.usage = Usage { input: 100 * nth, output: 7 * nth };
        books.push(completion.usage);
        let last = request.messages.last().map(|message| &message.parts[0]);
        if !request.tools.is_empty() && !matches!(last, Some(Part::Result(_))) {
            let call = ToolCall {
                id: "c".into(),
                name: "look".into(),
                arguments: "{}".into(),
                signature: None,
            };
            completion.parts.push(Part::Call(call));
        }
        Box::pin(std::future::ready(Ok(completion)))
    }
}

/// A tool that hangs in its nth call.
#[derive(Default)]
struct Look {
    calls: AtomicUsize,
    hang_in: usize,
    hanging: Notify,
}

impl Tool for Look {
    fn spec(&self) -> ToolSpec {
        let parameters = json!({"type": "object"});
        ToolSpec { name: "look".into(), description: "Looks.".into(), parameters }
    }

    fn call<'a>(&'a self, _: &'a Invocation) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move {
            if self.calls.fetch_add(1, Ordering::SeqCst) + 1 == self.hang_in {
                self.hanging.notify_one();
                std::future::pending::<()>().await;
            }
            Ok("nothing".into())
        })
    }
}

fn agent() -> AgentProfile {
    AgentProfile {
        provider: "model".into(),
        model: "m".into(),
        system: String::new(),
        output_tokens_max: 100,
    }
}

fn engine(platform: &Platform, model: &Arc<Model>) -> Builder {
    builder(platform).agent("main", agent()).provider("model", model.clone()).context(|context| {
        context.prices.insert("model/m".into(), Price { input: 3_000_000, output: 15_000_000 });
    })
}

async fn say(engine: &Engine, id: &str, sender: &str) {
    engine.inject(direct(id, sender, "look")).await.unwrap();
    idle(engine).await;
}

async fn stop(engine: Engine) {
    engine.shutdown(Duration::from_millis(100)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_counted_is_what_the_model_has_booked_after_every_kill() {
    let (platform, dir) = (Platform::new(), tempfile::tempdir().unwrap());
    let model = Arc::new(Model::default());
    for life in 1..=4 {
        // Killed in a tool, the answer before it is paid and recorded.
        let look = Arc::new(Look { hang_in: 2, ..Look::default() });
        let engine = engine(&platform, &model).tool(look.clone(), &["main"]);
        let engine = engine.state_dir(dir.path()).start().await.unwrap();
        idle(&engine).await;
        say(&engine, &format!("a{life}"), "anna").await;
        engine.inject(direct(&format!("b{life}"), "bob", "look")).await.unwrap();
        look.hanging.notified().await;
        stop(engine).await;
    }
    let engine = engine(&platform, &model).state_dir(dir.path()).start().await.unwrap();
    idle(&engine).await;
    let report = engine.usage(2).await.unwrap();
    let total = report.total;
    assert_eq!((total.calls, total.input, total.output), model.paid());
    assert_eq!(total.cost, total.input * 3_000_000 + total.output * 15_000_000);
    assert_eq!((total.unpriced, total.unreported), (0, 0));
    // Midnight may have passed meanwhile.
    let lines: Vec<_> = report.days.iter().flat_map(|day| &day.lines).collect();
    let of = |name: &str| -> u64 {
        let lines = lines.iter().filter(|line| line.session.contains(name));
        lines.map(|line| line.tally.calls).sum()
    };
    assert_eq!((of("anna"), of("bob")), (8, 8));
    let sessions: Vec<u64> = report.sessions.iter().map(|session| session.tally.calls).collect();
    assert_eq!(sessions, [8, 8], "and so since they began");
    stop(engine).await;
}

/// A model that writes nothing, and books what it has read.
struct Mute(Arc<Model>);

impl Provider for Mute {
    fn stream<'a>(
        &'a self,
        _: &'a Request,
        _: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        let mut completion = Completion::text("");
        completion.usage = Usage { input: 100, output: 0 };
        self.0.0.lock().unwrap().push(completion.usage);
        Box::pin(std::future::ready(Ok(completion)))
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_text_is_counted_and_asked_for_three_times_at_most() {
    for budget in [None, Some(150)] {
        let (platform, model) = (Platform::new(), Arc::new(Model::default()));
        let day = Budget { tokens: budget, cost: None };
        let engine = builder(&platform)
            .agent("main", agent())
            .provider("model", Arc::new(Mute(model.clone())))
            .backend(Arc::new(MemoryBackend::new()))
            .context(|context| context.budgets = Budgets { day, ..Budgets::default() })
            .start()
            .await
            .unwrap();
        engine.inject(direct("1", "anna", "look")).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let why = engine.why("look").await.unwrap();
        let reason = why[0].reason.as_deref().unwrap();
        assert!(reason.contains("model/m has failed once (an empty answer"), "{reason}");
        idle(&engine).await;
        let calls = if budget.is_some() { 2 } else { 3 };
        assert_eq!(model.calls(), calls, "the budget of {budget:?} holds for them");
        let total = engine.usage(1).await.unwrap().total;
        assert_eq!((total.calls, total.input, total.output), model.paid());
        assert_eq!(engine.dead_letters().list().unwrap().len(), 1);
        stop(engine).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_budget_stops_before_the_call_and_begins_anew_the_next_day() {
    const DAY_MS: i64 = 86_400_000;
    let evening = Timestamp(20_000 * DAY_MS + DAY_MS - 3_600_000);
    for own in [true, false] {
        let (platform, model) = (Platform::new(), Arc::new(Model::default()));
        let backend = Arc::new(MemoryBackend::new());
        let bound = Budget { tokens: Some(300), cost: None };
        let budgets = if own {
            Budgets { session_day: bound, ..Budgets::default() }
        } else {
            Budgets { day: bound, ..Budgets::default() }
        };
        let clock = Clock::virtual_from(evening);
        let start = || {
            engine(&platform, &model)
                .context(|context| context.budgets = budgets)
                .determined_by(clock, Dice::seeded(1))
                .backend(backend.clone())
        };
        let engine = start().start().await.unwrap();
        // 107 tokens, then 214 more: the budget is reached, and the third call is not made.
        say(&engine, "1", "anna").await;
        say(&engine, "2", "anna").await;
        assert_eq!(model.calls(), 2);
        say(&engine, "3", "anna").await;
        assert_eq!(model.calls(), 2, "nothing is paid");
        let told = platform.sent_to("anna").pop().unwrap();
        assert!(told.contains("budget") && told.contains("321 of 300 tokens"), "{told}");
        assert!(told.contains("is kept"), "{told}");
        assert_eq!(engine.dead_letters().list().unwrap().len(), 1);
        // A neighbour has a budget of their own, or shares the day's.
        say(&engine, "4", "bob").await;
        assert_eq!(model.calls(), if own { 3 } else { 2 });
        // Another life knows it.
        stop(engine).await;
        let engine = start().start().await.unwrap();
        let before = model.calls();
        say(&engine, "5", "anna").await;
        assert_eq!(model.calls(), before);
        // At midnight it begins anew, and what was kept can be replayed.
        tokio::time::sleep(Duration::from_hours(2)).await;
        say(&engine, "6", "anna").await;
        assert_eq!(model.calls(), before + 1);
        stop(engine).await;
    }
}
