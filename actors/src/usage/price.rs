//! What a token costs.

use crate::provider::Usage;

/// Picodollars in a dollar.
pub(super) const PICO: u64 = 1_000_000_000_000;

/// What a model's tokens cost, in picodollars each: a price of one dollar for a million tokens is
/// one million. Whole numbers, so that sums are exact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Price {
    /// A token read.
    pub input: u64,
    /// A token written.
    pub output: u64,
}

impl Price {
    /// What a call costs, in picodollars.
    pub fn of(self, usage: Usage) -> u64 {
        let read = usage.input.saturating_mul(self.input);
        read.saturating_add(usage.output.saturating_mul(self.output))
    }
}
