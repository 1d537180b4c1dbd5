//! How much may be spent before the next call is refused.

use super::price::PICO;
use super::tally::Tally;

/// A bound on what calls use; nothing is unbounded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    /// Tokens read and written.
    pub tokens: Option<u64>,
    /// Cost in picodollars. Calls of models without a price cost nothing here.
    pub cost: Option<u64>,
}

/// The budgets of an engine. Each is looked at before a call, so the last call may go over it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budgets {
    /// Of all sessions together, in one day.
    pub day: Budget,
    /// Of each session, in one day.
    pub session_day: Budget,
}

impl Budgets {
    /// Whether there is any.
    pub fn is_any(&self) -> bool {
        *self != Self::default()
    }

    /// Why the next call must not be made, as a sentence; nothing if it may.
    pub fn refusal(&self, day: &Tally, session_day: &Tally) -> Option<String> {
        let own = self.session_day.spent(session_day).map(|spent| ("of this conversation", spent));
        let (whose, spent) =
            own.or_else(|| self.day.spent(day).map(|spent| ("of all conversations", spent)))?;
        Some(format!("the day's budget {whose} is used up: {spent}; it begins anew at 00:00 UTC"))
    }
}

impl Budget {
    /// What was used of it, if that is all of it.
    pub(super) fn spent(&self, tally: &Tally) -> Option<String> {
        let tokens = self.tokens.filter(|max| tally.tokens() >= *max);
        let cost = self.cost.filter(|max| tally.cost >= *max);
        tokens
            .map(|max| format!("{} of {max} tokens", tally.tokens()))
            .or_else(|| cost.map(|max| format!("{} of {}", usd(tally.cost), usd(max))))
    }
}

/// Dollars and cents, as people write them.
fn usd(pico: u64) -> String {
    let cents = pico / (PICO / 100);
    format!("${}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tally(tokens: u64, cost: u64) -> Tally {
        Tally { input: tokens, cost, ..Tally::default() }
    }

    proptest! {
        #[test]
        fn a_budget_refuses_exactly_when_it_is_reached(
            tokens in prop::option::of(1u64..100), cost in prop::option::of(1u64..100),
            used in 0u64..120, spent in 0u64..120, own in any::<bool>(),
        ) {
            let budget = Budget { tokens, cost };
            let (budgets, day, session) = if own {
                let budgets = Budgets { session_day: budget, ..Budgets::default() };
                (budgets, Tally::default(), tally(used, spent))
            } else {
                (Budgets { day: budget, ..Budgets::default() }, tally(used, spent), Tally::default())
            };
            let reached = tokens.is_some_and(|max| used >= max) || cost.is_some_and(|max| spent >= max);
            prop_assert_eq!(budgets.refusal(&day, &session).is_some(), reached);
        }
    }

    #[test]
    fn the_refusal_says_what_is_used_up() {
        let budgets =
            Budgets { day: Budget { cost: Some(2 * PICO), tokens: None }, ..Budgets::default() };
        let said = budgets.refusal(&tally(1, 2 * PICO + PICO / 4), &Tally::default()).unwrap();
        assert!(said.contains("of all conversations") && said.contains("$2.25 of $2.00"), "{said}");
    }
}
