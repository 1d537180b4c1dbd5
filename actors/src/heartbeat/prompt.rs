//! What an agent is asked at a heartbeat.

use super::wake::Reason;

/// Characters of `HEARTBEAT.md` that are shown, as of any other file of a workspace.
const FILE_CHARS_MAX: usize = 20_000;

const STANDARD: &str = "Heartbeat. Look whether something needs your person's attention. Do what \
    HEARTBEAT.md says, if it says anything, and nothing else: tasks from earlier in this \
    conversation are done or were taken back. If nothing needs attention, answer HEARTBEAT_OK.";
const NEWS: &str = "Something has happened: the system lines above tell what. Tell your person what \
    they need to know of it, in your own words. If they need to know nothing, answer HEARTBEAT_OK.";
const EXEC: &str = "A command that you have started has ended: the system lines above tell how. \
    Tell your person what matters of its outcome. If nothing does, answer HEARTBEAT_OK.";
const CRON: &str = "A reminder has come due: it is in the system lines above. Pass it on to your \
    person now, in a helpful and friendly way.";

/// What a heartbeat is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It is time to look.
    Time,
    /// Events wait.
    News,
    /// A command has ended.
    Exec,
    /// A reminder has come due.
    Cron,
}

impl Cause {
    /// The cause of a wake for whose session events wait or not.
    pub fn of(reason: &Reason, has_events: bool) -> Self {
        match reason {
            _ if !has_events => Self::Time,
            Reason::Exec(_) => Self::Exec,
            Reason::Cron(..) => Self::Cron,
            Reason::Interval(_) | Reason::Requested | Reason::Retry(_) | Reason::Wake(_) => {
                Self::News
            }
        }
    }
}

/// The question: the agent's own words where it has some, the file, and the time of day.
pub fn prompt(cause: Cause, own: Option<&str>, file: Option<&str>, time: &str) -> String {
    let words = match cause {
        Cause::Time => own.unwrap_or(STANDARD),
        Cause::News => NEWS,
        Cause::Exec => EXEC,
        Cause::Cron => CRON,
    };
    let file = file.map(str::trim).filter(|file| !file.is_empty());
    let file = file.map(|file| format!("\n\nHEARTBEAT.md says:\n\n{}", cut(file)));
    format!("{words}{}\n\nIt is {time}.", file.unwrap_or_default())
}

fn cut(file: &str) -> String {
    match file.char_indices().nth(FILE_CHARS_MAX) {
        Some((end, _)) => format!("{} [...]", &file[..end]),
        None => file.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn each_cause_has_its_words() {
        let own = Some("Water the plants.");
        for (reason, has_events, begins) in [
            (Reason::Interval(Timestamp(0)), false, "Water the plants."),
            (Reason::Interval(Timestamp(0)), true, "Something has happened"),
            (Reason::Wake(1), true, "Something has happened"),
            (Reason::Exec(1), true, "A command"),
            (Reason::Cron("j".into(), 1), true, "A reminder"),
            (Reason::Cron("j".into(), 1), false, "Water the plants."),
        ] {
            let cause = Cause::of(&reason, has_events);
            let asked = prompt(cause, own, Some(" - mail \n"), "Monday");
            assert!(asked.starts_with(begins), "{asked}");
            assert!(asked.ends_with("HEARTBEAT.md says:\n\n- mail\n\nIt is Monday."), "{asked}");
        }
        assert_eq!(prompt(Cause::Cron, own, Some(" "), "x"), format!("{CRON}\n\nIt is x."));
        assert!(prompt(Cause::Time, None, None, "x").starts_with(STANDARD));
    }

    #[test]
    fn a_long_file_is_cut() {
        let asked = prompt(Cause::Time, None, Some(&"é".repeat(30_000)), "x");
        assert!(asked.chars().count() < FILE_CHARS_MAX + 1_000 && asked.contains(" [...]"));
    }
}
