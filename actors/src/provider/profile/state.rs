//! What has happened to one profile, and until when it rests for it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::FailureClass;
use crate::clock::Timestamp;

/// Rests after the first, second and any further failure in a row.
const RESTS: [Duration; 3] =
    [Duration::from_secs(30), Duration::from_mins(1), Duration::from_mins(5)];
/// Models of one profile that rest at once. More is one key that is over its rate everywhere.
const RESTS_MAX: usize = 16;

/// How long profiles are put aside that need a person, and when failures are forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cooldowns {
    /// First pause of a profile without credit; doubles each time.
    pub billing: Duration,
    /// Longest such pause.
    pub billing_max: Duration,
    /// First pause of a profile that is forbidden what was asked; doubles each time.
    pub forbidden: Duration,
    /// Longest such pause.
    pub forbidden_max: Duration,
    /// Failures longer ago than this no longer lengthen a rest.
    pub window: Duration,
}

impl Default for Cooldowns {
    fn default() -> Self {
        Self {
            billing: Duration::from_hours(5),
            billing_max: Duration::from_hours(24),
            forbidden: Duration::from_mins(10),
            forbidden_max: Duration::from_hours(1),
            window: Duration::from_hours(24),
        }
    }
}

/// The state of one profile, as it is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The mark of the key it is about.
    pub mark: u32,
    /// When it last gave an answer.
    pub last_used: Timestamp,
    /// Failures in a row.
    pub errors: u32,
    /// When the last one was.
    pub failed_at: Timestamp,
    /// What rests, each for its model or for all.
    pub rests: Vec<Rest>,
    /// Put aside for longer: a person has to do something.
    pub disabled: Option<Disabled>,
}

/// A rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    /// The model it is about; none for all of them.
    pub model: Option<String>,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Why.
    pub class: FailureClass,
}

/// A long rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disabled {
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Why.
    pub class: FailureClass,
    /// How often in a row.
    pub times: u32,
}

/// Why a profile is not to be used now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// For how long.
    pub left: Duration,
    /// What has happened.
    pub class: FailureClass,
}

impl State {
    /// A profile nothing is known of.
    pub fn fresh(mark: u32) -> Self {
        Self { mark, ..Self::default() }
    }

    /// It gave an answer: what was held against it for this model is over. Rests of other models
    /// stay.
    pub fn succeeded(&mut self, model: &str, now: Timestamp) {
        self.last_used = now;
        self.errors = 0;
        self.disabled = None;
        self.rests.retain(|rest| rest.model.as_deref().is_some_and(|of| of != model));
    }

    /// It failed. `false` if that says nothing about the profile.
    pub fn failed(
        &mut self,
        class: FailureClass,
        model: &str,
        wish: Option<Duration>,
        now: Timestamp,
        cooldowns: &Cooldowns,
    ) -> bool {
        if now.since(self.failed_at) > cooldowns.window {
            (self.errors, self.disabled) = (0, None);
        }
        match class {
            FailureClass::Billing => {
                self.disable(class, cooldowns.billing, cooldowns.billing_max, now);
            }
            FailureClass::AuthPermanent => {
                self.disable(class, cooldowns.forbidden, cooldowns.forbidden_max, now);
            }
            FailureClass::Auth => self.rest(None, class, wish, now),
            FailureClass::RateLimit | FailureClass::Timeout => {
                self.rest(Some(model), class, wish, now);
            }
            FailureClass::Overloaded
            | FailureClass::Server
            | FailureClass::Format
            | FailureClass::ModelNotFound
            | FailureClass::ContextOverflow
            | FailureClass::EmptyResponse
            | FailureClass::Unclassified => return false,
        }
        self.failed_at = now;
        true
    }

    /// What forbids its use for a model now; the longest where there are several.
    pub fn block(&self, model: &str, now: Timestamp) -> Option<Block> {
        self.blocks(now)
            .filter(|(of, ..)| of.is_none_or(|of| of == model))
            .map(|(_, until, class)| Block { left: until.since(now), class })
            .max_by_key(|block| block.left)
    }

    /// Everything that forbids its use now: for a model or for all, until when, and why.
    pub fn blocks(
        &self,
        now: Timestamp,
    ) -> impl Iterator<Item = (Option<&str>, Timestamp, FailureClass)> {
        let rests = self.rests.iter();
        let rests = rests.map(|rest| (rest.model.as_deref(), rest.from, rest.until, rest.class));
        let disabled = self.disabled.iter().map(|long| (None, long.from, long.until, long.class));
        rests
            .chain(disabled)
            // A clock that was set back must not lengthen a rest.
            .filter(move |(_, from, until, _)| *from <= now && now < *until)
            .map(|(model, _, until, class)| (model, until, class))
    }

    /// An operator says that it can be used again: everything held against it is forgotten. `false`
    /// if there was nothing.
    pub fn wake(&mut self) -> bool {
        let rested = self.errors > 0 || self.disabled.is_some() || !self.rests.is_empty();
        self.errors = 0;
        self.disabled = None;
        self.rests.clear();
        rested
    }

    fn rest(
        &mut self,
        model: Option<&str>,
        class: FailureClass,
        wish: Option<Duration>,
        now: Timestamp,
    ) {
        self.errors = self.errors.saturating_add(1);
        let nth = usize::try_from(self.errors - 1).unwrap_or(usize::MAX).min(RESTS.len() - 1);
        let until = now.plus(RESTS[nth].max(wish.unwrap_or_default()));
        self.rests.retain(|rest| rest.model.as_deref() != model && rest.until > now);
        if self.rests.len() >= RESTS_MAX {
            self.rests.remove(0);
        }
        let model = model.map(str::to_owned);
        self.rests.push(Rest { model, from: now, until, class });
    }

    fn disable(&mut self, class: FailureClass, first: Duration, most: Duration, now: Timestamp) {
        let before = self.disabled.as_ref().filter(|long| long.class == class);
        let times = before.map_or(0, |long| long.times).saturating_add(1);
        let pause = first.saturating_mul(1 << (times - 1).min(16)).min(most.max(first));
        self.disabled = Some(Disabled { from: now, until: now.plus(pause), class, times });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const T0: Timestamp = Timestamp(1_000_000_000_000);

    fn fail(state: &mut State, class: FailureClass, at: Timestamp) -> Option<u64> {
        state.failed(class, "m", None, at, &Cooldowns::default());
        state.block("m", at).map(|block| block.left.as_secs())
    }

    #[test]
    fn rests_grow_to_five_minutes_and_an_answer_ends_them() {
        let mut state = State::fresh(1);
        let mut now = T0;
        for seconds in [30, 60, 300, 300] {
            assert_eq!(fail(&mut state, FailureClass::RateLimit, now), Some(seconds));
            now = now.plus(Duration::from_secs(seconds));
            assert_eq!(state.block("m", now), None, "over at its end");
        }
        state.succeeded("m", now);
        assert_eq!(fail(&mut state, FailureClass::RateLimit, now), Some(30));
        assert_eq!(state.block("other", now), None, "another model of the key may be asked");
        assert_eq!(fail(&mut state, FailureClass::Auth, now), Some(60));
        assert!(state.block("other", now).is_some(), "a refused key is refused for all");
    }

    #[test]
    fn failures_of_long_ago_are_forgotten() {
        let mut state = State::fresh(1);
        for _ in 0..3 {
            fail(&mut state, FailureClass::Auth, T0);
        }
        let later = T0.plus(Cooldowns::default().window + Duration::from_secs(1));
        assert_eq!(fail(&mut state, FailureClass::Auth, later), Some(30));
    }

    #[test]
    fn without_credit_it_is_put_aside_for_hours_and_without_permission_for_minutes() {
        let mut state = State::fresh(1);
        for hours in [5, 10, 20, 24, 24] {
            assert_eq!(fail(&mut state, FailureClass::Billing, T0), Some(hours * 3600));
        }
        let mut state = State::fresh(1);
        for minutes in [10, 20, 40, 60, 60] {
            assert_eq!(fail(&mut state, FailureClass::AuthPermanent, T0), Some(minutes * 60));
        }
        state.succeeded("m", T0);
        assert_eq!(state.block("m", T0), None);
    }

    #[test]
    fn the_providers_own_wish_lengthens_a_rest() {
        let mut state = State::fresh(1);
        let wish = Some(Duration::from_mins(20));
        state.failed(FailureClass::RateLimit, "m", wish, T0, &Cooldowns::default());
        assert_eq!(state.block("m", T0).map(|block| block.left), wish);
    }

    #[test]
    fn a_clock_set_back_ends_a_rest() {
        let mut state = State::fresh(1);
        fail(&mut state, FailureClass::Billing, T0);
        assert_eq!(state.block("m", T0.minus(Duration::from_hours(9000))), None);
    }

    proptest! {
        // L1: whatever fails, a rest ends, and what is kept stays small.
        #[test]
        fn every_rest_ends(failures in prop::collection::vec((0usize..12, 0u8..40, 0i64..100_000), 0..60)) {
            const ALL: [FailureClass; 12] = [
                FailureClass::Auth, FailureClass::AuthPermanent, FailureClass::RateLimit,
                FailureClass::Overloaded, FailureClass::Billing, FailureClass::Timeout,
                FailureClass::Server, FailureClass::Format, FailureClass::ModelNotFound,
                FailureClass::ContextOverflow, FailureClass::EmptyResponse, FailureClass::Unclassified,
            ];
            let (mut state, mut now) = (State::fresh(1), T0);
            for (class, model, pause) in failures {
                now = Timestamp(now.0 + pause);
                let model = model.to_string();
                let before = state.clone();
                let told = state.failed(ALL[class], &model, None, now, &Cooldowns::default());
                prop_assert_eq!(told, state.block(&model, now).is_some_and(|_| state != before));
                prop_assert!(state.rests.len() <= RESTS_MAX);
            }
            let late = now.plus(Duration::from_hours(24));
            for model in 0u8..40 {
                prop_assert_eq!(state.block(&model.to_string(), late), None);
            }
        }
    }
}
