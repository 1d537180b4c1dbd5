//! Randomness for jitter, seedable so that a simulation replays exactly.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A stream of pseudo-random numbers (SplitMix64). Cheap to clone; clones share the stream.
/// Good for jitter and ids in tests, not for secrets.
#[derive(Debug, Clone)]
pub struct Dice(Arc<AtomicU64>);

impl Dice {
    /// The same seed gives the same numbers.
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seed)))
    }

    /// Seeded from the process's own randomness.
    pub fn random() -> Self {
        Self::seeded(RandomState::new().hash_one(0u8))
    }

    /// The next 64 bits.
    pub fn next(&self) -> u64 {
        let mut z = self
            .0
            .fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed)
            .wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in `0.0..1.0`.
    pub fn roll(&self) -> f64 {
        // 32 bits are plenty for jitter and convert without loss.
        f64::from(u32::try_from(self.next() >> 32).unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
    }
}
