//! Choices from the seed.

use std::time::Duration;

use telson::supervision::Dice;

/// A stream of choices. The same seed gives the same choices.
#[derive(Clone)]
pub(crate) struct Chance(Dice);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        // Neighbouring seeds must not look alike.
        let dice = Dice::seeded(seed.wrapping_mul(0xD134_2543_DE82_EF95) ^ 0x5851_F42D_4C95_7F2D);
        dice.next();
        Self(dice)
    }

    /// Another stream.
    pub(crate) fn fork(&self) -> Self {
        Self::new(self.0.next())
    }

    pub(crate) fn seed(&self) -> u64 {
        self.0.next()
    }

    /// A number below `end`.
    pub(crate) fn below(&self, end: u64) -> u64 {
        self.0.next() % end.max(1)
    }

    /// A number from `low` to `high`, both possible.
    pub(crate) fn between(&self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    pub(crate) fn one_in(&self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// True in so many of a thousand cases.
    pub(crate) fn per_mille(&self, chances: u64) -> bool {
        self.below(1000) < chances
    }

    pub(crate) fn index(&self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap()
    }

    pub(crate) fn pick<'a, T>(&self, from: &'a [T]) -> &'a T {
        &from[self.index(from.len())]
    }

    pub(crate) fn shuffle<T>(&self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.index(at + 1));
        }
    }

    /// Mostly short, sometimes long: up to `max` milliseconds.
    pub(crate) fn pause(&self, max: u64) -> Duration {
        let scale = max >> self.below(8);
        Duration::from_millis(self.below(scale + 1))
    }

    /// One of the weighted.
    pub(crate) fn weighted<T: Copy>(&self, from: &[(T, u64)]) -> T {
        let total = from.iter().map(|(_, weight)| weight).sum();
        let mut left = self.below(total);
        for (item, weight) in from {
            if left < *weight {
                return *item;
            }
            left -= weight;
        }
        from[0].0
    }
}
