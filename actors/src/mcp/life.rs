//! When a server is started, lent, stopped and left alone.
//!
//! Times are measured from any fixed moment. A server that keeps ending rests for growing pauses;
//! who asks meanwhile is told so at once, unless the pause is nearly over.

use std::time::Duration;

use telson_supervision::Backoff;

/// Pauses of a server that keeps ending: a slip costs a second, a broken server a try every five
/// minutes.
const PAUSES: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(5), 0.0);
/// A pause shorter than this is waited for.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Where a server is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not running and not missed.
    Resting,
    /// Ended by itself; not before this time again.
    Paused(Duration),
    /// Was started and has not listed its tools yet.
    Connecting,
    /// Takes calls.
    Up,
    /// Did not answer a call; is asked whether it lives.
    Doubted,
    /// Was told to end.
    Stopping,
}

/// What the actor does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing; whoever waits goes on waiting.
    Wait,
    /// Start the server.
    Connect,
    /// Hand the connection out.
    Lend,
    /// Tell whoever asks that it is not there, and for how long.
    Refuse(Duration),
    /// End the server.
    Stop,
}

/// One server's life.
#[derive(Debug, Clone)]
pub struct Life {
    phase: Phase,
    idle_max: Option<Duration>,
    /// Ends in a row without an answered call between them.
    failures: u32,
    /// Calls under way.
    lent: usize,
    used: Duration,
    /// Whether its tools are known.
    is_listed: bool,
}

impl Life {
    /// A server that is not running.
    pub fn new(idle_max: Option<Duration>) -> Self {
        let (phase, used) = (Phase::Resting, Duration::ZERO);
        Self { phase, idle_max, failures: 0, lent: 0, used, is_listed: false }
    }

    /// Somebody asks for the connection.
    pub fn asked(&mut self, now: Duration) -> Step {
        match self.phase {
            Phase::Up => {
                self.lent += 1;
                self.used = now;
                Step::Lend
            }
            Phase::Connecting | Phase::Stopping | Phase::Doubted => Step::Wait,
            Phase::Paused(until) if until > now + WAIT_MAX => {
                Step::Refuse(until.saturating_sub(now))
            }
            Phase::Paused(until) if until > now => Step::Wait,
            Phase::Paused(_) | Phase::Resting => self.connect(),
        }
    }

    /// A call is over.
    pub fn returned(&mut self, was_answered: bool, now: Duration) {
        self.lent = self.lent.saturating_sub(1);
        self.used = now;
        if was_answered {
            self.failures = 0;
        }
    }

    /// A call was not answered: until the server shows that it lives, nobody else is sent there.
    pub fn doubted(&mut self) {
        if self.phase == Phase::Up {
            self.phase = Phase::Doubted;
        }
    }

    /// The server has shown that it lives.
    pub fn cleared(&mut self) {
        if self.phase == Phase::Doubted {
            self.phase = Phase::Up;
        }
    }

    /// The server has listed its tools.
    pub fn came_up(&mut self, now: Duration) {
        self.phase = Phase::Up;
        self.used = now;
        self.is_listed = true;
    }

    /// The server is gone. `is_wanted` says whether somebody waits for it.
    pub fn went_down(&mut self, now: Duration, is_wanted: bool) -> Step {
        self.lent = 0;
        if self.phase == Phase::Stopping {
            self.phase = Phase::Resting;
            return if is_wanted { self.connect() } else { Step::Wait };
        }
        let pause = PAUSES.delay(self.failures, 0.0);
        self.failures = self.failures.saturating_add(1);
        self.phase = Phase::Paused(now + pause);
        if is_wanted && pause > WAIT_MAX { Step::Refuse(pause) } else { Step::Wait }
    }

    /// Time has passed. `is_wanted` says whether somebody waits for it.
    pub fn woke(&mut self, now: Duration, is_wanted: bool) -> Step {
        match self.phase {
            // A server whose tools are not known is asked for them without anybody calling.
            Phase::Paused(until) if until <= now && (is_wanted || !self.is_listed) => {
                self.connect()
            }
            Phase::Resting if !self.is_listed => self.connect(),
            Phase::Up if self.idle_until().is_some_and(|until| until <= now) => {
                self.phase = Phase::Stopping;
                Step::Stop
            }
            _ => Step::Wait,
        }
    }

    /// When it has to be woken next, if ever.
    pub fn wakes_at(&self, is_wanted: bool) -> Option<Duration> {
        match self.phase {
            Phase::Paused(until) if is_wanted || !self.is_listed => Some(until),
            Phase::Up => self.idle_until(),
            _ => None,
        }
    }

    /// The state in one or two words.
    pub fn word(&self) -> &'static str {
        match self.phase {
            Phase::Resting if self.is_listed => "asleep until it is called",
            Phase::Resting | Phase::Connecting => "starting",
            Phase::Paused(_) => "down",
            Phase::Up => "up",
            Phase::Doubted => "in doubt",
            Phase::Stopping => "stopping",
        }
    }

    fn connect(&mut self) -> Step {
        self.phase = Phase::Connecting;
        Step::Connect
    }

    fn idle_until(&self) -> Option<Duration> {
        self.idle_max.filter(|_| self.lent == 0).map(|idle_max| self.used + idle_max)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn up() -> Life {
        let mut life = Life::new(Some(s(600)));
        assert_eq!(life.woke(s(0), false), Step::Connect);
        life.came_up(s(1));
        life
    }

    #[test]
    fn it_connects_to_learn_its_tools_and_sleeps_when_nobody_calls() {
        let mut life = up();
        assert_eq!(life.asked(s(2)), Step::Lend);
        assert_eq!(life.woke(s(900), false), Step::Wait, "not while a call runs");
        life.returned(true, s(901));
        assert_eq!(life.wakes_at(false), Some(s(1501)));
        assert_eq!(life.woke(s(1501), false), Step::Stop);
        assert_eq!(life.asked(s(1501)), Step::Wait);
        assert_eq!(life.went_down(s(1502), true), Step::Connect);
        life.came_up(s(1503));
        assert_eq!(life.asked(s(1503)), Step::Lend);
    }

    #[test]
    fn asleep_it_is_started_by_a_call_only() {
        let mut life = up();
        assert_eq!(life.woke(s(700), false), Step::Stop);
        assert_eq!(life.went_down(s(701), false), Step::Wait);
        assert_eq!((life.woke(s(9000), false), life.wakes_at(false)), (Step::Wait, None));
        assert_eq!(life.asked(s(9000)), Step::Connect);
    }

    #[test]
    fn one_that_keeps_ending_is_tried_less_and_less_often() {
        let mut life = Life::new(None);
        let mut now = s(0);
        let mut pauses = Vec::new();
        for _ in 0..12 {
            assert_eq!(life.woke(now, false), Step::Connect);
            life.went_down(now, false);
            let next = life.wakes_at(false).unwrap();
            pauses.push(next.saturating_sub(now).as_secs());
            now = next;
        }
        assert_eq!(pauses[..4], [1, 2, 4, 8]);
        assert_eq!(pauses[11], 300);
        assert_eq!(life.asked(now.saturating_sub(s(100))), Step::Refuse(s(100)));
        assert_eq!(life.asked(now.saturating_sub(s(3))), Step::Wait, "nearly over");
    }

    #[test]
    fn in_doubt_it_takes_no_further_calls() {
        let mut life = up();
        assert_eq!(life.asked(s(2)), Step::Lend);
        life.returned(false, s(3));
        life.doubted();
        assert_eq!((life.asked(s(4)), life.woke(s(9000), true)), (Step::Wait, Step::Wait));
        life.cleared();
        assert_eq!(life.asked(s(9001)), Step::Lend);
        life.doubted();
        assert_eq!(life.went_down(s(9002), true), Step::Wait);
        life.cleared();
        assert_eq!(life.woke(s(9003), true), Step::Connect);
    }

    #[test]
    fn an_answer_ends_the_row() {
        let mut life = up();
        life.went_down(s(1), false);
        assert_eq!(life.asked(s(2)), Step::Connect);
        life.came_up(s(2));
        assert_eq!(life.asked(s(2)), Step::Lend);
        life.returned(true, s(3));
        life.went_down(s(4), false);
        assert_eq!(life.asked(s(5)), Step::Connect, "a pause of one second again");
    }

    proptest! {
        // V1: whatever happens, two starts in a row without an answer lie a growing pause apart.
        #[test]
        fn it_never_spins(events in proptest::collection::vec(0u8..5, 1..200)) {
            let mut life = Life::new(Some(s(60)));
            let (mut now, mut starts) = (s(0), 0u32);
            for event in events {
                now += Duration::from_millis(50);
                let step = match event {
                    0 => life.asked(now),
                    1 => life.woke(now, true),
                    2 if life.phase == Phase::Connecting => { life.came_up(now); Step::Wait }
                    4 => { life.doubted(); Step::Wait }
                    3 if matches!(life.phase, Phase::Connecting | Phase::Up | Phase::Doubted) => life.went_down(now, true),
                    _ => Step::Wait,
                };
                starts += u32::from(step == Step::Connect);
            }
            // Ten seconds have room for the pauses 1, 2 and 4.
            prop_assert!(starts <= 4, "{starts} starts");
        }
    }
}
