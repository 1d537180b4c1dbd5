//! Jobs on their way to a service that may die while it takes them.
//!
//! A job has an id, so that whoever makes it can ask whether it was made, and makes it once. Its
//! instant is counted from the moment in which the service is handed it.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use telson_actors::clock::{Clock, Timestamp};

use super::plan::Errand;
use crate::control::Client;

/// From one instant of a row to the next: the sweep is over long before.
const ROW: Duration = Duration::from_hours(24);

/// The jobs of one world.
#[derive(Debug, Default)]
pub(super) struct Errands {
    waiting: VecDeque<Waiting>,
    marks: BTreeSet<String>,
}

/// Nobody has said yet that the service has it.
#[derive(Debug)]
struct Waiting {
    number: u32,
    errand: Errand,
    after: Duration,
    delivery: Value,
    command: Option<Value>,
}

impl Errands {
    /// A new one, with the place where it is to be announced, and the payload of one that is a
    /// command.
    pub(super) fn make(
        &mut self,
        number: u32,
        errand: Errand,
        after: Duration,
        delivery: Value,
        command: Option<Value>,
    ) {
        self.marks.insert(mark(number));
        self.waiting.push_back(Waiting { number, errand, after, delivery, command });
    }

    /// Hands in what waits; whether nothing waits any more.
    pub(super) async fn hand_in(&mut self, state_dir: &Path) -> bool {
        while let Some(waiting) = self.waiting.front() {
            let Ok(mut client) = Client::connect(state_dir).await else { return false };
            let id = json!({"id": waiting.id()});
            if client.call("cron.get", id).await.is_err() {
                let at = Clock::system().now().plus(waiting.after);
                if client.call("cron.add", waiting.job(at)).await.is_err() {
                    return false;
                }
            }
            self.waiting.pop_front();
        }
        true
    }

    /// How many of these marks people have written.
    pub(super) fn others_in(&self, marks: &[String]) -> usize {
        marks.iter().filter(|mark| !self.marks.contains(*mark)).count()
    }
}

impl Waiting {
    fn id(&self) -> String {
        format!("errand-{}", self.number)
    }

    fn job(&self, at: Timestamp) -> Value {
        let text = format!("{} what is on today", mark(self.number));
        let mut job = json!({
            "id": self.id(), "name": self.id(), "schedule": {"kind": "at", "at": at.0},
            // One that is gone could not be asked for.
            "deleteAfterRun": false,
            "payload": {"kind": "agentTurn", "message": text}, "delivery": self.delivery,
        });
        match self.errand {
            Errand::Once => {}
            Errand::Row => {
                let every = u64::try_from(ROW.as_millis()).unwrap_or(u64::MAX);
                job["schedule"] = json!({"kind": "every", "everyMs": every, "anchorMs": at.0});
            }
            Errand::Event => {
                job["payload"] = json!({"kind": "systemEvent", "text": text});
                job["wakeMode"] = json!("next-heartbeat");
                job["delivery"] = Value::Null;
            }
            Errand::Command => {
                job["payload"] = json!(self.command);
                // Where nobody knows what became of it, its name is what people are told.
                job["name"] = json!(format!("{} errand", mark(self.number)));
            }
        }
        job
    }
}

fn mark(number: u32) -> String {
    format!("[#{number}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_nobody_takes_waits_and_is_told_apart() {
        let mut errands = Errands::default();
        let nobody = tempfile::tempdir().unwrap();
        assert!(errands.hand_in(nobody.path()).await);
        errands.make(7, Errand::Row, Duration::ZERO, json!({"mode": "announce"}), None);
        assert!(!errands.hand_in(nobody.path()).await);
        assert_eq!(errands.others_in(&["[#6]", "[#7]", "[#8]"].map(str::to_owned)), 2);
    }
}
