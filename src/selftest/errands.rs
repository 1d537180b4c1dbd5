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
            let at = Clock::system().now().plus(waiting.after);
            let id = json!({"id": waiting.id()});
            let handed = match client.call("cron.get", id.clone()).await {
                Err(_) => client.call("cron.add", waiting.job(at)).await,
                // On a busy machine the first instant of a row had passed when it was made: it would
                // come tomorrow.
                Ok(job) if waiting.has_missed(&job) => {
                    let patch = json!({"schedule": waiting.job(at)["schedule"]});
                    client.call("cron.update", json!({"id": waiting.id(), "patch": patch})).await
                }
                Ok(_) => {
                    self.waiting.pop_front();
                    continue;
                }
            };
            if handed.is_err() {
                return false;
            }
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

    /// Whether a job that is there was never due, and will not be while somebody looks.
    fn has_missed(&self, job: &Value) -> bool {
        let state = &job["state"];
        let has_run = !state["lastRunAtMs"].is_null() || !state["runningAtMs"].is_null();
        let next = state["nextRunAtMs"].as_i64();
        let first = job["schedule"]["anchorMs"].as_i64();
        self.errand == Errand::Row && !has_run && next.is_some() && next != first
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

    #[test]
    fn a_row_that_came_too_late_is_made_anew() {
        let waiting = |errand| Waiting {
            number: 1,
            errand,
            after: Duration::ZERO,
            delivery: Value::Null,
            command: None,
        };
        let job = |state: Value| json!({"schedule": {"anchorMs": 5}, "state": state});
        let missed = job(json!({"nextRunAtMs": 86_400_005}));
        assert!(waiting(Errand::Row).has_missed(&missed));
        assert!(!waiting(Errand::Once).has_missed(&missed));
        let others = [
            json!({"nextRunAtMs": 5}),
            json!({"nextRunAtMs": 86_400_005, "runningAtMs": 6}),
            json!({"nextRunAtMs": 86_400_005, "lastRunAtMs": 6}),
        ];
        for state in others {
            assert!(!waiting(Errand::Row).has_missed(&job(state.clone())), "{state}");
        }
    }

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
