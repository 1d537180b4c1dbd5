//! What people ask the gateway in the chat: `/compact`, `/model`, `/status` and the like. No model
//! sees any of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use telson::actors::hook::{Decision, Hook, HookEvent, Moment};
use telson::actors::model::ModelRef;
use telson::actors::session::AgentProfile;
use telson::actors::store::MemoryBackend;
use telson::{Builder, Engine};

use crate::kit::until;
use crate::mock::{Api, Kind, Mock, ticket, tickets};
use crate::support::{Platform, builder, direct, idle};

const PLENTY: usize = 1_000_000;

fn engine(platform: &Platform, mock: &Mock) -> Builder {
    let agent = AgentProfile {
        provider: "model".into(),
        model: "m".into(),
        system: "You are Telly.".into(),
        output_tokens_max: 1000,
    };
    builder(platform).agent("main", agent).provider("model", mock.client())
}

async fn say(engine: &Engine, id: &str, text: &str) {
    engine.inject(direct(id, "anna", text)).await.unwrap();
    idle(engine).await;
}

async fn remember(engine: &Engine, numbers: std::ops::RangeInclusive<usize>) {
    for number in numbers {
        say(engine, &format!("t{number}"), &ticket(number, 30)).await;
    }
}

async fn stop(engine: Engine) {
    engine.shutdown(Duration::from_millis(100)).await;
}

fn last(platform: &Platform) -> String {
    platform.sent_to("anna").pop().unwrap()
}

const DONE: &str = "Done: a summary stands for 3 older exchanges; the newest 3 stay as they are. \
                    Nothing is lost.";

/// Keeps what it is told of compactions.
#[derive(Default)]
struct Told(Mutex<Vec<HookEvent>>);

impl Hook for Told {
    fn name(&self) -> &'static str {
        "told"
    }

    fn moments(&self) -> &[Moment] {
        &[Moment::BeforeCompaction, Moment::AfterCompaction]
    }

    fn call<'a>(&'a self, event: &'a HookEvent) -> BoxFuture<'a, Result<Decision, String>> {
        self.0.lock().unwrap().push(event.clone());
        Box::pin(async { Ok(Decision::default()) })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_is_summed_up_when_its_person_wants_it() {
    let (platform, mock) = (Platform::new(), Mock::start(Api::OpenAi, PLENTY));
    let (backend, told) = (Arc::new(MemoryBackend::new()), Arc::new(Told::default()));
    let start = || engine(&platform, &mock).hook(told.clone()).backend(backend.clone());
    let engine = start().start().await.unwrap();
    say(&engine, "c0", "/compact").await;
    assert!(last(&platform).starts_with("There is nothing to sum up: the newest 0"));
    remember(&engine, 1..=6).await;
    say(&engine, "c1", "/compact keep the ticket numbers").await;
    assert_eq!(last(&platform), DONE);
    assert_eq!((mock.count(Kind::Answer), mock.count(Kind::Summary)), (6, 1));
    let asked = mock.books().pop().unwrap().body;
    assert!(asked.contains("What matters most: keep the ticket numbers"), "{asked}");
    say(&engine, "c2", "/compact").await;
    assert_eq!(
        last(&platform),
        "There is nothing to sum up: the newest 3 exchanges stay as they are."
    );
    stop(engine).await;
    // The next life shows its model the summary, and nothing of the commands.
    let engine = start().start().await.unwrap();
    remember(&engine, 7..=7).await;
    let shown = mock.books().pop().unwrap().body;
    assert!(tickets(&shown).contains(&"T-10042".to_owned()), "{shown}");
    assert!(!shown.contains("remember ticket T-10042"), "it is summed up: {shown}");
    assert!(!shown.contains("/compact") && !shown.contains("Nothing is lost"), "{shown}");
    stop(engine).await;
    let told = told.0.lock().unwrap();
    let moments: Vec<Moment> = told.iter().map(HookEvent::moment).collect();
    assert_eq!(moments, [Moment::BeforeCompaction, Moment::AfterCompaction]);
    assert!(matches!(told[0], HookEvent::BeforeCompaction { exchanges: 3, .. }), "{told:?}");
    assert!(matches!(told[1], HookEvent::AfterCompaction { success: true, summed_up: 3, .. }));
}

// D7: what was asked and not answered is asked once more; the person is told once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compaction_that_was_cut_off_is_made_by_the_next_life() {
    let (platform, mock) = (Platform::new(), Mock::start(Api::OpenAi, PLENTY));
    let backend = Arc::new(MemoryBackend::new());
    let start = || engine(&platform, &mock).backend(backend.clone());
    let engine = start().start().await.unwrap();
    remember(&engine, 1..=6).await;
    mock.hang_on(Kind::Summary);
    engine.inject(direct("c", "anna", "/compact")).await.unwrap();
    until("the summary is asked for", || (mock.count(Kind::Hung) == 1).then_some(()));
    engine.inject(direct("t7", "anna", &ticket(7, 30))).await.unwrap();
    stop(engine).await;
    let engine = start().start().await.unwrap();
    idle(&engine).await;
    let sent = platform.sent_to("anna");
    assert_eq!(sent[6..], [DONE.to_owned(), "Answer to T-70042.".to_owned()]);
    assert_eq!(mock.count(Kind::Summary), 1, "a summary is paid once");
    stop(engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compaction_can_be_stopped_and_may_fail_and_nothing_changes() {
    let (platform, mock) = (Platform::new(), Mock::start(Api::OpenAi, PLENTY));
    let engine =
        engine(&platform, &mock).backend(Arc::new(MemoryBackend::new())).start().await.unwrap();
    remember(&engine, 1..=6).await;
    mock.hang_on(Kind::Summary);
    engine.inject(direct("c1", "anna", "/compact")).await.unwrap();
    until("the summary is asked for", || (mock.count(Kind::Hung) == 1).then_some(()));
    engine.inject(direct("c2", "anna", "/compact")).await.unwrap();
    until("the second is told to wait", || {
        last(&platform).starts_with("An answer is being made. Send /compact once").then_some(())
    });
    say(&engine, "s", "/stop").await;
    assert_eq!(last(&platform), "Stopped.");
    // Both tries are empty.
    mock.write_summaries(&["", ""]);
    say(&engine, "c3", "/compact").await;
    assert!(last(&platform).starts_with("No summary could be written"), "{}", last(&platform));
    remember(&engine, 7..=7).await;
    let shown = mock.books().pop().unwrap().body;
    for number in 1..=7 {
        assert!(shown.contains(&format!("remember ticket T-{number}0042")), "{number}: {shown}");
    }
    assert!(!shown.contains("stopped before"), "a stopped compaction is no exchange: {shown}");
    stop(engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_is_chosen_in_the_chat_and_stays_chosen() {
    let (platform, mock) = (Platform::new(), Mock::start(Api::OpenAi, PLENTY));
    let backend = Arc::new(MemoryBackend::new());
    let start = || {
        engine(&platform, &mock).backend(backend.clone()).models(|catalog| {
            catalog.aliases.insert("parrot".into(), ModelRef::new("echo", "echo"));
        })
    };
    let engine = start().start().await.unwrap();
    say(&engine, "1", "/model").await;
    assert_eq!(last(&platform), "Model: model/m\n/models shows what can be chosen.");
    say(&engine, "2", "/models").await;
    assert!(last(&platform).contains("/model parrot (echo/echo)"), "{}", last(&platform));
    say(&engine, "3", "/model nobody/x").await;
    let said = "there is no provider \"nobody\"; configured are echo, model. /models shows what";
    assert!(last(&platform).starts_with(said), "{}", last(&platform));
    say(&engine, "4", "/model Parrot").await;
    assert!(
        last(&platform).starts_with("echo/echo. Nothing steps in for it"),
        "{}",
        last(&platform)
    );
    say(&engine, "5", "hello").await;
    assert_eq!(last(&platform), "echo: hello");
    stop(engine).await;
    let engine = start().start().await.unwrap();
    say(&engine, "6", "hello again").await;
    assert_eq!(last(&platform), "echo: hello again");
    say(&engine, "7", "/model").await;
    assert!(last(&platform).starts_with("Model: echo/echo, chosen for this conversation"));
    say(&engine, "8", "/model default").await;
    assert_eq!(last(&platform), "the agent's own model.");
    remember(&engine, 1..=1).await;
    assert_eq!(last(&platform), "Answer to T-10042.");
    stop(engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_asks_about_the_conversation_and_no_model_hears_of_it() {
    let (platform, mock) = (Platform::new(), Mock::start(Api::OpenAi, PLENTY));
    let engine =
        engine(&platform, &mock).backend(Arc::new(MemoryBackend::new())).start().await.unwrap();
    say(&engine, "0", "/usage").await;
    assert_eq!(last(&platform), "No model was asked in this conversation.");
    remember(&engine, 1..=2).await;
    say(&engine, "1", "/usage").await;
    let (calls, input, output) = mock.paid();
    let figures = format!("{calls} calls, {input} tokens read, {output} written");
    assert_eq!(last(&platform), format!("Today: {figures}\nSince it began: {figures}"));
    say(&engine, "2", "/status").await;
    for part in [
        "Nothing runs or waits\n",
        "Agent: main\nSession: agent:main:fake:direct:anna\nModel: model/m\nQueue: ",
        ", 2 exchanges as they were",
    ] {
        assert!(last(&platform).contains(part), "{part} is in {}", last(&platform));
    }
    say(&engine, "3", "/context").await;
    assert!(last(&platform).starts_with("Context: about "), "{}", last(&platform));
    say(&engine, "4", "/help").await;
    for command in ["/status", "/model", "/models", "/context", "/compact", "/usage", "/queue"] {
        assert!(last(&platform).contains(command), "{command} is in {}", last(&platform));
    }
    remember(&engine, 3..=3).await;
    assert_eq!(mock.books().len(), 3, "only tickets reach the model");
    assert!(mock.books().iter().all(|call| !call.body.contains("/status")));
    stop(engine).await;
}
