//! A sum over calls.

use serde::{Deserialize, Serialize};

use super::price::{PICO, Price};
use crate::provider::Usage;

/// What some calls have used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Answered calls.
    pub calls: u64,
    /// Calls among them whose provider reported no tokens: the figures below lack them.
    pub unreported: u64,
    /// Calls among them with tokens of a model without a price: the cost lacks them.
    pub unpriced: u64,
    /// Tokens read.
    pub input: u64,
    /// Tokens written.
    pub output: u64,
    /// What they cost, in picodollars.
    pub cost: u64,
}

impl Tally {
    /// One call.
    pub fn of(usage: Usage, price: Option<Price>) -> Self {
        let is_reported = usage != Usage::default();
        Self {
            calls: 1,
            unreported: u64::from(!is_reported),
            unpriced: u64::from(is_reported && price.is_none()),
            input: usage.input,
            output: usage.output,
            cost: price.map_or(0, |price| price.of(usage)),
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            unreported: self.unreported.saturating_add(other.unreported),
            unpriced: self.unpriced.saturating_add(other.unpriced),
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            cost: self.cost.saturating_add(other.cost),
        }
    }

    /// Tokens read and written.
    pub fn tokens(&self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// What they cost, in dollars, for people: cut to a millionth of a dollar.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub fn dollars(&self) -> f64 {
        (self.cost / (PICO / 1_000_000)) as f64 / 1_000_000.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_sum_of_calls_is_the_sum_of_their_figures(
            calls in prop::collection::vec((0u64..1_000_000, 0u64..1_000_000, any::<bool>()), 0..20),
            input in 0u64..100_000_000, output in 0u64..100_000_000,
        ) {
            let price = Price { input, output };
            let mut sum = Tally::default();
            let (mut tokens, mut cost, mut unpriced) = (0, 0, 0);
            for (read, written, priced) in &calls {
                let usage = Usage { input: *read, output: *written };
                sum = sum.plus(Tally::of(usage, priced.then_some(price)));
                tokens += read + written;
                cost += if *priced { read * input + written * output } else { 0 };
                unpriced += u64::from(!priced && read + written > 0);
            }
            prop_assert_eq!(sum.calls, u64::try_from(calls.len()).unwrap());
            prop_assert_eq!((sum.tokens(), sum.cost, sum.unpriced), (tokens, cost, unpriced));
        }
    }

    #[test]
    fn a_price_for_a_million_tokens_is_what_a_million_tokens_cost() {
        let price = Price { input: 3_000_000, output: 15_000_000 };
        let usage = Usage { input: 1_000_000, output: 100_000 };
        let dollars = Tally::of(usage, Some(price)).dollars();
        assert!((dollars - 4.5).abs() < 1e-9, "{dollars}");
    }
}
