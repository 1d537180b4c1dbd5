//! What jobs and heartbeats do, told to everybody who is connected.

use serde_json::json;
use telson_actors::cron::{CronEvent, CronEvents};
use telson_actors::event::Journal;
use telson_actors::heartbeat::{BeatStatus, Heartbeats};
use telson_actors::suspension::{Phase, Suspension};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use crate::host::Host;
use crate::methods::{Scope, heartbeat_wire, report};

/// What an engine tells of itself.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) journal: Journal,
    /// Nothing where there is no engine.
    pub(crate) work: Option<(CronEvents, Heartbeats)>,
    /// The same.
    pub(crate) suspension: Option<Suspension>,
}

impl Sources {
    /// Tells until the engine ends, whatever happens from now on. Who reads too slowly misses news,
    /// and finds all of it in the lists.
    pub(super) fn tell(&self, host: Host) -> Option<impl Future<Output = ()> + Send + 'static> {
        let (cron, beats) = self.work.as_ref()?;
        let phases = self.suspension.as_ref().map(Suspension::watch);
        Some(tell((cron.subscribe(), beats.watch()), phases, host))
    }
}

async fn tell(
    (mut jobs, mut beats): (Receiver<CronEvent>, Receiver<BeatStatus>),
    mut phases: Option<watch::Receiver<Phase>>,
    host: Host,
) {
    let agent = report::default_agent(&host);
    loop {
        tokio::select! {
            job = jobs.recv() => match job {
                Ok(job) => host.hub.tell("cron", Some(Scope::Read), job.to_value(&agent)),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            beat = beats.recv() => match beat {
                Ok(beat) => host.hub.tell("heartbeat", None, heartbeat_wire(&beat)),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            phase = next_phase(&mut phases) => {
                host.hub.tell("gateway.suspension", None, json!({"phase": phase.name()}));
            }
        }
    }
}

/// What a suspension has come to since; what was over in a moment may not be told.
async fn next_phase(phases: &mut Option<watch::Receiver<Phase>>) -> Phase {
    let Some(phases) = phases else { return std::future::pending().await };
    match phases.changed().await {
        Ok(()) => *phases.borrow_and_update(),
        Err(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use telson_actors::clock::Timestamp;
    use telson_actors::heartbeat::{BeatRules, Outcome};
    use telson_actors::store::{MemoryBackend, Store};
    use telson_supervision::Registry;

    use super::*;

    // Whoever is let in has seen what was there; what comes next must not fall between.
    #[tokio::test]
    async fn what_happens_before_the_teller_runs_is_told() {
        let store = Store::inline(std::sync::Arc::new(MemoryBackend::new())).unwrap();
        let beats = Heartbeats::new(BeatRules::default(), store, &Registry::new()).unwrap();
        let work = Some((CronEvents::new(), beats.clone()));
        let sources = Sources { journal: Journal::new(), work, suspension: None };
        let host = Host::default();
        let mut told = host.hub.subscribe();
        let telling = sources.tell(host).unwrap();
        beats.tell(BeatStatus {
            at: Timestamp(1),
            outcome: Outcome::Sent,
            agent: "main".into(),
            to: None,
            preview: Some("good morning".into()),
            duration_ms: None,
            reason: None,
            indicator: None,
        });
        let hearing = async {
            tokio::select! {
                () = telling => panic!("it tells until the engine ends"),
                event = told.recv() => event.unwrap(),
            }
        };
        let event = tokio::time::timeout(Duration::from_secs(30), hearing).await.unwrap();
        assert_eq!(event.name, "heartbeat");
        let text = event.text().unwrap();
        assert!(text.contains("good morning"), "{text}");
    }
}
