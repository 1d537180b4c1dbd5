//! Telling an agent what happened, and waking it for that if it can't wait.

use super::handle::Heartbeats;
use super::wake::Reason;
use crate::message::SessionKey;
use crate::store::StoreError;
use crate::system_event::{Added, SystemEvents};

/// When an agent reads of an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WakeMode {
    /// At once: it is woken for it.
    Now,
    /// With its next turn, be it a heartbeat or an answer to somebody.
    #[default]
    NextHeartbeat,
}

impl WakeMode {
    /// The mode of a wire name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "now" => Some(Self::Now),
            "next-heartbeat" => Some(Self::NextHeartbeat),
            _ => None,
        }
    }
}

/// The way in for events, for whoever reports them. Cheap to clone.
#[derive(Clone)]
pub struct Reporter {
    events: SystemEvents,
    beats: Heartbeats,
}

impl Reporter {
    /// Into these queues, waking through these heartbeats.
    pub fn new(events: SystemEvents, beats: Heartbeats) -> Self {
        Self { events, beats }
    }

    /// Reports an event. It is durable when this returns, and so is that it wakes its agent.
    ///
    /// With an `id` it is reported once, however often this is called. An id that begins with
    /// `cron:<job>:` or `exec:` says what it is about, for the words in which the agent is asked.
    ///
    /// # Errors
    /// Nothing was reported; do it again.
    pub async fn report(
        &self,
        session: &SessionKey,
        text: &str,
        mode: WakeMode,
        id: Option<&str>,
    ) -> Result<Added, StoreError> {
        let wakes = mode == WakeMode::Now;
        let added = self.events.report(session, text, wakes, id).await?;
        if let (true, Added::Waits(number) | Added::Repeats(number)) = (wakes, added) {
            self.beats.wake(session, reason(id.unwrap_or_default(), number));
        }
        Ok(added)
    }
}

fn reason(id: &str, number: u64) -> Reason {
    if let Some((job, _)) = id.strip_prefix("cron:").and_then(|rest| rest.rsplit_once(':')) {
        Reason::Cron(job.to_owned(), number)
    } else if id.starts_with("exec:") {
        Reason::Exec(number)
    } else {
        Reason::Wake(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_what_it_is_about() {
        for (id, name) in [
            ("cron:daily:water:1700", "cron:daily:water"),
            ("cron:", "wake"),
            ("exec:7", "exec-event"),
            ("hook:1", "wake"),
            ("", "wake"),
        ] {
            assert_eq!(reason(id, 3).name(), name);
            assert_eq!(reason(id, 3).event(), Some(3));
        }
        assert_eq!(WakeMode::named("now"), Some(WakeMode::Now));
        assert_eq!(WakeMode::named("later"), None);
    }
}
