//! What jobs and heartbeats do, told to everybody who is connected.

use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;

use crate::engine::LateEngine;
use crate::host::Host;
use crate::methods::{Scope, heartbeat_wire, report};

/// Pause between two looks for the engine while it starts.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Tells until the engine ends. Who reads too slowly misses news, and finds all of it in the lists.
pub(super) async fn tell(engine: LateEngine, host: Host) {
    let agent = report::default_agent(&host);
    let (mut jobs, mut beats) = loop {
        if let Some(engine) = engine.get() {
            break (engine.cron_events().subscribe(), engine.heartbeats().watch());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
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
        }
    }
}
