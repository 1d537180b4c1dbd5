//! The disk dies at each commit between the report of an event, the wake, the answer and its end; the
//! next life goes on with what is there. The owner is told of each event once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use telson::{Builder, Engine};
use telson_actors::heartbeat::WakeMode;
use telson_actors::outbox::UnsettledSends;
use telson_actors::provider::{
    Completion, Failure, FailureClass, Provider, Request, TextSink, TurnMessage, Usage,
};

use crate::kit::{File, Model, World, beat, main_session};
use crate::mortal::{Mortal, dead_at_each_commit};
use crate::support::account;

/// Repeats what it is told of events; the first so many questions fail, over all lives.
struct Repeats(AtomicUsize);

impl Provider for Repeats {
    fn stream<'a>(
        &'a self,
        request: &'a Request,
        _: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        let asked = request.messages.last().map(TurnMessage::plain).unwrap_or_default();
        let told =
            asked.lines().filter_map(|line| line.strip_prefix("System: [")?.split_once("] "));
        let told: Vec<&str> = told.map(|(_, text)| text).collect();
        let answer = if told.is_empty() { "told of nothing".into() } else { told.join("+") };
        let fewer = |left: usize| left.checked_sub(1);
        let fails = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer).is_ok();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if fails {
                return Err(Failure {
                    class: FailureClass::ModelNotFound,
                    message: "no such model".into(),
                    retry_after: None,
                    output_started: false,
                    usage: Usage::default(),
                });
            }
            Ok(Completion::text(answer))
        })
    }
}

fn engine(world: &World, model: &Arc<Repeats>) -> Builder {
    world
        .builder()
        .provider("model", model.clone())
        .heartbeat("main", telson_actors::heartbeat::Beat { every: Duration::ZERO, ..beat() })
        .unsettled(&account(), UnsettledSends::Resend)
}

/// Reports both events, as whoever reports them does after a crash, and waits until all is told.
/// `false` if the disk died before.
async fn live(engine: &Engine, world: &World) -> bool {
    let all_told = || {
        let told = world.told().join("+");
        told.contains("one") && told.contains("two") && engine.load().is_idle()
    };
    let work = async {
        for (text, id) in [("one", "hook:1"), ("two", "hook:2")] {
            let told = engine.system_event(&main_session(), text, WakeMode::Now, Some(id)).await;
            if told.is_err() {
                return std::future::pending::<()>().await;
            }
            // The second comes while the first is being told.
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        while !all_told() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Nothing more may follow.
        tokio::time::sleep(Duration::from_mins(2)).await;
    };
    tokio::select! {
        biased;
        _ = engine.failed() => false,
        result = tokio::time::timeout(Duration::from_hours(1), work) => {
            assert!(result.is_ok(), "something was never told: {:?}", world.told());
            true
        }
    }
}

/// Two lives: the first ends with its disk. `true` if it did.
async fn play(failures: usize, commits: i64, writes_last: bool) -> bool {
    let model = Arc::new(Repeats(AtomicUsize::new(failures)));
    let world = World::new(&Model::saying("unused"), File::default());
    let mortal = Mortal::new(&world.memory, writes_last);
    mortal.dies_in(commits);
    let mut has_died = true;
    if let Ok(first) = engine(&world, &model).backend(Arc::new(mortal)).start().await {
        has_died = !live(&first, &world).await;
        first.shutdown(Duration::from_secs(1)).await;
    }
    if has_died {
        let second =
            engine(&world, &model).backend(Arc::new(world.memory.clone())).start().await.unwrap();
        assert!(live(&second, &world).await, "a sound disk does not die");
        assert_eq!(second.load().dead_letters, 0);
        second.shutdown(Duration::from_secs(1)).await;
    }
    let told = world.told();
    let mut words: Vec<&str> = told.iter().flat_map(|text| text.split('+')).collect();
    words.sort_unstable();
    assert_eq!(words, ["one", "two"], "commit {commits}, written {writes_last}: {told:?}");
    has_died
}

// D5, D7
#[tokio::test(start_paused = true)]
async fn a_death_at_any_commit_neither_loses_nor_doubles_an_event() {
    dead_at_each_commit(10, async |commits, written| play(0, commits, written).await).await;
}

// The heartbeats that are told of both fail, and nothing wakes the agent but the failure itself.
#[tokio::test(start_paused = true)]
async fn a_death_at_any_commit_of_a_failure_neither_loses_nor_doubles_what_was_told() {
    dead_at_each_commit(10, async |commits, written| play(2, commits, written).await).await;
}
