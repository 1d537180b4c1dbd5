//! Apple Messages, swept: the record is the Messages database.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::deeds::{Deeds, deeds};
use super::model::is_noted;
use super::plan::Course;
use super::world::{SweepError, Unsettled, World};
use crate::demo::audit::Audit;
use crate::demo::service::Launch;
use crate::demo::stage::{Options, Stage};

/// People who write, each in a chat of their own.
const PEOPLE: usize = 6;
/// A row that is not there after so long never comes: this `imsg` finishes what it has taken up
/// within milliseconds, also when the service behind it is gone.
const SETTLED_AFTER_SECS: u64 = 3;
/// Besides what is asked for: answers without the row's name, answers that say that nobody knows,
/// and an `imsg` that dies after it has sent.
const ODDS: &str = "noguid=0.1,unknown=0.1,die_after=0.03";
/// Pause of a send before it takes effect, in seconds: long enough to be killed in.
const DELAY_SECS: &str = "0.004";

struct Imessage {
    stage: Stage,
    program: PathBuf,
    /// The marks a tool writes down.
    noted: Vec<String>,
}

pub(super) fn build(
    dir: &Path,
    program: &Path,
    unsettled: Unsettled,
    model: &str,
) -> Result<Box<dyn World>, SweepError> {
    let options = Options {
        people: PEOPLE,
        unsettled_sends: match unsettled {
            Unsettled::Resend => "resend",
            Unsettled::Park => "park",
        },
        unsettled_after_secs: SETTLED_AFTER_SECS,
        model: Some(model.to_owned()),
        imsg: vec![("IMSG_RANDOM", ODDS.into()), ("IMSG_DELAY", DELAY_SECS.into())],
    };
    let stage = Stage::with(dir, program, &options)?;
    Ok(Box::new(Imessage { stage, program: program.to_owned(), noted: Vec::new() }))
}

impl Imessage {
    fn note(&mut self, number: u32) {
        if is_noted(number) {
            self.noted.push(format!("[#{number}]"));
        }
    }
}

impl World for Imessage {
    fn launch(&self) -> Launch {
        self.stage.launch(&self.program)
    }

    fn write(&mut self, number: u32, course: Course) -> Result<(), SweepError> {
        let wish = match course {
            Course::Plain => "",
            Course::Vanishes => " [[imsg:unknown_not,ok]]",
            Course::Unproven => " [[imsg:ghost,ok]]",
        };
        self.stage.write_with(number, wish)?;
        self.note(number);
        Ok(())
    }

    fn tell(&mut self, number: u32) -> Value {
        self.note(number);
        json!({"mode": "announce", "channel": "imessage", "to": self.stage.tell_owner(number)})
    }

    fn command(&mut self, number: u32) -> Value {
        let mark = format!("[#{number}]");
        // No model is asked about it, which would note some.
        if !self.noted.contains(&mark) {
            self.noted.push(mark.clone());
        }
        let script = r#"mkdir -p "$1" && echo "$2" >> "$1/notes" && echo "echo: $2""#;
        let folder = self.stage.state_dir().join("workspace");
        json!({"kind": "command", "argv": ["/bin/sh", "-c", script, "sh", folder, mark]})
    }

    fn unanswered(&mut self) -> Result<Vec<String>, SweepError> {
        Ok(self.stage.unanswered()?)
    }

    fn put_back(&mut self, marks: &[String]) {
        self.stage.put_back(marks.iter().cloned());
    }

    fn is_quiet(&self) -> Result<bool, SweepError> {
        Ok(self.stage.is_quiet()?)
    }

    fn audit(&self) -> Result<Audit, SweepError> {
        Ok(self.stage.audit()?)
    }

    fn deeds(&self) -> Result<Deeds, SweepError> {
        let path = self.stage.state_dir().join("workspace/notes");
        let notes = match std::fs::read_to_string(&path) {
            Ok(notes) => notes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(SweepError::File(format!("{}: {error}", path.display()))),
        };
        let (put_back, answers) = (self.stage.are_put_back(), self.stage.answers()?);
        Ok(deeds(&notes, &self.noted, put_back, &answers))
    }
}
