//! What a hung lane, channel or provider costs the others: healthy and hung rounds take turns, so
//! that a slow moment of the machine meets both.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use telson::Builder;
use telson_actors::channel::{
    Capabilities, Channel, Evidence, LengthUnit, Outbound, SendFailure, SendOutcome, Settled,
};
use telson_actors::message::{AccountKey, Inbound};
use telson_actors::provider::{Completion, Failure, Provider, Request, TextSink};
use telson_actors::router::{Access, AccountMatch, AgentId, Binding};
use telson_actors::session::AgentProfile;

use super::Scale;
use super::measure::{Sample, Stopwatch};
use super::platform::{self, NOW, Platform};
use super::report::Row;
use super::whole::converse;

/// People who talk while others hang.
const PEOPLE: usize = 16;
/// People whose messages meet what hangs: more than a provider has permits.
const VICTIMS: usize = 24;
/// Rounds of each case.
const ROUNDS: usize = 5;

/// What hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hung {
    Nothing,
    Lane,
    Channel,
    Provider,
}

const CASES: [(Hung, &str); 4] = [
    (Hung::Nothing, "healthy"),
    (Hung::Lane, "hung lane"),
    (Hung::Channel, "hung channel"),
    (Hung::Provider, "hung provider"),
];

pub(crate) async fn measure(scale: &Scale) -> Vec<Row> {
    let mut samples: [Vec<Sample>; CASES.len()] = Default::default();
    for round in 1..=ROUNDS {
        eprintln!("hung: round {round} of {ROUNDS}");
        for ((hung, _), samples) in CASES.into_iter().zip(&mut samples) {
            samples.push(load(scale, hung).await);
        }
    }
    let [healthy, ..] = &samples;
    let healthy: Vec<f64> = healthy.iter().map(|sample| sample.percentile(99)).collect();
    let row = |((_, case), samples): ((Hung, &str), &Vec<Sample>)| {
        let p99: Vec<f64> = samples.iter().map(|sample| sample.percentile(99)).collect();
        let ratios = p99.iter().zip(&healthy).map(|(hung, healthy)| hung / healthy).collect();
        let p50 = samples.iter().map(|sample| sample.percentile(50)).collect();
        Row::new(case)
            .with("p50_ms", middle(p50))
            .with("p99_ms", middle(p99))
            .with("p99_of_healthy", middle(ratios))
    };
    CASES.into_iter().zip(&samples).map(row).collect()
}

fn middle(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

async fn load(scale: &Scale, hung: Hung) -> Sample {
    let (dir, platform) = (scale.temp_dir(), Platform::new(PEOPLE));
    let engine = beside(platform.builder(dir.path())).start().await.unwrap();
    converse(&engine, &platform, 0..PEOPLE, 0, Duration::ZERO).await;
    let account = match hung {
        Hung::Nothing => None,
        // Of the account that everybody uses, the lanes of these people hang.
        Hung::Lane => Some(platform::account()),
        Hung::Channel => Some(hanging("channel")),
        Hung::Provider => Some(hanging("provider")),
    };
    if let Some(account) = account {
        for victim in 0..VICTIMS {
            let (id, person) = (format!("v{victim}"), format!("victim{victim}"));
            let message = Inbound::direct(&account, &id, &person, "hello?", NOW);
            engine.inject(message).await.unwrap();
        }
    }
    let watch = Stopwatch::start();
    let latencies = converse(&engine, &platform, 0..PEOPLE, 1, scale.lasting / 2).await;
    let sample = watch.stop(latencies);
    engine.shutdown(Duration::ZERO).await;
    sample
}

fn hanging(name: &str) -> AccountKey {
    AccountKey::new("hanging", name)
}

/// Beside the platform: an account whose sends hang, and one whose agent asks a provider that never
/// answers.
fn beside(builder: Builder) -> Builder {
    let silent = AgentProfile {
        provider: "silent".into(),
        model: "silent".into(),
        system: String::new(),
        output_tokens_max: 100,
    };
    let echo = AgentProfile { provider: "echo".into(), model: "echo".into(), ..silent.clone() };
    let account = |builder: Builder, name| {
        builder.channel(hanging(name), Arc::new(Hanging), None, Access::everybody())
    };
    let builder = builder.agent("main", echo).agent("silent", silent);
    let builder = builder.provider("silent", Arc::new(Silent));
    let builder = account(account(builder, "channel"), "provider");
    builder.rules(|rules| {
        rules.bindings.push(Binding {
            agent: AgentId::new("silent"),
            channel: "hanging".into(),
            account: AccountMatch::Exact("provider".into()),
            peer: None,
            dm_scope: None,
            group_scope: None,
        });
    })
}

/// A channel whose sends never end.
struct Hanging;

impl Channel for Hanging {
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

    fn send<'a>(&'a self, _: &'a Outbound, _: &'a Evidence) -> BoxFuture<'a, SendOutcome> {
        Box::pin(std::future::pending())
    }

    fn reconcile<'a>(&'a self, _: &'a Outbound, _: &'a Evidence) -> BoxFuture<'a, Settled> {
        Box::pin(std::future::pending())
    }
}

/// A model that never answers.
struct Silent;

impl Provider for Silent {
    fn stream<'a>(
        &'a self,
        _: &'a Request,
        _: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        Box::pin(std::future::pending())
    }
}
