//! A turn's way through the models it may ask: where it is, what has failed, and what is next.
//!
//! Pure. The way belongs to the turn: the next one begins with the selected model again. Where it
//! has got to is journalled, so that a restart goes on there and does not wait for the first model
//! to fail once more.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::record::turn_key;
use crate::message::SessionKey;
use crate::model::{Candidates, ModelRef};
use crate::provider::failover::{advances, in_words, may_pass};
use crate::provider::{Failure, FailureClass};
use crate::store::{Key, Record};

/// Ways through the whole chain for one answer, each call with its own retries inside.
pub const TRIES_MAX: u32 = 10;
/// First pause between such ways; doubles up to the last.
pub const PAUSE_MIN: Duration = Duration::from_millis(2500);
/// Empty answers of one model for one answer: each is paid for, and what says nothing three times has
/// nothing to say.
pub const EMPTY_ANSWERS_MAX: u32 = 3;
/// Longest pause between such ways, unless a provider asks for more.
pub const PAUSE_MAX: Duration = Duration::from_secs(30);

/// A model that has failed in this turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The model.
    pub model: ModelRef,
    /// How often it was asked in vain; where it has answered nothing, how often in a row.
    pub times: u32,
    /// The class of its last failure.
    pub class: FailureClass,
    /// What was said with it.
    pub message: String,
    /// When it may be asked again, in seconds after the failure, if anybody has said.
    pub ready_in: Option<u64>,
}

/// Where a turn has got to, as it is stored while it is not at its first model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainRecord {
    /// The turn.
    pub turn: u64,
    /// The model that is asked.
    pub model: ModelRef,
    /// What has failed before.
    pub attempts: Vec<Attempt>,
}

impl Record for ChainRecord {
    const VERSION: u8 = 1;
}

/// Where it is stored: with the turn's steps, under a name no step has.
pub fn chain_key(session: &SessionKey) -> Key {
    turn_key(session).text("chain")
}

/// What follows a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// The next model, at once.
    Next,
    /// The whole chain again, after this.
    Pause(Duration),
    /// Nothing.
    GiveUp,
}

/// The way of one turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    candidates: Candidates,
    at: usize,
    tries: u32,
    attempts: Vec<Attempt>,
}

impl Chain {
    /// A way that begins.
    pub fn new(candidates: Candidates) -> Self {
        Self { candidates, at: 0, tries: 1, attempts: Vec::new() }
    }

    /// Goes on where an earlier life has stopped, if that model is still among the candidates.
    pub fn resume(&mut self, record: ChainRecord) {
        if let Some(place) = self.candidates.place_of(&record.model) {
            (self.at, self.attempts) = (place, record.attempts);
        }
    }

    /// The model to ask.
    pub fn model(&self) -> &ModelRef {
        self.candidates.at(self.at)
    }

    /// The model that was selected, if it is not the one asked.
    pub fn stands_in_for(&self) -> Option<&Attempt> {
        let first = self.candidates.first();
        self.attempts.iter().find(|attempt| self.at > 0 && attempt.model == *first)
    }

    /// Whether another model is asked when this one fails.
    pub fn has_next(&self) -> bool {
        self.next_place().is_some()
    }

    /// An answer that goes on with tools has come: what is next stays with this model, and starts
    /// with a clean sheet.
    pub fn answered(&mut self) {
        self.tries = 1;
        let first = self.candidates.first();
        let at = self.at;
        self.attempts.retain(|attempt| at > 0 && attempt.model == *first);
    }

    /// The model asked has failed.
    pub fn failed(&mut self, failure: &Failure) -> Move {
        self.note(failure);
        if !advances(failure.class) {
            return Move::GiveUp;
        }
        if let Some(place) = self.next_place() {
            self.at = place;
            return Move::Next;
        }
        let Some(place) = (0..self.candidates.count()).find(|place| self.is_open(*place)) else {
            return Move::GiveUp;
        };
        if self.tries >= TRIES_MAX {
            return Move::GiveUp;
        }
        let doublings = (self.tries - 1).min(8);
        let pause = PAUSE_MIN.saturating_mul(1 << doublings).min(PAUSE_MAX);
        (self.at, self.tries) = (place, self.tries + 1);
        Move::Pause(pause.max(self.ready_in()))
    }

    /// What to store of it.
    pub fn record(&self, turn: u64) -> ChainRecord {
        ChainRecord { turn, model: self.model().clone(), attempts: self.attempts.clone() }
    }

    /// Everything that has failed, for the log and the operator. One failure speaks for itself.
    pub fn detail(&self, last: &Failure) -> String {
        if self.attempts.len() < 2 {
            return last.message.clone();
        }
        let each = self.attempts.iter().map(|attempt| {
            let Attempt { model, times, class, message, ready_in } = attempt;
            let ready = ready_in.map_or_else(String::new, |s| format!(", ready again in {s} s"));
            format!("{model} ({class:?}, {times} times{ready}): {message}")
        });
        format!("every model failed. {}", each.collect::<Vec<_>>().join(". "))
    }

    /// What a person reads when no model has answered.
    pub fn notice(&self) -> String {
        let each = self.attempts.iter().map(|a| format!("{} ({})", a.model, in_words(a.class)));
        format!(
            "The model provider failed, so this message has no answer yet. Tried: {}. It is kept, \
             and the operator of this gateway can replay it.",
            each.collect::<Vec<_>>().join(", ")
        )
    }

    fn note(&mut self, failure: &Failure) {
        let model = self.model().clone();
        let is_empty = |class| class == FailureClass::EmptyResponse;
        // Silence is counted by itself: it has a bound of its own.
        let before = self.attempts.iter().find(|attempt| {
            attempt.model == model && is_empty(attempt.class) == is_empty(failure.class)
        });
        let attempt = Attempt {
            times: before.map_or(0, |attempt| attempt.times).saturating_add(1),
            class: failure.class,
            message: failure.message.clone(),
            ready_in: failure.retry_after.map(|wish| wish.as_secs().max(1)),
            model,
        };
        self.attempts.retain(|other| other.model != attempt.model);
        self.attempts.push(attempt);
    }

    fn next_place(&self) -> Option<usize> {
        (self.at + 1..self.candidates.count()).find(|place| self.is_open(*place))
    }

    /// Whether a candidate may still answer in this turn.
    fn is_open(&self, place: usize) -> bool {
        let model = self.candidates.at(place);
        let failed = self.attempts.iter().find(|attempt| attempt.model == *model);
        failed.is_none_or(|attempt| {
            let has_nothing_to_say =
                attempt.class == FailureClass::EmptyResponse && attempt.times >= EMPTY_ANSWERS_MAX;
            may_pass(attempt.class) && !has_nothing_to_say
        })
    }

    /// When the first of the open models is ready, as far as they have said.
    fn ready_in(&self) -> Duration {
        let open = (0..self.candidates.count()).filter(|place| self.is_open(*place));
        let ready = open.map(|place| {
            let model = self.candidates.at(place);
            let attempt = self.attempts.iter().find(|attempt| attempt.model == *model);
            attempt.and_then(|attempt| attempt.ready_in).unwrap_or(0)
        });
        Duration::from_secs(ready.min().unwrap_or(0))
    }
}

/// What a person is told once when another model begins to answer.
pub fn fallback_notice(failed: &Attempt, answers: &ModelRef) -> String {
    format!(
        "[{} can't answer at the moment ({}); {answers} answers in its place.]",
        failed.model,
        in_words(failed.class)
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::provider::Usage;

    fn chain(models: usize) -> Chain {
        let model = |n: usize| ModelRef::new("p", n.to_string());
        Chain::new(Candidates::new(model(0), (1..models).map(model)))
    }

    fn failure(class: FailureClass, wish: Option<u64>) -> Failure {
        let retry_after = wish.map(Duration::from_secs);
        Failure {
            class,
            message: "no".into(),
            retry_after,
            output_started: false,
            usage: Usage::default(),
        }
    }

    #[test]
    fn a_model_that_says_nothing_is_paid_three_times_at_most() {
        let empty = failure(FailureClass::EmptyResponse, None);
        let mut alone = chain(1);
        let moves: Vec<Move> = (0..3).map(|_| alone.failed(&empty)).collect();
        assert!(matches!(moves[..], [Move::Pause(_), Move::Pause(_), Move::GiveUp]), "{moves:?}");
        // What else went wrong before is no silence.
        let mut crowded = chain(1);
        for _ in 0..4 {
            crowded.failed(&failure(FailureClass::Overloaded, None));
        }
        assert!(matches!(crowded.failed(&empty), Move::Pause(_)));
        let mut two = chain(2);
        let asked = (0..20).take_while(|_| two.failed(&empty) != Move::GiveUp).count() + 1;
        assert_eq!(asked, 6, "three times each");
    }

    #[test]
    fn each_model_is_asked_in_turn_and_those_that_cannot_mend_not_again() {
        let mut chain = chain(3);
        assert_eq!(chain.failed(&failure(FailureClass::Auth, None)), Move::Next);
        assert_eq!((chain.model().model.as_str(), chain.has_next()), ("1", true));
        assert_eq!(chain.failed(&failure(FailureClass::Overloaded, Some(45))), Move::Next);
        assert!(!chain.has_next());
        let pause = Move::Pause(Duration::from_secs(45));
        assert_eq!(chain.failed(&failure(FailureClass::RateLimit, Some(60))), pause);
        assert_eq!(chain.model().model, "1", "the one with the bad key is left out");
        assert_eq!(chain.failed(&failure(FailureClass::Billing, None)), Move::Next);
        assert_eq!(chain.failed(&failure(FailureClass::Format, None)), Move::GiveUp);
        let detail = chain.detail(&failure(FailureClass::Format, None));
        for part in ["p/0 (Auth, 1 times): no", "p/1 (Billing, 2 times): no", "p/2 (Format"] {
            assert!(detail.contains(part), "{detail}");
        }
        let notice = chain.notice();
        assert!(notice.contains("p/0 (its key was refused), p/1 (no credit left)"), "{notice}");
    }

    #[test]
    fn a_conversation_that_is_too_long_is_shown_to_nobody_else() {
        let mut chain = chain(2);
        assert_eq!(chain.failed(&failure(FailureClass::ContextOverflow, None)), Move::GiveUp);
    }

    #[test]
    fn a_single_model_is_asked_ten_times_with_growing_pauses() {
        let mut chain = chain(1);
        let mut pauses = Vec::new();
        while let Move::Pause(pause) = chain.failed(&failure(FailureClass::Overloaded, None)) {
            pauses.push(pause.as_millis());
        }
        assert_eq!(pauses, [2500, 5000, 10_000, 20_000, 30_000, 30_000, 30_000, 30_000, 30_000]);
    }

    proptest! {
        // L1 and D7: a way ends, and a restart goes on at the same model with the same past.
        #[test]
        fn every_way_ends_and_is_resumed_where_it_was(
            models in 1usize..5,
            classes in prop::collection::vec(0usize..6, 200),
        ) {
            const ALL: [FailureClass; 6] = [
                FailureClass::Auth, FailureClass::RateLimit, FailureClass::Server,
                FailureClass::Billing, FailureClass::Timeout, FailureClass::Overloaded,
            ];
            let mut way = chain(models);
            let (mut asks, mut ended) = (0u32, false);
            for class in classes {
                asks += 1;
                let next = way.failed(&failure(ALL[class], None));
                let mut resumed = chain(models);
                resumed.resume(way.record(1));
                prop_assert_eq!(resumed.model(), way.model());
                prop_assert_eq!(resumed.has_next(), way.has_next());
                if next == Move::GiveUp {
                    ended = true;
                    break;
                }
                prop_assert!(way.is_open(way.at));
            }
            prop_assert!(ended && asks <= TRIES_MAX * 5);
        }
    }
}
