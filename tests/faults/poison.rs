//! Poison: one message over which a client panics, refuses for ever, answers nothing or without
//! end. It ends as a dead letter with a typed reason, its writer is told, its neighbours are
//! answered meanwhile.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test helper fails its test")]

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use telson::{Engine, Limits};
use telson_actors::channel::{
    Capabilities, Channel, Evidence, Outbound, SendFailure, SendOutcome, Settled,
};
use telson_actors::dead_letter::Reason;
use telson_actors::message::{AccountKey, Inbound};
use telson_actors::outbox::UnsettledSends;
use telson_actors::provider::FailureClass;
use telson_actors::store::MemoryBackend;
use tokio::time::Instant;

use crate::model::{Does, Model, asking, letters, reasons, within};
use crate::support::{Platform, builder, direct, open_access};

/// Does one thing with a message that says poison, and repeats all others.
fn model(poison: Does) -> Model {
    Model::new(move |text| {
        let says = Does::Says(text.to_owned());
        (Duration::from_millis(20), if text.contains("poison") { poison.clone() } else { says })
    })
}

/// The poison must end within `limit` as a dead letter whose reason has `class`.
async fn ends_as(poison: Does, class: &str, limit: Duration) {
    let platform = Platform::new();
    let limits = Limits { provider_attempt_max: Duration::from_mins(10), ..Limits::default() };
    let engine = asking(builder(&platform), &model(poison.clone()))
        .limits(limits)
        .backend(Arc::new(MemoryBackend::new()))
        .start()
        .await
        .unwrap();
    let began = Instant::now();
    engine.inject(direct("0", "mallory", "poison")).await.unwrap();
    for number in 0..20 {
        let (id, person) = (format!("n{number}"), format!("person{}", number % 4));
        engine.inject(direct(&id, &person, &format!("<{number}>"))).await.unwrap();
    }
    let answered = || (0..4).map(|n| platform.sent_to(&format!("person{n}")).len()).sum::<usize>();
    within(Duration::from_secs(2), "the neighbours are answered", || answered() == 20).await;
    within(limit, &format!("{poison:?} ends"), || engine.load().is_idle()).await;
    let letters = letters(&engine);
    let reason = &letters[0].reason;
    assert!(matches!(reason, Reason::Provider { class: found, .. } if found == class), "{reason}");
    assert_eq!(letters.len(), 1);
    let notices = platform.sent_to("mallory");
    assert!(notices.len() == 1 && notices[0].contains("no answer yet"), "{notices:?}");
    assert!(began.elapsed() <= limit + Duration::from_secs(3));
    // Its own session goes on as well.
    engine.inject(direct("1", "mallory", "good again")).await.unwrap();
    within(Duration::from_secs(2), "the session goes on", || engine.load().is_idle()).await;
    assert_eq!(platform.sent_to("mallory")[1..], ["good again"]);
    engine.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_panics_over_one_message() {
    ends_as(Does::Panics, "unclassified", Duration::from_secs(1)).await;
}

// A 400 is of this class, whatever it says.
#[tokio::test(start_paused = true)]
async fn a_provider_that_refuses_for_ever() {
    ends_as(Does::Fails(FailureClass::Format), "format", Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_answers_nothing() {
    for nothing in ["", " \n\t "] {
        let says = Does::Says(nothing.into());
        ends_as(says, "emptyresponse", Duration::from_mins(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_beyond_all_measure() {
    let huge = Does::Says("x".repeat(5 * 1024 * 1024));
    ends_as(huge, "format", Duration::from_secs(5)).await;
}

// Ten tries of ten minutes each, and the pauses between them.
#[tokio::test(start_paused = true)]
async fn an_answer_without_end() {
    ends_as(Does::Babbles, "timeout", Duration::from_mins(110)).await;
}

/// Where the client of the platform panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Prepare,
    Send,
    SendAndReconcile,
}

/// A platform whose client panics over what says poison.
#[derive(Clone)]
struct Fragile {
    platform: Platform,
    at: At,
}

fn trip(part: &Outbound, here: bool) {
    assert!(!here || !part.text.contains("poison"), "the client panics over it");
}

impl Channel for Fragile {
    fn capabilities(&self) -> Capabilities {
        self.platform.capabilities()
    }

    fn prepare<'a>(&'a self, part: &'a Outbound) -> BoxFuture<'a, Result<Evidence, SendFailure>> {
        trip(part, self.at == At::Prepare);
        self.platform.prepare(part)
    }

    fn send<'a>(
        &'a self,
        part: &'a Outbound,
        evidence: &'a Evidence,
    ) -> BoxFuture<'a, SendOutcome> {
        trip(part, self.at != At::Prepare);
        self.platform.send(part, evidence)
    }

    fn reconcile<'a>(
        &'a self,
        part: &'a Outbound,
        evidence: &'a Evidence,
    ) -> BoxFuture<'a, Settled> {
        trip(part, self.at == At::SendAndReconcile);
        self.platform.reconcile(part, evidence)
    }
}

async fn fragile(at: At, unsettled: UnsettledSends) -> (Engine, Platform) {
    let platform = Platform::new();
    let other = AccountKey::new("fake", "other");
    let channel = Fragile { platform: platform.clone(), at };
    let engine = builder(&platform)
        .channel(other.clone(), Arc::new(channel), None, open_access())
        .unsettled(&other, unsettled)
        .backend(Arc::new(MemoryBackend::new()))
        .start()
        .await
        .unwrap();
    let sent_at = telson_actors::clock::Timestamp(0);
    for (id, person, text) in
        [("1", "anna", "poison"), ("2", "anna", "behind it"), ("3", "berta", "beside it")]
    {
        engine.inject(Inbound::direct(&other, id, person, text, sent_at)).await.unwrap();
    }
    engine.inject(direct("4", "carla", "elsewhere")).await.unwrap();
    (engine, platform)
}

// D3, V3: three crashes over one reply, and it is set aside; its lane, its account and the others go on.
#[tokio::test(start_paused = true)]
async fn a_channel_that_panics_over_one_reply() {
    use UnsettledSends::{Park, Resend};
    for (at, unsettled, reason) in [
        (At::Prepare, Park, "poison"),
        (At::Send, Park, "unknown"),
        (At::Send, Resend, "poison"),
        (At::SendAndReconcile, Park, "unknown"),
        (At::SendAndReconcile, Resend, "unknown"),
    ] {
        let (engine, platform) = fragile(at, unsettled).await;
        let what = format!("{at:?}, {unsettled:?}");
        within(Duration::from_secs(1), &what, || {
            !platform.sent_to("berta").is_empty() && !platform.sent_to("carla").is_empty()
        })
        .await;
        // Looks for evidence go on for five minutes.
        within(Duration::from_mins(6), &what, || engine.load().is_idle()).await;
        assert_eq!(reasons(&engine), [reason], "{what}");
        assert_eq!(platform.sent_to("anna"), ["echo: behind it"], "{what}");
        let tree = engine.tree();
        let restarts: u32 = tree.children[1].children.iter().map(|branch| branch.restarts).sum();
        assert_eq!(restarts, 0, "no branch was restarted: {what}");
        engine.shutdown(Duration::from_secs(5)).await;
    }
}
