//! The life of one entry: what an outcome makes of it.

use std::time::Duration;

use super::record::{AttemptNote, EntryRecord, EntryState};
use crate::channel::{FailureClass, Receipt, SendFailure, SendOutcome};
use crate::clock::Timestamp;
use crate::dead_letter::Reason;

/// First pause after a failed attempt; doubles with each.
const RETRY_MIN: Duration = Duration::from_secs(1);
/// Longest pause between attempts.
const RETRY_MAX: Duration = Duration::from_mins(5);
/// Longest pause a platform may wish for: a lane must not rest for a day because of one answer.
const WISH_MAX: Duration = Duration::from_hours(1);
/// An entry that could not be sent for this long is given up: its reader has moved on.
const AGE_MAX: Duration = Duration::from_hours(24);
/// An entry is tried at least this often before its age counts, which is more than an hour: after
/// a long sleep or with a wrong clock at the start everything looks old, and the network is not up.
const TRIES_MIN: u32 = 20;
/// Pause while credentials or permission are missing: a person has to act first.
const PERMISSION_RETRY: Duration = Duration::from_mins(1);
/// Longest pause of an entry that is found at the start.
const START_PAUSE_MAX: Duration = Duration::from_secs(5);
/// Attempts remembered for people.
const NOTES_MAX: usize = 8;

/// What to do with an entry now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// It is out.
    Delivered(Receipt),
    /// Try again, not before this moment.
    Retry(Timestamp),
    /// Settle the doubt first.
    Settle(String),
    /// Give up, visibly.
    Dead(Reason),
}

/// Decides after an attempt that ended at `now`; `roll` in `0.0..=1.0` spreads the pauses.
/// Never answers `Retry` for an outcome in doubt (D6).
pub fn next(entry: &EntryRecord, outcome: SendOutcome, now: Timestamp, roll: f64) -> Next {
    match outcome {
        SendOutcome::Sent(receipt) => Next::Delivered(receipt),
        SendOutcome::InDoubt(reason) => Next::Settle(reason),
        SendOutcome::NotSent(failure) => after_failure(entry, failure, now, roll),
    }
}

fn after_failure(entry: &EntryRecord, failure: SendFailure, now: Timestamp, roll: f64) -> Next {
    let pause = match failure.class {
        FailureClass::Permanent => {
            return Next::Dead(Reason::Rejected { message: failure.message });
        }
        FailureClass::Permission => PERMISSION_RETRY,
        FailureClass::Transient | FailureClass::RateLimit => retry_pause(entry.attempts, roll),
    };
    if now.since(entry.created_at) > AGE_MAX && entry.attempts >= TRIES_MIN {
        return Next::Dead(Reason::Rejected {
            message: format!("gave up after 24 h: {}", failure.message),
        });
    }
    Next::Retry(now.plus(pause.max(failure.retry_after.unwrap_or_default().min(WISH_MAX))))
}

/// 1, 2, 4, ... seconds up to five minutes, spread by up to a tenth.
fn retry_pause(attempts: u32, roll: f64) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    let base = RETRY_MIN.saturating_mul(1 << doublings).min(RETRY_MAX);
    base.saturating_add(base.mul_f64(0.1 * roll.clamp(0.0, 1.0))).min(RETRY_MAX)
}

/// Remembers what an attempt came to.
pub fn note(entry: &mut EntryRecord, at: Timestamp, outcome: impl Into<String>) {
    entry.notes.push(AttemptNote { at, outcome: outcome.into() });
    if entry.notes.len() > NOTES_MAX {
        entry.notes.remove(0);
    }
}

/// An entry as it comes from the disk or from another actor, told by a clock that may have been set
/// since: no pause may end later than one that begins now, and doubt is looked into from now on.
pub fn received(entry: &mut EntryRecord, now: Timestamp) {
    match &mut entry.state {
        EntryState::Pending { not_before } => {
            *not_before = (*not_before).min(now.plus(RETRY_MAX));
            if entry.attempts == 0 {
                *not_before = (*not_before).min(now);
            }
        }
        EntryState::Sending { since, .. } => *since = now,
    }
}

/// As [`received`], for an entry of an earlier life: whoever starts the program anew has mended
/// something, perhaps, and should not wait for a pause that began before.
pub fn found(entry: &mut EntryRecord, now: Timestamp) {
    received(entry, now);
    if let EntryState::Pending { not_before } = &mut entry.state {
        *not_before = (*not_before).min(now.plus(START_PAUSE_MAX));
    }
}

/// Puts an entry back to be sent.
pub fn requeue(entry: &mut EntryRecord, not_before: Timestamp) {
    entry.state = EntryState::Pending { not_before };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::channel::Receipt;
    use crate::message::{AccountKey, Destination, SessionKey};
    use crate::outbox::EntryId;

    fn entry(attempts: u32) -> EntryRecord {
        EntryRecord {
            id: EntryId(1),
            session: SessionKey::main("main", "main").unwrap(),
            turn: 1,
            part: 0,
            to: Destination {
                account: AccountKey::new("fake", "default"),
                target: "x".into(),
                thread: None,
            },
            text: "hi".into(),
            created_at: Timestamp(0),
            attempts,
            state: EntryState::Pending { not_before: Timestamp(0) },
            notes: vec![],
        }
    }

    fn failure(class: FailureClass, retry_after: Option<u64>) -> SendOutcome {
        SendOutcome::NotSent(SendFailure {
            class,
            message: "no".into(),
            retry_after: retry_after.map(Duration::from_millis),
        })
    }

    proptest! {
        // D6: doubt is never answered with another attempt.
        #[test]
        fn doubt_is_never_retried(attempts: u32, now in 0i64..1_000_000_000, roll in 0.0f64..=1.0) {
            let next = next(&entry(attempts), SendOutcome::InDoubt("?".into()), Timestamp(now), roll);
            prop_assert_eq!(next, Next::Settle("?".into()));
        }

        #[test]
        fn pauses_are_bounded_and_honour_the_platform(
            attempts: u32, now in 0i64..80_000_000, roll in 0.0f64..=1.0, wish in prop::option::of(0u64..900_000),
        ) {
            for class in [FailureClass::Transient, FailureClass::RateLimit, FailureClass::Permission] {
                let next = next(&entry(attempts), failure(class, wish), Timestamp(now), roll);
                let Next::Retry(at) = next else { panic!("{next:?}") };
                let pause = at.since(Timestamp(now));
                prop_assert!(pause >= Duration::from_secs(1));
                prop_assert!(pause >= Duration::from_millis(wish.unwrap_or(0)));
                prop_assert!(pause <= RETRY_MAX.max(Duration::from_millis(wish.unwrap_or(0))));
            }
        }
    }

    #[test]
    fn the_ends_of_an_entry() {
        let receipt = Receipt { platform_id: "g".into(), note: String::new() };
        let sent = next(&entry(1), SendOutcome::Sent(receipt.clone()), Timestamp(5), 0.0);
        assert_eq!(sent, Next::Delivered(receipt));
        let refused = next(&entry(1), failure(FailureClass::Permanent, None), Timestamp(5), 0.0);
        assert!(matches!(refused, Next::Dead(Reason::Rejected { .. })));
        let old = Timestamp(25 * 3600 * 1000);
        let expired = next(&entry(20), failure(FailureClass::Transient, None), old, 0.0);
        assert!(matches!(expired, Next::Dead(Reason::Rejected { .. })));
        // A machine that has slept for a day has not tried for a day.
        let slept = next(&entry(19), failure(FailureClass::Transient, None), old, 0.0);
        assert!(matches!(slept, Next::Retry(_)));
    }

    #[test]
    fn a_time_from_another_clock_does_not_bind() {
        let (now, far) = (Timestamp(1_000), Timestamp(i64::MAX));
        let state_after = |attempts, state| {
            let mut entry = EntryRecord { state, ..entry(attempts) };
            received(&mut entry, now);
            entry.state
        };
        let pending = |not_before| EntryState::Pending { not_before };
        assert_eq!(state_after(0, pending(far)), pending(now));
        assert_eq!(state_after(3, pending(far)), pending(now.plus(RETRY_MAX)));
        assert_eq!(state_after(3, pending(Timestamp(5))), pending(Timestamp(5)));
        let sending =
            |since| EntryState::Sending { since, evidence: crate::channel::Evidence::default() };
        assert_eq!(state_after(1, sending(far)), sending(now));
        assert_eq!(state_after(1, sending(Timestamp(5))), sending(now));
    }

    #[test]
    fn remembers_only_the_last_attempts() {
        let mut entry = entry(0);
        for attempt in 0..20 {
            note(&mut entry, Timestamp(attempt), "no");
        }
        assert_eq!(entry.notes.len(), NOTES_MAX);
        assert_eq!(entry.notes.last().map(|note| note.at), Some(Timestamp(19)));
    }

    #[test]
    fn a_pause_of_an_earlier_life_is_short() {
        let mut entry = entry(3);
        requeue(&mut entry, Timestamp(60_000));
        let mut told = entry.clone();
        received(&mut told, Timestamp(0));
        assert_eq!(told.state, EntryState::Pending { not_before: Timestamp(60_000) });
        found(&mut entry, Timestamp(0));
        assert_eq!(entry.state, EntryState::Pending { not_before: Timestamp(5_000) });
    }
}
