//! Wakes that have been asked for and not happened yet: one per session, however many asked.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::message::SessionKey;

/// What is asked for within this time is one wake.
pub const COALESCE: Duration = Duration::from_millis(250);
/// The pause before a wake is tried again that came at a bad moment.
pub const RETRY: Duration = Duration::from_secs(1);
/// Sessions for which a wake waits. Beyond it the newest is refused: what it is about waits in the
/// session's queue all the same.
pub const PENDING_MAX: usize = 1_000;

/// Why an agent wakes; the later one has more to say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It is time: this instant of the agent's row.
    Interval(Timestamp),
    /// Somebody asked for it.
    Requested,
    /// A heartbeat has failed, and what it was told is to be told again: since this moment.
    Retry(Timestamp),
    /// A system event, by its number.
    Wake(u64),
    /// A command that ran beside the conversation has ended, by the number of its event.
    Exec(u64),
    /// A job of the clock, by its id and the number of its event.
    Cron(String, u64),
}

impl Reason {
    /// Its name, as status events have it.
    pub fn name(&self) -> String {
        match self {
            Self::Interval(_) => "interval".into(),
            Self::Requested => "requested".into(),
            Self::Retry(_) => "retry".into(),
            Self::Wake(_) => "wake".into(),
            Self::Exec(_) => "exec-event".into(),
            Self::Cron(job, _) => format!("cron:{job}"),
        }
    }

    /// The number of the event it is about.
    pub fn event(&self) -> Option<u64> {
        match self {
            Self::Wake(number) | Self::Exec(number) | Self::Cron(_, number) => Some(*number),
            Self::Interval(_) | Self::Requested | Self::Retry(_) => None,
        }
    }

    /// Whether it is about something that has happened, and not only about the time.
    pub fn is_about_news(&self) -> bool {
        matches!(self, Self::Retry(_)) || self.event().is_some()
    }
}

/// One wake that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// When it is due, in steady time.
    pub due: Timestamp,
    /// Why.
    pub reason: Reason,
}

/// The wakes that wait, by session.
#[derive(Debug, Clone, Default)]
pub struct Wakes(BTreeMap<SessionKey, Pending>);

impl Wakes {
    /// Asks for a wake. One that waits already takes this in: it comes when it would have come, and
    /// one that waits for another try comes as soon as a new one would.
    pub fn request(&mut self, session: SessionKey, reason: Reason, now: Timestamp) {
        self.by(session, reason, now.plus(COALESCE));
    }

    /// Puts back a wake that came at a bad moment. What was asked for meanwhile waits with it.
    pub fn again(&mut self, session: SessionKey, reason: Reason, at: Timestamp) {
        let waiting =
            self.0.entry(session).or_insert_with(|| Pending { due: at, reason: reason.clone() });
        waiting.due = waiting.due.max(at);
        waiting.reason = waiting.reason.clone().max(reason);
    }

    /// Sees to a wake by then. One that waits already comes no later than it would have.
    pub fn by(&mut self, session: SessionKey, reason: Reason, at: Timestamp) {
        if let Some(waiting) = self.0.get_mut(&session) {
            waiting.due = waiting.due.min(at);
            waiting.reason = waiting.reason.clone().max(reason);
        } else if self.0.len() < PENDING_MAX {
            self.0.insert(session, Pending { due: at, reason });
        }
    }

    /// Takes what is due.
    pub fn due(&mut self, now: Timestamp) -> Vec<(SessionKey, Reason)> {
        let due: Vec<_> = self.0.extract_if(.., |_, waiting| waiting.due <= now).collect();
        due.into_iter().map(|(session, waiting)| (session, waiting.reason)).collect()
    }

    /// When the next one is due.
    pub fn next(&self) -> Option<Timestamp> {
        self.0.values().map(|waiting| waiting.due).min()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIME: Reason = Reason::Interval(Timestamp(0));

    fn session(name: &str) -> SessionKey {
        SessionKey::main(name, "main").unwrap()
    }

    proptest! {
        // Whatever is asked for when, each quarter of a second sees at most one wake of a session,
        // and every request is followed by one.
        #[test]
        fn requests_within_the_window_are_one_wake(mut asked in prop::collection::vec(0i64..3_000, 1..60)) {
            asked.sort_unstable();
            let (mut wakes, mut woken) = (Wakes::default(), Vec::new());
            for now in 0..4_000 {
                for _ in asked.iter().filter(|at| **at == now) {
                    wakes.request(session("a"), Reason::Requested, Timestamp(now));
                }
                woken.extend(wakes.due(Timestamp(now)).iter().map(|_| now));
            }
            for at in &asked {
                prop_assert!(woken.iter().any(|woken| (0..=250).contains(&(woken - at))));
            }
            for pair in woken.windows(2) {
                prop_assert!(pair[1] - pair[0] >= 250);
            }
        }
    }

    #[test]
    fn the_reason_that_says_most_stays() {
        let mut wakes = Wakes::default();
        for reason in
            [Reason::Wake(3), Reason::Interval(Timestamp(1)), Reason::Wake(5), Reason::Requested]
        {
            wakes.request(session("a"), reason, Timestamp(0));
        }
        assert_eq!(wakes.due(Timestamp(250)), [(session("a"), Reason::Wake(5))]);
        assert_eq!(wakes.next(), None);
    }

    #[test]
    fn a_bad_moment_puts_it_off_and_sessions_are_apart() {
        let mut wakes = Wakes::default();
        wakes.request(session("a"), TIME, Timestamp(0));
        wakes.request(session("b"), TIME, Timestamp(100));
        assert_eq!(wakes.due(Timestamp(250)), [(session("a"), TIME)]);
        wakes.again(session("a"), TIME, Timestamp(250).plus(RETRY));
        assert_eq!(wakes.next(), Some(Timestamp(350)));
        assert_eq!(wakes.due(Timestamp(1_249)), [(session("b"), TIME)]);
        assert_eq!(wakes.due(Timestamp(1_250)), [(session("a"), TIME)]);
    }

    #[test]
    fn too_many_sessions_are_refused() {
        let mut wakes = Wakes::default();
        for number in 0..=PENDING_MAX {
            wakes.request(session(&format!("a{number}")), Reason::Requested, Timestamp(0));
        }
        assert_eq!(wakes.due(Timestamp(250)).len(), PENDING_MAX);
    }
}
