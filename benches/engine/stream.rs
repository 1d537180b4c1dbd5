//! From a provider's piece of text to a subscriber: what the engine adds.
//!
//! The same model is read by hand through a bare channel first, in the same run and at the same
//! load: what that takes is the machine's, not ours.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use telson_actors::provider::{Completion, Failure, Provider, Request, TextSink};
use telson_actors::session::AgentProfile;
use telson_actors::stream::{Item, StreamKind, Subscription};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Scale;
use super::measure::{Sample, Stopwatch};
use super::platform::Platform;
use super::report::Row;
use super::whole::converse;

/// Pieces of one answer. The first is measured, the others are traffic.
const PIECES: usize = 20;
/// Time before the first piece and between pieces, as of a quick model.
const THINKING: Duration = Duration::from_millis(2);
/// More would wait for permits, not for us.
const AT_ONCE_MAX: usize = 256;

pub(crate) async fn measure(scale: &Scale) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut loads: Vec<usize> = scale.loads.iter().map(|load| (*load).min(AT_ONCE_MAX)).collect();
    loads.dedup();
    for at_once in loads {
        eprintln!("streams: {at_once} at once");
        let bare = bare(scale, at_once).await;
        let ours = engine(scale, at_once).await;
        let added = ours.percentile(99) - bare.percentile(99);
        rows.push(bare.row(format!("{at_once} at once, bare channel")).with("added_p99_ms", 0.0));
        let row = ours.row(format!("{at_once} at once, subscriber"));
        rows.push(row.with("added_p99_ms", added));
    }
    rows
}

/// A model that writes down when each of its answers began.
#[derive(Default)]
struct Speaking {
    begun: Mutex<Vec<Instant>>,
}

impl Speaking {
    /// Since the answer that begins with this piece was begun.
    fn since(&self, piece: &str) -> Option<Duration> {
        let number: usize = piece.strip_prefix('#')?.parse().ok()?;
        Some(self.begun.lock().unwrap()[number].elapsed())
    }
}

impl Provider for Speaking {
    fn stream<'a>(
        &'a self,
        _: &'a Request,
        sink: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        Box::pin(async move {
            tokio::time::sleep(THINKING).await;
            let first = {
                let mut begun = self.begun.lock().unwrap();
                begun.push(Instant::now());
                format!("#{}", begun.len() - 1)
            };
            sink(&first);
            for _ in 1..PIECES {
                tokio::time::sleep(THINKING).await;
                sink("word ");
            }
            Ok(Completion::text("done"))
        })
    }
}

fn request() -> Request {
    Request {
        model: "m".into(),
        system: String::new(),
        messages: Vec::new(),
        tools: Vec::new(),
        may_call: false,
        must_call: false,
        output_tokens_max: 1,
    }
}

/// The model by itself, each piece through a channel to a task that waits for it.
async fn bare(scale: &Scale, at_once: usize) -> Sample {
    let model = Arc::new(Speaking::default());
    let (pieces, mut heard) = mpsc::channel::<String>(1024);
    let mut speaking = JoinSet::new();
    let watch = Stopwatch::start();
    let end = Instant::now() + scale.lasting;
    for _ in 0..at_once {
        let (model, pieces) = (model.clone(), pieces.clone());
        speaking.spawn(async move {
            while Instant::now() < end {
                let mut sink = |piece: &str| drop(pieces.try_send(piece.to_owned()));
                model.stream(&request(), &mut sink).await.unwrap();
            }
        });
    }
    drop(pieces);
    let mut latencies = Vec::new();
    while let Some(piece) = heard.recv().await {
        latencies.extend(model.since(&piece));
    }
    watch.stop(latencies)
}

/// The same model behind the engine, with one subscriber that reads and one that never does.
async fn engine(scale: &Scale, at_once: usize) -> Sample {
    let (dir, platform) = (scale.temp_dir(), Platform::new(at_once));
    let model = Arc::new(Speaking::default());
    let agent = AgentProfile {
        provider: "speaking".into(),
        model: "m".into(),
        system: String::new(),
        output_tokens_max: 1,
    };
    let mut builder =
        platform.builder(dir.path()).agent("main", agent).provider("speaking", model.clone());
    builder = builder.limits(telson::Limits { provider_calls_max: at_once, ..Default::default() });
    let engine = builder.start().await.unwrap();
    let (watching, sleeping) = (engine.stream(None), engine.stream(None));
    let mut reading = JoinSet::new();
    let model_of = model.clone();
    reading.spawn(async move { read(watching, &model_of).await });
    let watch = Stopwatch::start();
    converse(&engine, &platform, 0..at_once, 0, scale.lasting).await;
    engine.drain(Duration::from_secs(5)).await;
    engine.shutdown(Duration::from_secs(5)).await;
    drop(sleeping);
    watch.stop(reading.join_all().await.concat())
}

async fn read(mut watching: Subscription, model: &Speaking) -> Vec<Duration> {
    let mut latencies = Vec::new();
    while let Some(item) = watching.next().await {
        if let Item::Event(event) = item
            && let StreamKind::Text(piece) = event.kind
        {
            latencies.extend(model.since(&piece));
        }
    }
    latencies
}
