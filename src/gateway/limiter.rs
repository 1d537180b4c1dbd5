//! Who guesses secrets has to wait: wrong guesses, counted by where they come from and what is
//! guessed.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// Sources that are remembered; the one heard of longest ago is forgotten first.
const SOURCES_MAX: usize = 4096;

/// Where a guess comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// An address.
    Address(IpAddr),
    /// A page in a browser of this machine.
    Page(String),
}

/// What is guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The shared token or password.
    Shared,
    /// The token of a device.
    Device,
    /// The token of a setup code.
    Setup,
    /// The token or signature of a webhook, whose guesses are counted by a limiter of their own.
    Webhook,
}

impl Class {
    /// Those a client can show when it connects.
    pub const ALL: [Self; 3] = [Self::Shared, Self::Device, Self::Setup];
}

/// How many guesses are too many.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Wrong guesses within the window.
    pub attempts_max: u32,
    /// The window, in milliseconds.
    pub window_ms: i64,
    /// The wait, in milliseconds.
    pub lockout_ms: i64,
}

#[derive(Debug, Clone, Default)]
struct Guesses {
    count: u32,
    since: i64,
    last: i64,
    locked_until: Option<i64>,
}

impl Patience {
    /// With webhooks: 20 wrong guesses within a minute cost another one.
    pub const WEBHOOKS: Self = Self { attempts_max: 20, window_ms: 60_000, lockout_ms: 60_000 };
}

/// See the module. Lost with the process.
#[derive(Debug)]
pub struct Limiter {
    patience: Patience,
    guesses: BTreeMap<(Source, Class), Guesses>,
}

impl Limiter {
    /// One that remembers nobody.
    pub fn new(patience: Patience) -> Self {
        Self { patience, guesses: BTreeMap::new() }
    }

    /// How long this source still has to wait with this class, in milliseconds.
    pub fn wait(&self, source: &Source, class: Class, now: i64) -> Option<u64> {
        let guesses = self.guesses.get(&(source.clone(), class))?;
        let left = guesses.locked_until?.saturating_sub(now);
        u64::try_from(left).ok().filter(|left| *left > 0)
    }

    /// A wrong guess.
    pub fn failed(&mut self, source: &Source, class: Class, now: i64) {
        let key = (source.clone(), class);
        if !self.guesses.contains_key(&key) && self.guesses.len() >= SOURCES_MAX {
            self.forget_one(now);
        }
        let Patience { attempts_max, window_ms, lockout_ms } = self.patience;
        let guesses = self.guesses.entry(key).or_default();
        let is_over = guesses.locked_until.is_some_and(|until| until <= now);
        if guesses.count == 0 || is_over || now.saturating_sub(guesses.since) >= window_ms {
            *guesses = Guesses { since: now, ..Guesses::default() };
        }
        guesses.count += 1;
        guesses.last = now;
        if guesses.count >= attempts_max {
            guesses.locked_until = Some(now.saturating_add(lockout_ms));
        }
    }

    /// A right one: this class begins anew.
    pub fn proven(&mut self, source: &Source, class: Class) {
        self.guesses.remove(&(source.clone(), class));
    }

    /// Makes room: first those who need not wait.
    fn forget_one(&mut self, now: i64) {
        let rank = |guesses: &Guesses| {
            (guesses.locked_until.is_some_and(|until| until > now), guesses.last)
        };
        let oldest = self.guesses.iter().min_by_key(|(_, guesses)| rank(guesses));
        if let Some(key) = oldest.map(|(key, _)| key.clone()) {
            self.guesses.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { attempts_max: 3, window_ms: 100, lockout_ms: 1000 };

    fn from(n: u32) -> Source {
        Source::Address(IpAddr::from(n.to_be_bytes()))
    }

    #[test]
    fn too_many_wrong_guesses_have_to_wait() {
        let mut limiter = Limiter::new(PATIENCE);
        for now in 0..2 {
            limiter.failed(&from(1), Class::Shared, now);
            assert_eq!(limiter.wait(&from(1), Class::Shared, now), None);
        }
        limiter.failed(&from(1), Class::Shared, 2);
        assert_eq!(limiter.wait(&from(1), Class::Shared, 2), Some(1000));
        assert_eq!(limiter.wait(&from(1), Class::Device, 2), None, "by class");
        assert_eq!(limiter.wait(&from(2), Class::Shared, 2), None, "by source");
        assert_eq!(limiter.wait(&from(1), Class::Shared, 1002), None);
        limiter.failed(&from(1), Class::Shared, 1003);
        assert_eq!(limiter.wait(&from(1), Class::Shared, 1003), None, "counted anew");
    }

    #[test]
    fn slow_guesses_and_right_ones_begin_anew() {
        let mut limiter = Limiter::new(PATIENCE);
        for round in 0..10 {
            limiter.failed(&from(1), Class::Shared, round * 60);
            assert_eq!(limiter.wait(&from(1), Class::Shared, round * 60), None);
        }
        for now in 1000..1002 {
            limiter.failed(&from(2), Class::Shared, now);
            limiter.failed(&from(2), Class::Device, now);
        }
        limiter.proven(&from(2), Class::Shared);
        limiter.failed(&from(2), Class::Shared, 1003);
        limiter.failed(&from(2), Class::Device, 1003);
        assert_eq!(limiter.wait(&from(2), Class::Shared, 1003), None);
        assert!(limiter.wait(&from(2), Class::Device, 1003).is_some(), "only that class");
    }

    #[test]
    fn twenty_wrong_tokens_of_webhooks_cost_a_minute() {
        let mut limiter = Limiter::new(Patience::WEBHOOKS);
        for nth in 0..19 {
            limiter.failed(&from(1), Class::Webhook, nth * 100);
        }
        assert_eq!(limiter.wait(&from(1), Class::Webhook, 2_000), None);
        limiter.failed(&from(1), Class::Webhook, 2_000);
        assert_eq!(limiter.wait(&from(1), Class::Webhook, 2_000), Some(60_000));
        assert_eq!(limiter.wait(&from(2), Class::Webhook, 2_000), None, "nobody else");
        assert_eq!(limiter.wait(&from(1), Class::Webhook, 61_999), Some(1));
        assert_eq!(limiter.wait(&from(1), Class::Webhook, 62_000), None);
        for nth in 0..200 {
            limiter.failed(&from(3), Class::Webhook, nth * 4_000);
        }
        assert_eq!(limiter.wait(&from(3), Class::Webhook, 800_000), None, "slow ones do not count");
    }

    // L1
    #[test]
    fn a_flood_of_sources_is_bounded_and_frees_nobody_who_waits() {
        let mut limiter = Limiter::new(PATIENCE);
        for _ in 0..3 {
            limiter.failed(&from(0), Class::Shared, 0);
        }
        for n in 1..20_000 {
            limiter.failed(&from(n), Class::Shared, 1);
        }
        assert!(limiter.guesses.len() <= SOURCES_MAX);
        assert!(limiter.wait(&from(0), Class::Shared, 2).is_some());
    }
}
