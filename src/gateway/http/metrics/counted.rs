//! What is counted as it happens.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use telson_actors::provider::CallWatch;

/// Upper ends of buckets for what should take milliseconds, in seconds.
const QUICK: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];
/// The same for what waits for models and platforms.
const SLOW: [f64; 12] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0];

/// What is counted in one gateway. Cheap to clone.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Counted>);

struct Counted {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<RouteLabel, Histogram, fn() -> Histogram>,
    calls: Family<CallLabels, Counter>,
    call_seconds: Family<ProviderLabel, Histogram, fn() -> Histogram>,
    flow: Flow,
}

/// The way of messages.
pub(super) struct Flow {
    pub(super) admitted: Counter,
    pub(super) declined: Counter,
    pub(super) turns_started: Counter,
    pub(super) turns: Family<OutcomeLabel, Counter>,
    pub(super) turn_seconds: Histogram,
    pub(super) answer_seconds: Histogram,
    pub(super) attempts: Counter,
    pub(super) deliveries: Family<OutcomeLabel, Counter>,
    pub(super) delivery_seconds: Histogram,
    pub(super) dead_letters: Counter,
    pub(super) missed: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    provider: String,
    outcome: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProviderLabel {
    provider: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OutcomeLabel {
    pub(super) outcome: &'static str,
}

fn quick() -> Histogram {
    Histogram::new(QUICK)
}

fn slow() -> Histogram {
    Histogram::new(SLOW)
}

impl Metrics {
    /// Told of the calls of providers.
    pub(crate) fn call_watch(&self) -> CallWatch {
        let metrics = self.clone();
        Arc::new(move |provider, outcome, took| {
            let (provider, outcome) = (provider.to_owned(), outcome.to_owned());
            let labels = CallLabels { provider: provider.clone(), outcome };
            metrics.0.calls.get_or_create(&labels).inc();
            let seconds = metrics.0.call_seconds.get_or_create(&ProviderLabel { provider });
            seconds.observe(took.as_secs_f64());
        })
    }

    /// An HTTP request has its answer, or the beginning of one.
    pub(super) fn answered(&self, route: &'static str, status: u16, took: Duration) {
        self.0.requests.get_or_create(&RequestLabels { route, status }).inc();
        self.0.request_seconds.get_or_create(&RouteLabel { route }).observe(took.as_secs_f64());
    }

    pub(super) fn flow(&self) -> &Flow {
        &self.0.flow
    }

    /// Everything, with what `now` holds.
    pub(super) fn text(&self, now: &Registry) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.0.registry)?;
        encode_registry(&mut text, now)?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Metrics").field(&self.0.registry).finish()
    }
}

impl Default for Counted {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("telson");
        let counted = Self {
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(quick),
            calls: Family::default(),
            call_seconds: Family::new_with_constructor(slow),
            flow: Flow::new(&mut registry),
            registry: Registry::default(),
        };
        let (requests, seconds) = (counted.requests.clone(), counted.request_seconds.clone());
        registry.register("http_requests", "Requests by route and status", requests);
        let about = "Time to the beginning of an answer";
        registry.register("http_request_duration_seconds", about, seconds);
        let (calls, seconds) = (counted.calls.clone(), counted.call_seconds.clone());
        registry.register("provider_calls", "Attempts at model calls by how they ended", calls);
        let about = "Time of an attempt at a model call";
        registry.register("provider_call_duration_seconds", about, seconds);
        Self { registry, ..counted }
    }
}

impl Flow {
    fn new(registry: &mut Registry) -> Self {
        let flow = Self {
            admitted: Counter::default(),
            declined: Counter::default(),
            turns_started: Counter::default(),
            turns: Family::default(),
            turn_seconds: slow(),
            answer_seconds: slow(),
            attempts: Counter::default(),
            deliveries: Family::default(),
            delivery_seconds: slow(),
            dead_letters: Counter::default(),
            missed: Counter::default(),
        };
        let counters = [
            ("messages_admitted", "Messages made durable and bound to a session", &flow.admitted),
            ("messages_declined", "Messages that are not answered, by policy", &flow.declined),
            ("turns_started", "Turns begun, also anew after an interruption", &flow.turns_started),
            ("delivery_attempts", "Attempts to send begun", &flow.attempts),
            ("dead_lettered", "What could not be finished, since the start", &flow.dead_letters),
            (
                "events_missed",
                "Events these figures lack because there were too many",
                &flow.missed,
            ),
        ];
        for (name, about, counter) in counters {
            registry.register(name, about, counter.clone());
        }
        registry.register("turns", "Turns by how they ended", flow.turns.clone());
        registry.register("deliveries", "Replies by what came of them", flow.deliveries.clone());
        let histograms = [
            (
                "turn_duration_seconds",
                "From a turn's begin to its durable answer",
                &flow.turn_seconds,
            ),
            (
                "answer_latency_seconds",
                "From admission to the durable answer",
                &flow.answer_seconds,
            ),
            ("delivery_duration_seconds", "From answer to receipt", &flow.delivery_seconds),
        ];
        for (name, about, histogram) in histograms {
            registry.register(name, about, histogram.clone());
        }
        flow
    }
}
