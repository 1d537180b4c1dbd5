//! More than can be served at once: what does not fit is refused and offered again, what was
//! admitted is answered once, and everybody gets the same share.
//!
//! `TELSON_FLOOD=10000x100 cargo test --release --test faults flood` runs the whole of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test helper fails its test")]
#![allow(clippy::cast_precision_loss, reason = "no count here is near 2^52")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use telson::{Builder, Engine, Limits};
use telson_actors::channel::{
    Capabilities, Channel, Evidence, LengthUnit, Outbound, Receipt, SendFailure, SendOutcome,
    Settled,
};
use telson_actors::router::{Admission, AdmitError};
use telson_actors::session::lane::LaneSettings;
use telson_actors::store::MemoryBackend;

use crate::model::reasons;
use crate::support::{account, direct, open_access};

/// Unanswered messages beyond which the engine refuses.
const WAITING_MAX: u64 = 500;
/// Replies that wait to be sent beyond which it refuses as well.
const UNDELIVERED_MAX: usize = 500;

/// A platform that only counts: per person one bit per message, so that it can't be what grows.
#[derive(Clone)]
struct Counter(Arc<Counts>);

struct Counts {
    each: usize,
    /// How often each message was answered, person by person.
    answers: Vec<AtomicU64>,
    all: AtomicU64,
}

impl Counter {
    fn new(people: usize, each: usize) -> Self {
        let answers = (0..people * each).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Counts { each, answers, all: AtomicU64::new(0) }))
    }

    fn all(&self) -> u64 {
        self.0.all.load(Ordering::SeqCst)
    }

    /// Messages answered, by person.
    fn by_person(&self) -> Vec<u64> {
        let count = |answers: &[AtomicU64]| {
            answers.iter().filter(|times| times.load(Ordering::SeqCst) > 0).count() as u64
        };
        self.0.answers.chunks(self.0.each).map(count).collect()
    }
}

impl Channel for Counter {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            text_max: 100_000,
            text_unit: LengthUnit::Bytes,
            sends_in_flight_max: 64,
            leaves_evidence: true,
        }
    }

    fn prepare<'a>(&'a self, _: &'a Outbound) -> BoxFuture<'a, Result<Evidence, SendFailure>> {
        Box::pin(std::future::ready(Ok(Evidence::default())))
    }

    fn send<'a>(&'a self, part: &'a Outbound, _: &'a Evidence) -> BoxFuture<'a, SendOutcome> {
        // An answer names every message it answers: a folded backlog has one answer.
        for number in part.text.split('<').filter_map(|rest| rest.split_once('>')) {
            let number: usize = number.0.parse().unwrap();
            self.0.answers[number].fetch_add(1, Ordering::SeqCst);
            self.0.all.fetch_add(1, Ordering::SeqCst);
        }
        let receipt = Receipt { platform_id: part.entry.clone(), note: String::new() };
        Box::pin(std::future::ready(SendOutcome::Sent(receipt)))
    }

    fn reconcile<'a>(&'a self, _: &'a Outbound, _: &'a Evidence) -> BoxFuture<'a, Settled> {
        Box::pin(std::future::ready(Settled::Unresolved("this platform is never in doubt".into())))
    }
}

fn builder(counter: &Counter) -> Builder {
    let limits =
        Limits { waiting_max: WAITING_MAX, undelivered_max: UNDELIVERED_MAX, ..Limits::default() };
    let lane = LaneSettings { patience: Duration::from_hours(1), ..LaneSettings::default() };
    Engine::builder()
        .channel(account(), Arc::new(counter.clone()), None, open_access())
        .rules(|rules| {
            rules.session.dm_scope = telson_actors::message::session_key::DmScope::PerChannelPeer;
        })
        .limits(limits)
        .lane("", lane)
        .backend(Arc::new(MemoryBackend::new()))
}

/// Jain's index: 1 when all shares are equal, 1/n when one has everything.
fn fairness(shares: &[u64]) -> f64 {
    let sum: f64 = shares.iter().map(|share| *share as f64).sum();
    let squares: f64 = shares.iter().map(|share| (*share as f64).powi(2)).sum();
    sum * sum / (shares.len() as f64 * squares)
}

/// What was seen while the flood went through.
#[derive(Debug, Default)]
struct Seen {
    refused: u64,
    waiting_max: u64,
    undelivered_max: u64,
    fairness_at_half: f64,
}

/// Everybody's first message, then everybody's second, as fast as they are taken.
async fn flood(people: usize, each: usize) -> Seen {
    const AT_ONCE: usize = 100;
    let counter = Counter::new(people, each);
    let engine = builder(&counter).start().await.unwrap();
    let mut seen = Seen::default();
    let total = (people * each) as u64;
    for round in 0..each {
        for first in (0..people).step_by(AT_ONCE) {
            let mut admission = Admission::new(account());
            admission.inbound = (first..people.min(first + AT_ONCE))
                .map(|person| {
                    let number = person * each + round;
                    direct(&number.to_string(), &format!("p{person}"), &format!("<{number}>"))
                })
                .collect();
            offer(&engine, &admission, &mut seen).await;
            if seen.fairness_at_half == 0.0 && counter.all() * 2 >= total {
                seen.fairness_at_half = fairness(&counter.by_person());
            }
        }
    }
    let all_answered = async {
        while counter.all() < total {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let done = tokio::time::timeout(Duration::from_mins(5), all_answered).await;
    assert!(done.is_ok(), "{} of {total} are answered", counter.all());
    crate::support::idle(&engine).await;
    let wrong = counter.0.answers.iter().filter(|times| times.load(Ordering::SeqCst) != 1).count();
    assert_eq!(wrong, 0, "messages that were not answered exactly once");
    assert_eq!(reasons(&engine), [""; 0], "nothing was dropped");
    engine.shutdown(Duration::from_secs(10)).await;
    seen
}

/// Offers until it is admitted, as a channel does.
async fn offer(engine: &Engine, admission: &Admission, seen: &mut Seen) {
    loop {
        let load = engine.load();
        seen.waiting_max = seen.waiting_max.max(load.waiting);
        seen.undelivered_max = seen.undelivered_max.max(load.undelivered);
        match engine.admissions().admit(admission.clone()).await {
            Ok(done) => {
                assert_eq!(done.admitted, admission.inbound.len());
                return;
            }
            Err(error @ (AdmitError::Busy { .. } | AdmitError::Congested { .. })) => {
                assert!(error.to_string().contains("nothing more"), "{error}");
                seen.refused += 1;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn check(seen: &Seen) {
    // L1: what waits is bounded, up to the admission that reached the limit.
    assert!(seen.waiting_max < WAITING_MAX + 200, "{seen:?}");
    // What waited for an answer when the outbox was full still goes through it.
    assert!(seen.undelivered_max < UNDELIVERED_MAX as u64 + WAITING_MAX + 200, "{seen:?}");
    assert!(seen.refused > 0, "the flood was more than fits: {seen:?}");
    assert!(seen.fairness_at_half > 0.95, "{seen:?}");
}

// L1, D2: every offer is admitted or refused, every admitted message is answered once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_many_people_is_served_in_bounds() {
    let (people, each) = match std::env::var("TELSON_FLOOD") {
        Ok(size) => {
            let (people, each) = size.split_once('x').expect("TELSON_FLOOD is PEOPLExEACH");
            (people.parse().unwrap(), each.parse().unwrap())
        }
        Err(_) => (2_000, 4),
    };
    check(&flood(people, each).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_few_people_is_served_in_bounds() {
    check(&flood(100, 60).await);
}
