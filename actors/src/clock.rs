//! The only reader of time: milliseconds, injected into every actor.
//!
//! There are two times. The wall clock ([`Clock::now`]) is what people and platforms write on
//! things; anybody may set it, by years and in both directions. The steady time
//! ([`Clock::steady`]) only ever goes forward, at the pace of the world. What is written down says
//! the wall clock; what waits for something (a retry, a look, an idle time) goes by the steady time,
//! or a clock that is set back would make it wait for a year.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// Milliseconds since 1970-01-01 UTC.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Time passed since `earlier`; zero when `earlier` lies in the future (clocks step).
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// This moment moved forward by `duration`.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This moment as a clock has it that was set forward by `by_ms`, or back.
    #[must_use]
    pub fn stepped(self, by_ms: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(by_ms))
    }

    /// This moment moved back by `duration`.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// Tells the time. Cheap to clone.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Timestamp,
    origin: Instant,
    source: Source,
}

#[derive(Debug, Clone, Copy)]
enum Source {
    /// The machine's own clocks; the time it had been up at the start.
    System { up: Duration },
    /// Follows tokio's clock from a fixed start, so that paused time moves it.
    Virtual(&'static Faults),
}

/// What has happened to a virtual clock besides time passing, in milliseconds.
#[derive(Debug, Default)]
struct Faults {
    stepped: AtomicI64,
    slept: AtomicI64,
}

impl Clock {
    /// The machine's own clock.
    pub fn system() -> Self {
        Self {
            start: wall(),
            origin: Instant::now(),
            source: Source::System { up: up().unwrap_or_default() },
        }
    }

    /// A clock that starts at `start` and moves with tokio's (possibly paused) time. Each costs
    /// 16 bytes that are never freed: it is for tests and simulations.
    pub fn virtual_from(start: Timestamp) -> Self {
        let source = Source::Virtual(Box::leak(Box::default()));
        Self { start, origin: Instant::now(), source }
    }

    /// The present moment, as the wall clock has it.
    pub fn now(&self) -> Timestamp {
        match self.source {
            Source::System { .. } => wall(),
            Source::Virtual(faults) => {
                Timestamp(self.steady().0.saturating_add(faults.stepped.load(Ordering::Acquire)))
            }
        }
    }

    /// The wall clock's time at the start of this clock, plus the time passed since: as
    /// [`Clock::now`] where nobody sets the clock. A machine's sleep counts.
    pub fn steady(&self) -> Timestamp {
        let awake = self.origin.elapsed();
        self.start.plus(match self.source {
            // Timers stand still while the machine sleeps, and so does tokio's clock.
            Source::System { up: then } => awake.max(up().unwrap_or_default().saturating_sub(then)),
            Source::Virtual(faults) => {
                let slept = faults.slept.load(Ordering::Acquire);
                awake.saturating_add(Duration::from_millis(u64::try_from(slept).unwrap_or(0)))
            }
        })
    }

    /// The time at the start of this clock, plus the time the machine has been awake since, which is
    /// what its timers go by.
    pub fn awake(&self) -> Timestamp {
        self.start.plus(self.origin.elapsed())
    }

    /// The earlier of both times: for judging age where being too old costs a message. Time has
    /// passed only if both clocks say so.
    pub fn cautious(&self) -> Timestamp {
        self.now().min(self.steady())
    }

    /// Sets a virtual clock forward, or back with a negative number, as a person or a time server
    /// does. The machine's own clock is not touched.
    pub fn step(&self, by_ms: i64) {
        if let Source::Virtual(faults) = self.source {
            faults.stepped.fetch_add(by_ms, Ordering::AcqRel);
        }
    }

    /// Lets a virtual clock find that the machine has slept: time has passed, timers have not moved.
    pub fn sleep(&self, time: Duration) {
        if let Source::Virtual(faults) = self.source {
            let ms = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
            faults.slept.fetch_add(ms, Ordering::AcqRel);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one reader of the wall clock")]
fn wall() -> Timestamp {
    Timestamp(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)),
    )
}

/// Time since the machine was started, its sleep included, where the system tells.
fn up() -> Option<Duration> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let id = rustix::time::ClockId::Boottime;
    // On macOS the monotonic clock of POSIX goes on while the machine sleeps.
    #[cfg(target_os = "macos")]
    let id = rustix::time::ClockId::Monotonic;
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "macos"))]
    {
        let time = rustix::time::clock_gettime(id);
        let nanos = u32::try_from(time.tv_nsec).ok()?;
        Some(Duration::new(u64::try_from(time.tv_sec).ok()?, nanos))
    }
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "macos")))]
    None
}

/// How far the wall clock has moved apart from the machine's timers: it was set, or the machine has
/// slept. Who tries again and again has not tried meanwhile, nor has anybody else on this machine.
#[derive(Debug, Clone, Copy)]
pub struct Steps {
    /// Wall clock ahead of the timers, in milliseconds, when last looked at.
    ahead: i64,
}

impl Steps {
    /// Less than this is drift, and the noise of reading two clocks one after the other.
    const DRIFT_MAX_MS: i64 = 1000;

    /// Counts from now.
    pub fn since_now(clock: &Clock) -> Self {
        Self { ahead: ahead(clock) }
    }

    /// By how many milliseconds they moved apart since the last step found; zero if they did not.
    pub fn take(&mut self, clock: &Clock) -> i64 {
        let step = ahead(clock).saturating_sub(self.ahead);
        if step.abs() < Self::DRIFT_MAX_MS {
            return 0;
        }
        self.ahead = self.ahead.saturating_add(step);
        step
    }
}

fn ahead(clock: &Clock) -> i64 {
    clock.now().0.saturating_sub(clock.awake().0)
}
