//! A lane, a channel or a provider that hangs, for ten minutes and for ever: the others do not
//! notice. Measured in the virtual time of simulated latencies, so that the figures are exact.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test helper fails its test")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use telson::{Builder, Engine, Limits};
use telson_actors::channel::{
    Capabilities, Channel, Evidence, LengthUnit, Outbound, Receipt, SendFailure, SendOutcome,
    Settled,
};
use telson_actors::clock::Timestamp;
use telson_actors::message::session_key::DmScope;
use telson_actors::message::{AccountKey, Inbound};
use telson_actors::provider::FailureClass;
use telson_actors::router::{AccountMatch, AgentId, Binding};
use telson_actors::session::lane::LaneSettings;
use telson_actors::store::MemoryBackend;
use tokio::time::Instant;

use crate::model::{Does, Model, agent, within};
use crate::support::open_access;

const PEOPLE: usize = 40;
const ROUNDS: usize = 25;
/// Everybody writes once in this time.
const ROUND: Duration = Duration::from_secs(1);
const THINKING: Duration = Duration::from_millis(100);
const SENDING: Duration = Duration::from_millis(50);

/// A platform that notes when each text has arrived, and hangs where it is told to.
#[derive(Clone)]
struct Meter {
    arrived: Arc<Mutex<HashMap<String, Vec<Instant>>>>,
    /// Targets whose sends hang, for so long.
    hangs: Option<(&'static str, Duration)>,
}

impl Meter {
    fn new(hangs: Option<(&'static str, Duration)>) -> Self {
        Self { arrived: Arc::default(), hangs }
    }

    fn arrived(&self, text: &str) -> Option<Instant> {
        let arrived = self.arrived.lock().unwrap();
        let times = arrived.get(text)?;
        assert_eq!(times.len(), 1, "{text} is doubled");
        Some(times[0])
    }
}

impl Channel for Meter {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            text_max: 4000,
            text_unit: LengthUnit::Chars,
            sends_in_flight_max: 64,
            leaves_evidence: true,
        }
    }

    fn prepare<'a>(&'a self, _: &'a Outbound) -> BoxFuture<'a, Result<Evidence, SendFailure>> {
        Box::pin(std::future::ready(Ok(Evidence::default())))
    }

    fn send<'a>(&'a self, part: &'a Outbound, _: &'a Evidence) -> BoxFuture<'a, SendOutcome> {
        Box::pin(async move {
            tokio::time::sleep(SENDING).await;
            if let Some((target, time)) = self.hangs
                && part.to.target.starts_with(target)
            {
                tokio::time::sleep(time).await;
            }
            let mut arrived = self.arrived.lock().unwrap();
            arrived.entry(part.text.clone()).or_default().push(Instant::now());
            SendOutcome::Sent(Receipt { platform_id: part.entry.clone(), note: String::new() })
        })
    }

    fn reconcile<'a>(&'a self, part: &'a Outbound, _: &'a Evidence) -> BoxFuture<'a, Settled> {
        let settled = match self.arrived(&part.text) {
            Some(_) => {
                Settled::Sent(Receipt { platform_id: part.entry.clone(), note: String::new() })
            }
            None => Settled::Unresolved("never seen".into()),
        };
        Box::pin(std::future::ready(settled))
    }
}

/// Who speaks to which agent, where, and what hangs.
struct Scene {
    good: Meter,
    bad: Meter,
    engine: Engine,
}

/// What hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hung {
    Nothing,
    /// Lanes of the account that everybody uses.
    Lane(Duration),
    /// All of another account.
    Channel(Duration),
    /// All calls of another provider.
    Provider(Duration),
    /// Some calls of the provider that everybody uses.
    Calls(Duration),
}

const FOR_EVER: Duration = Duration::from_hours(10_000);

fn account(name: &str) -> AccountKey {
    AccountKey::new("fake", name)
}

/// Calls that say so hang; the others take their usual time.
fn model(hangs: Option<Duration>) -> Model {
    Model::new(move |text| match hangs {
        Some(time) if text.contains("hang") => (time, Does::Fails(FailureClass::Timeout)),
        _ => (THINKING, Does::Says(text.to_owned())),
    })
}

async fn scene(hung: Hung, limits: Limits) -> Scene {
    let (lane, channel, provider, calls) = match hung {
        Hung::Nothing => (None, None, None, None),
        Hung::Lane(time) => (Some(("stuck", time)), None, None, None),
        Hung::Channel(time) => (None, Some(("", time)), None, None),
        Hung::Provider(time) => (None, None, Some(time), None),
        Hung::Calls(time) => (None, None, None, Some(time)),
    };
    let (good, bad) = (Meter::new(lane), Meter::new(channel));
    let builder: Builder = Engine::builder()
        .channel(account("good"), Arc::new(good.clone()), None, open_access())
        .channel(account("bad"), Arc::new(bad.clone()), None, open_access())
        .agent("main", agent("model"))
        .agent("other", agent("other"))
        .provider("model", Arc::new(model(calls)))
        .provider("other", Arc::new(model(provider)))
        .rules(|rules| {
            rules.session.dm_scope = DmScope::PerAccountChannelPeer;
            rules.bindings.push(Binding {
                agent: AgentId::new("other"),
                channel: "fake".into(),
                account: AccountMatch::Exact("bad".into()),
                peer: None,
                dm_scope: None,
                group_scope: None,
            });
        })
        .limits(limits)
        // Each message has an answer of its own, also behind a long wait.
        .lane("", LaneSettings { patience: Duration::from_hours(1), ..LaneSettings::default() })
        .backend(Arc::new(MemoryBackend::new()));
    Scene { good, bad, engine: builder.start().await.unwrap() }
}

async fn say(scene: &Scene, account: &AccountKey, person: &str, text: &str) {
    let message = Inbound::direct(account, text, person, text, Timestamp(0));
    assert_eq!(scene.engine.inject(message).await.unwrap().admitted, 1);
}

/// The latencies of the people on the good account while `hung` happens to others. Everybody is
/// answered, or this fails.
async fn latencies(hung: Hung, limits: Limits, patience: Duration) -> Vec<Duration> {
    let scene = scene(hung, limits).await;
    for number in 0..6 {
        let text = format!("hang {number}");
        say(&scene, &account("good"), &format!("stuck{number}"), &text).await;
        say(&scene, &account("bad"), &format!("victim{number}"), &text).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut offered = Vec::new();
    for round in 0..ROUNDS {
        for person in 0..PEOPLE {
            let text = format!("{person}-{round}");
            offered.push((text.clone(), Instant::now()));
            say(&scene, &account("good"), &format!("person{person}"), &text).await;
            tokio::time::sleep(ROUND / u32::try_from(PEOPLE).unwrap()).await;
        }
    }
    let all = || offered.iter().all(|(text, _)| scene.good.arrived(text).is_some());
    within(patience, &format!("everybody is answered while {hung:?}"), all).await;
    assert_eq!(
        scene.bad.arrived("hang 0").is_none(),
        matches!(hung, Hung::Channel(_) | Hung::Provider(_))
    );
    let mut latencies: Vec<Duration> =
        offered.iter().map(|(text, at)| scene.good.arrived(text).unwrap() - *at).collect();
    latencies.sort_unstable();
    scene.engine.shutdown(Duration::ZERO).await;
    latencies
}

fn p99(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() * 99 / 100]
}

// V5: a stuck lane, channel or provider leaves the p99 of the others within 1.2x.
#[tokio::test(start_paused = true)]
async fn what_hangs_does_not_slow_the_others() {
    let patience = Duration::from_secs(5);
    let healthy = p99(&latencies(Hung::Nothing, Limits::default(), patience).await);
    assert!(healthy >= THINKING + SENDING, "the latencies are those of model and platform");
    let ten_minutes = Duration::from_mins(10);
    for hung in [
        Hung::Lane(ten_minutes),
        Hung::Lane(FOR_EVER),
        Hung::Channel(ten_minutes),
        Hung::Channel(FOR_EVER),
        Hung::Provider(ten_minutes),
        Hung::Provider(FOR_EVER),
    ] {
        let slowed = p99(&latencies(hung, Limits::default(), patience).await);
        assert!(slowed * 10 <= healthy * 12, "{hung:?}: p99 {slowed:?}, healthy {healthy:?}");
    }
}

// V5, L1: within one provider a hung call holds its own permit only. Where the rest is enough for
// the load, nobody notices.
#[tokio::test(start_paused = true)]
async fn hung_calls_hold_their_own_permits_only() {
    // 40 messages a second of 100 ms each need 4 permits; 6 hang.
    let limits = Limits { provider_calls_max: 11, ..Limits::default() };
    let patience = Duration::from_secs(5);
    let healthy = p99(&latencies(Hung::Nothing, limits, patience).await);
    let slowed = p99(&latencies(Hung::Calls(FOR_EVER), limits, patience).await);
    assert!(slowed * 10 <= healthy * 12, "p99 {slowed:?}, healthy {healthy:?}");
}

// L1: calls that hang for ever on every permit give them back, and those who hang again wait behind
// everybody else.
#[tokio::test(start_paused = true)]
async fn hung_calls_starve_nobody_for_ever() {
    let limits = Limits {
        provider_calls_max: 6,
        provider_attempt_max: Duration::from_mins(2),
        ..Limits::default()
    };
    // Ten tries of two minutes each, with pauses in which the others are served; then the hung
    // turns are dead letters.
    let patience = Duration::from_mins(25);
    let latencies = latencies(Hung::Calls(FOR_EVER), limits, patience).await;
    let (half, longest) = (latencies[latencies.len() / 2], *latencies.last().unwrap());
    assert!(half <= Duration::from_mins(10) && longest <= patience, "{half:?}, {longest:?}");
}
