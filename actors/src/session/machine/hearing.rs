//! What a turn is told of system events, and what is different about a heartbeat's turn.

use super::super::record::Said;
use super::turn::Past;
use super::{HISTORY_EXCHANGES_MAX, InFlight, Session};
use crate::dead_letter::Reason;
use crate::heartbeat::{self, OK_CHARS_MAX, is_beat};
use crate::inbox::InboxRecord;
use crate::message::EnvelopeId;
use crate::model::Candidates;
use crate::provider::FailureClass;
use crate::system_event::{Heard, has_events};

use super::Effect;

/// Characters of events that one turn is told: those of a full queue, and of what failed turns were
/// told before. Beyond it the oldest lines go.
const TOLD_CHARS_MAX: usize = 100_000;

/// How the heart of a session's agent beats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeatSettings {
    /// Characters it may say beside the token that all is well.
    pub ok_chars: usize,
    /// The models heartbeats ask, if not the session's.
    pub models: Option<Candidates>,
    /// Whether they are asked without the conversation before them.
    pub is_isolated: bool,
}

impl Default for BeatSettings {
    fn default() -> Self {
        Self { ok_chars: OK_CHARS_MAX, models: None, is_isolated: false }
    }
}

/// The system events of a session.
#[derive(Debug, Clone, Default)]
pub struct Hearing {
    /// What waits, as it was read last. Boxed: an idle session holds no room for it.
    heard: Option<Box<Heard>>,
    /// What the turn in flight was told, or one that could not be finished and will be followed by
    /// another; as the store has it.
    told: Option<Box<str>>,
}

impl Hearing {
    /// What a turn was told that has not ended, and what waits.
    pub fn new(told: Option<String>, heard: Option<Heard>) -> Self {
        Self { heard: heard.map(Box::new), told: told.map(Into::into) }
    }

    /// The prompt of a turn that begins. What it is told anew has to be durable first.
    pub(super) fn tell(&mut self, message: String, effects: &mut Vec<Effect>) -> String {
        if let Some(mut heard) = self.heard.take().filter(|heard| !heard.numbers.is_empty()) {
            if let Some(told) = &self.told {
                heard.text = newest(&format!("{told}\n{}", heard.text));
            }
            self.told = Some(heard.text.clone().into());
            effects.push(Effect::Tell(heard));
        }
        match &self.told {
            Some(told) => format!("{told}\n\n{message}"),
            None => message,
        }
    }

    /// The turn has ended, and what it was told with it.
    pub(super) fn end(&mut self) {
        self.told = None;
    }

    /// The turn has ended without an answer. What a heartbeat was told, the next turn is told again:
    /// nobody else would ever hear of it. A message of a person takes it along, and so does one that
    /// may be what ends the process.
    ///
    /// Answers what is told again: with it, which tools the turn has used, because what they did is
    /// done and would be done once more.
    pub(super) fn gave_up(
        &mut self,
        records: &[InboxRecord],
        reason: &Reason,
        used: &[&str],
    ) -> Option<String> {
        if !keeps_told(records, reason) {
            self.end();
        }
        if let Some(told) = self.told.take() {
            self.told =
                Some(if used.is_empty() { told } else { newest(&noted(&told, used)).into() });
        }
        self.told.as_deref().map(str::to_owned)
    }
}

fn noted(told: &str, used: &[&str]) -> String {
    let note = format!(
        "System: (a turn was told this before and failed behind its use of {}; what these did is \
         done: look before anything is done again)",
        used.join(", ")
    );
    if told.contains(&note) { told.to_owned() } else { format!("{told}\n{note}") }
}

/// Whether a model has said nothing at all, however often it was asked.
pub(in crate::session) fn says_nothing(reason: &Reason) -> bool {
    let nothing = format!("{:?}", FailureClass::EmptyResponse).to_lowercase();
    matches!(reason, Reason::Provider { class, .. } if *class == nothing)
}

/// Whether what a failed turn was told is told again.
pub(in crate::session) fn keeps_told(records: &[InboxRecord], reason: &Reason) -> bool {
    // A model that says nothing has heard it, and has nothing to say.
    let is_over = matches!(reason, Reason::Poison { .. }) || says_nothing(reason);
    let mut records = records.iter();
    !is_over && records.all(|record| is_beat(&record.envelope.inbound))
}

fn newest(text: &str) -> String {
    let skipped = text.chars().count().saturating_sub(TOLD_CHARS_MAX);
    let rest: String = text.chars().skip(skipped).collect();
    match (skipped, rest.split_once('\n')) {
        // Not from the middle of a line.
        (1.., Some((_, lines))) => lines.to_owned(),
        _ => rest,
    }
}

impl Session {
    /// System events that wait at this moment: the next turn to begin is told them.
    pub fn hear(&mut self, heard: Heard) {
        self.hearing.heard = Some(Box::new(heard));
    }

    /// Whether the turn in flight is a heartbeat's, and nothing else.
    pub fn is_beat_turn(&self) -> bool {
        self.turn.as_ref().is_some_and(|turn| self.are_beats(&turn.members))
    }

    /// Whether this message is a heartbeat.
    pub(super) fn is_beat(&self, number: u64) -> bool {
        self.are_beats(&[EnvelopeId(number)])
    }

    fn are_beats(&self, members: &[EnvelopeId]) -> bool {
        let record = |id: &EnvelopeId| self.records.get(id);
        let is_beat = |id| record(id).is_some_and(|record| is_beat(&record.envelope.inbound));
        !members.is_empty() && members.iter().all(is_beat)
    }

    /// Whether a turn is asked without the conversation before it.
    pub(super) fn is_alone(&self, turn: &InFlight) -> bool {
        self.settings.beat.is_isolated && self.are_beats(&turn.members)
    }

    pub(super) fn models_of(&self, is_beat: bool) -> Candidates {
        let own = self.settings.beat.models.clone().filter(|_| is_beat);
        own.unwrap_or_else(|| self.settings.model.clone())
    }

    /// Whether nobody has to remember this turn: see [`heartbeat::is_quiet_turn`].
    pub(super) fn is_quiet(&self, done: &InFlight, answer: &str) -> bool {
        let said = done.members.iter().filter_map(|id| self.records.get(id));
        let said: Vec<Said> = said.map(|record| Said::from(&**record)).collect();
        let has_done = !done.steps.messages().is_empty() || has_events(&done.prompt);
        !has_done && heartbeat::is_quiet_turn(&said, answer, self.settings.beat.ok_chars)
    }

    /// Adds an exchange to what models are shown.
    pub(super) fn remember(&mut self, past: Past) {
        self.history.push_back(past);
        if self.history.len() > HISTORY_EXCHANGES_MAX {
            self.history.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(number: u64, text: &str) -> Heard {
        Heard { numbers: vec![number], text: text.into() }
    }

    #[test]
    fn a_turn_is_told_once_and_again_if_it_could_not_end() {
        let (mut hearing, mut effects) = (Hearing::default(), Vec::new());
        hearing.heard = Some(Box::new(heard(1, "System: [1] a")));
        assert_eq!(hearing.tell("hi".into(), &mut effects), "System: [1] a\n\nhi");
        assert_eq!(effects.len(), 1);
        // The next life finds it told, and takes what is new along.
        let mut next = Hearing::new(Some("System: [1] a".into()), Some(heard(2, "System: [2] b")));
        let told = "System: [1] a\nSystem: [2] b";
        assert_eq!(next.tell("hi".into(), &mut effects), format!("{told}\n\nhi"));
        assert_eq!(effects[1], Effect::Tell(Box::new(heard(2, told))));
        next.end();
        assert_eq!(next.tell("hi".into(), &mut effects), "hi");
        assert_eq!(effects.len(), 2);
    }

    #[test]
    fn what_is_told_again_says_once_what_was_done() {
        let failed = Reason::Provider { class: "format".into(), message: "no".into() };
        let mut hearing = Hearing::new(Some("System: [1] a".into()), None);
        assert_eq!(hearing.gave_up(&[], &failed, &[]).as_deref(), Some("System: [1] a"));
        let told = hearing.gave_up(&[], &failed, &["exec", "message"]).unwrap();
        assert!(told.starts_with("System: [1] a\n") && told.contains("exec, message"), "{told}");
        assert_eq!(hearing.gave_up(&[], &failed, &["exec", "message"]), Some(told));
        // Who has heard it and said nothing is not told again.
        let silent = Reason::Provider { class: "emptyresponse".into(), message: String::new() };
        assert_eq!(hearing.gave_up(&[], &silent, &[]), None);
    }

    #[test]
    fn what_failed_turns_were_told_does_not_grow_for_ever() {
        let line = format!("System: [1] {}", "x".repeat(990));
        let text = vec![line.as_str(); 200].join("\n");
        let kept = newest(&text);
        assert!(kept.chars().count() <= TOLD_CHARS_MAX);
        assert!(kept.lines().all(|kept| kept == line) && kept.lines().count() >= 98);
    }
}
