//! Nothing stays for ever in between: not by silence, not by a moment badly chosen.
//!
//! Each test is a case that the simulation found; time is paused, so hours cost nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test helper fails its test"
)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use support::{Platform, account, direct, open_access};
use telson::{Builder, Engine, Limits};
use telson_actors::channel::{
    Capabilities, Channel, Evidence, LengthUnit, Outbound, Receipt, SendFailure, SendOutcome,
    Settled,
};
use telson_actors::clock::{Clock, Timestamp};
use telson_actors::message::session_key::DmScope;
use telson_actors::provider::{Completion, Failure, Provider, Request, TextSink};
use telson_actors::router::Admission;
use telson_actors::session::AgentProfile;
use telson_actors::session::lane::{LaneSettings, Mode};
use telson_actors::store::MemoryBackend;
use telson_supervision::Dice;

/// A model that takes its time and keeps a list of what it was asked.
#[derive(Default)]
struct Model {
    asked: Mutex<Vec<String>>,
    open: AtomicUsize,
    most_open: AtomicUsize,
    is_blank: bool,
}

/// One call that is open; it may be cut off.
struct Open<'a>(&'a AtomicUsize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Provider for Model {
    fn stream<'a>(
        &'a self,
        request: &'a Request,
        _: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        Box::pin(async move {
            let prompt = request.messages.last().unwrap().plain();
            self.asked.lock().unwrap().push(prompt.clone());
            let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_open.fetch_max(open, Ordering::SeqCst);
            let _open = Open(&self.open);
            tokio::time::sleep(Duration::from_secs(10)).await;
            let text = if self.is_blank { " \n".into() } else { prompt };
            Ok(Completion::text(text))
        })
    }
}

fn with_model(platform: &Platform, model: &Arc<Model>) -> Builder {
    let agent = AgentProfile {
        provider: "model".into(),
        model: "m".into(),
        system: String::new(),
        output_tokens_max: 100,
    };
    support::builder(platform)
        .provider("model", model.clone())
        .agent("main", agent)
        .backend(Arc::new(MemoryBackend::new()))
        .determined_by(Clock::virtual_from(Timestamp(0)), Dice::seeded(1))
}

/// Waits until everything is answered and out, but not longer than two hours.
async fn idle(engine: &Engine) {
    let idle = async {
        while !engine.load().is_idle() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let left = tokio::time::timeout(Duration::from_hours(2), idle).await;
    assert!(left.is_ok(), "it never ends: {:?}", engine.load());
}

// D2: a message that meets a session on its way out is answered by the session's next life.
#[tokio::test(start_paused = true)]
async fn a_session_that_leaves_begins_nothing() {
    let (platform, model) = (Platform::new(), Arc::new(Model::default()));
    let limits = Limits { sessions_live_max: 1, ..Limits::default() };
    let engine = with_model(&platform, &model).limits(limits).start().await.unwrap();
    engine.inject(direct("1", "anna", "one")).await.unwrap();
    idle(&engine).await;
    // The first of these wants the place of the only session, the second is for it.
    let mut admission = Admission::new(account());
    admission.inbound = vec![direct("2", "berta", "two"), direct("3", "anna", "three")];
    engine.admissions().admit(admission).await.unwrap();
    idle(&engine).await;
    assert_eq!(platform.sent_to("anna"), ["one", "three"]);
    assert_eq!(platform.sent_to("berta"), ["two"]);
    assert_eq!(model.asked.lock().unwrap().len(), 3, "nothing is paid for twice");
    engine.shutdown(Duration::from_secs(5)).await;
}

// D2, S2: what is asked is what is answered, also when a crash has changed the batch.
#[tokio::test(start_paused = true)]
async fn a_call_for_an_older_batch_answers_nothing() {
    let (platform, model) = (Platform::new(), Arc::new(Model::default()));
    let lane = LaneSettings { mode: Mode::Collect, ..LaneSettings::default() };
    let engine = with_model(&platform, &model).lane("", lane).start().await.unwrap();
    engine.inject(direct("1", "anna", "one")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(engine.kill_actor("agent:main:fake:direct:anna"));
    engine.inject(direct("2", "anna", "two")).await.unwrap();
    idle(&engine).await;
    assert_eq!(platform.sent_to("anna"), ["one\n\ntwo"]);
    assert_eq!(*model.asked.lock().unwrap(), ["one", "one\n\ntwo"]);
    assert_eq!(model.most_open.load(Ordering::SeqCst), 1, "one call of a session at a time");
    engine.shutdown(Duration::from_secs(5)).await;
}

// D2: an answer nobody can see is none.
#[tokio::test(start_paused = true)]
async fn a_blank_answer_is_a_failure_and_shown() {
    let model = Arc::new(Model { is_blank: true, ..Model::default() });
    let platform = Platform::new();
    let engine = with_model(&platform, &model).start().await.unwrap();
    engine.inject(direct("1", "anna", "one")).await.unwrap();
    idle(&engine).await;
    let letters = engine.dead_letters().list().unwrap();
    let reasons: Vec<_> = letters.iter().map(|letter| letter.reason.name()).collect();
    assert_eq!(reasons, ["provider"]);
    assert_eq!(platform.sent().len(), 1, "the person is told: {:?}", platform.sent());
    engine.shutdown(Duration::from_secs(5)).await;
}

/// A platform that keeps silent the first time it is looked at, and takes every send in doubt.
struct Silent {
    looks: AtomicUsize,
    is_silent_before: bool,
}

impl Silent {
    async fn look(&self, is_silent: bool) {
        if is_silent && self.looks.fetch_add(1, Ordering::SeqCst) == 0 {
            std::future::pending::<()>().await;
        }
    }
}

impl Channel for Silent {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            text_max: 100,
            text_unit: LengthUnit::Chars,
            sends_in_flight_max: 1,
            leaves_evidence: true,
        }
    }

    fn prepare<'a>(&'a self, _: &'a Outbound) -> BoxFuture<'a, Result<Evidence, SendFailure>> {
        Box::pin(async {
            self.look(self.is_silent_before).await;
            Ok(Evidence::default())
        })
    }

    fn send<'a>(&'a self, _: &'a Outbound, _: &'a Evidence) -> BoxFuture<'a, SendOutcome> {
        Box::pin(async { SendOutcome::InDoubt("no answer".into()) })
    }

    fn reconcile<'a>(&'a self, _: &'a Outbound, _: &'a Evidence) -> BoxFuture<'a, Settled> {
        Box::pin(async {
            self.look(!self.is_silent_before).await;
            Settled::Sent(Receipt { platform_id: "row".into(), note: String::new() })
        })
    }
}

// D4, D6: a look that never ends does not hold its lane, nor the account's only permit.
#[tokio::test(start_paused = true)]
async fn a_platform_that_keeps_silent_once_is_asked_again() {
    for is_silent_before in [true, false] {
        let silent = Silent { looks: AtomicUsize::new(0), is_silent_before };
        let engine = Engine::builder()
            .channel(account(), Arc::new(silent), None, open_access())
            .rules(|rules| rules.session.dm_scope = DmScope::PerChannelPeer)
            .backend(Arc::new(MemoryBackend::new()))
            .determined_by(Clock::virtual_from(Timestamp(0)), Dice::seeded(1))
            .start()
            .await
            .unwrap();
        engine.inject(direct("1", "anna", "one")).await.unwrap();
        engine.inject(direct("2", "berta", "two")).await.unwrap();
        idle(&engine).await;
        assert!(engine.dead_letters().list().unwrap().is_empty());
        engine.shutdown(Duration::from_secs(5)).await;
    }
}
