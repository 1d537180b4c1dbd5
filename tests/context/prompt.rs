//! The workspace's part of the system prompt, and turns that take their time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use telson::actors::clock::{Clock, Timestamp};
use telson::actors::provider::{Completion, Failure, Provider, Request, TextSink};
use telson::actors::session::AgentProfile;
use telson::actors::store::MemoryBackend;
use telson::supervision::Dice;

use crate::support::{Platform, builder, direct, idle};

/// A model that thinks for half a minute, and keeps what it was told to be.
#[derive(Default)]
struct Slow(Mutex<Vec<String>>);

impl Provider for Slow {
    fn stream<'a>(
        &'a self,
        request: &'a Request,
        _: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        self.0.lock().unwrap().push(request.system.clone());
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(30)).await;
            Ok(Completion::text("done"))
        })
    }
}

// D7: a session asks every few seconds whether it is still asked. Whoever edits a file meanwhile
// must not make the provider take that for another question and begin, and bill, anew.
#[tokio::test(start_paused = true)]
async fn an_edit_during_a_call_does_not_begin_it_anew() {
    let (platform, model) = (Platform::new(), Arc::new(Slow::default()));
    let edits = Arc::new(AtomicUsize::new(0));
    let agent = AgentProfile {
        provider: "model".into(),
        model: "m".into(),
        system: "You are Telly.".into(),
        output_tokens_max: 100,
    };
    let engine = builder(&platform)
        .agent("main", agent)
        .provider("model", model.clone())
        .context(|context| {
            context.prompt = Some(Arc::new(move |agent| {
                let text = format!("{agent}, edition {}", edits.fetch_add(1, Ordering::SeqCst));
                Box::pin(std::future::ready(text))
            }));
        })
        .determined_by(Clock::virtual_from(Timestamp(0)), Dice::seeded(1))
        .backend(Arc::new(MemoryBackend::new()))
        .start()
        .await
        .unwrap();
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    idle(&engine).await;
    engine.inject(direct("2", "anna", "hi")).await.unwrap();
    // The next life of the session asks for the same turn with the same words.
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert!(engine.kill_actor("agent:main:fake:direct:anna"), "the session crashes in its turn");
    idle(&engine).await;
    let asked = model.0.lock().unwrap().clone();
    let prompt = |edition: usize| format!("You are Telly.\n\nmain, edition {edition}");
    assert_eq!(asked, [prompt(0), prompt(1)], "one call for each turn, read anew for each");
    assert_eq!(platform.sent_to("anna"), ["done", "done"]);
    engine.shutdown(Duration::from_millis(100)).await;
}
