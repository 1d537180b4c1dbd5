//! From the stream of journey events to counters and latencies.

use std::collections::BTreeMap;

use prometheus_client::metrics::histogram::Histogram;
use telson_actors::clock::Timestamp;
use telson_actors::event::{JourneyEvent, JourneyStep};
use tokio::sync::broadcast::{self, error::RecvError};

use super::Metrics;
use super::counted::OutcomeLabel;

/// Beginnings remembered for each latency: beyond it the oldest is given up.
const BEGUN_MAX: usize = 10_000;

/// Counts until the engine ends.
pub(in super::super::super) async fn watch(
    mut events: broadcast::Receiver<JourneyEvent>,
    metrics: Metrics,
) {
    let mut begun = Begun::default();
    loop {
        match events.recv().await {
            Ok(event) => begun.count(&event, &metrics),
            Err(RecvError::Lagged(missed)) => {
                metrics.flow().missed.inc_by(missed);
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// What has begun, and when.
#[derive(Default)]
struct Begun {
    messages: BTreeMap<u64, Timestamp>,
    turns: BTreeMap<u64, Timestamp>,
    entries: BTreeMap<u64, Timestamp>,
}

fn begin(begun: &mut BTreeMap<u64, Timestamp>, number: u64, at: Timestamp) {
    begun.insert(number, at);
    if begun.len() > BEGUN_MAX {
        begun.pop_first();
    }
}

impl Begun {
    fn count(&mut self, event: &JourneyEvent, metrics: &Metrics) {
        let (flow, at) = (metrics.flow(), event.at);
        let turn = |outcome| flow.turns.get_or_create(&OutcomeLabel { outcome }).inc();
        let delivery = |outcome| flow.deliveries.get_or_create(&OutcomeLabel { outcome }).inc();
        let took = |seconds: &Histogram, begun: Option<Timestamp>| {
            if let Some(begun) = begun {
                seconds.observe(at.since(begun).as_secs_f64());
            }
        };
        match &event.kind {
            JourneyStep::Admitted { message, .. } => {
                flow.admitted.inc();
                begin(&mut self.messages, *message, at);
            }
            JourneyStep::Declined { .. } => {
                flow.declined.inc();
            }
            JourneyStep::TurnStarted { turn, .. } => {
                flow.turns_started.inc();
                begin(&mut self.turns, *turn, at);
            }
            JourneyStep::Answered { turn: number, entries } => {
                turn("answered");
                took(&flow.turn_seconds, self.turns.remove(number));
                took(&flow.answer_seconds, self.messages.remove(number));
                for entry in entries {
                    begin(&mut self.entries, *entry, at);
                }
            }
            JourneyStep::Ended { turn: number, .. } => {
                turn("ended");
                self.turns.remove(number);
                self.messages.remove(number);
            }
            // Counted where it happens, also where nobody waits for the answer.
            JourneyStep::AttemptFailed(_) => {}
            JourneyStep::Sending { .. } => {
                flow.attempts.inc();
            }
            JourneyStep::Delivered { entry } => {
                delivery("delivered");
                took(&flow.delivery_seconds, self.entries.remove(entry));
            }
            JourneyStep::InDoubt { .. } => {
                delivery("in_doubt");
            }
            JourneyStep::DeadLettered { .. } => {
                flow.dead_letters.inc();
            }
        }
    }
}
