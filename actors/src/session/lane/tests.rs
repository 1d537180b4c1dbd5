use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::message::AccountKey;

pub(super) fn message(id: u64, target: &str, at: i64) -> Waiting {
    Waiting {
        id: EnvelopeId(id),
        reply_to: Destination {
            account: AccountKey::new("imessage", "default"),
            target: target.to_owned(),
            thread: None,
        },
        sender: "p".to_owned(),
        text: format!("text {id}"),
        at: Timestamp(at),
        mode: None,
        is_alone: false,
    }
}

fn alone(id: u64, target: &str, at: i64) -> Waiting {
    Waiting { is_alone: true, ..message(id, target, at) }
}

// D7
#[test]
fn who_takes_a_turn_alone_is_joined_by_nobody_in_any_mode() {
    for mode in [Mode::Followup, Mode::Collect, Mode::Steer, Mode::Interrupt] {
        let mut lane = lane(mode, 20, DropPolicy::Summarize);
        for it in [alone(1, "a", 0), alone(2, "a", 0), message(3, "a", 0), alone(4, "a", 0)] {
            assert_eq!(lane.push(it), Pushed::Queued);
        }
        assert_eq!(lane.steer(&message(0, "a", 0).reply_to), None, "{mode:?}");
        for id in 1..=4 {
            assert_eq!(turn(&mut lane, 5_000), (vec![], vec![id]), "{mode:?}");
        }
    }
    let mut lane = lane(Mode::Followup, 20, DropPolicy::Summarize);
    let said = Waiting { mode: Some(Mode::Steer), ..alone(1, "a", 0) };
    assert_eq!(lane.push(said), Pushed::Queued);
    assert_eq!(lane.steer(&message(0, "a", 0).reply_to), None, "whatever it says itself");
}

// D7, L1
#[test]
fn who_takes_a_turn_alone_is_never_folded_and_nothing_overtakes_it() {
    let mut lane = lane(Mode::Followup, 1, DropPolicy::Summarize);
    assert_eq!(lane.push(message(1, "a", 0)), Pushed::Queued);
    assert_eq!(lane.push(message(2, "a", 0)), Pushed::Folded(EnvelopeId(1)));
    assert_eq!(lane.push(alone(3, "a", 0)), Pushed::Folded(EnvelopeId(2)));
    assert_eq!(lane.push(message(4, "a", 0)), Pushed::Queued, "it would overtake");
    assert_eq!(lane.push(message(5, "b", 0)), Pushed::Folded(EnvelopeId(5)));
    assert_eq!(turn(&mut lane, 9_000), (vec![1], vec![2]));
    assert_eq!(turn(&mut lane, 9_000), (vec![], vec![3]));
    assert_eq!(turn(&mut lane, 9_000), (vec![], vec![4]));
    assert_eq!(turn(&mut lane, 9_000), (vec![], vec![5]), "folded, and younger than the others");
    assert_eq!(lane.next(Timestamp(9_000)), Next::Idle);

    let all = u64::try_from(BURST_MAX).unwrap();
    for id in 10..10 + all {
        assert_eq!(lane.push(alone(id, "a", 0)), Pushed::Queued);
    }
    let pushed = lane.push(alone(10 + all, "a", 0));
    assert_eq!(pushed, Pushed::Dropped(alone(10, "a", 0)), "a flood has an end");
}

#[test]
fn what_is_folded_late_keeps_its_place() {
    let mut lane = lane(Mode::Followup, 1, DropPolicy::Summarize);
    assert_eq!(lane.push(alone(1, "a", 0)), Pushed::Queued);
    assert_eq!(lane.push(message(2, "a", 0)), Pushed::Queued, "it would overtake");
    assert_eq!(lane.push(message(3, "b", 0)), Pushed::Folded(EnvelopeId(3)));
    assert_eq!(turn(&mut lane, 0), (vec![], vec![1]));
    assert_eq!(lane.push(message(4, "a", 0)), Pushed::Folded(EnvelopeId(2)));
    assert_eq!(turn(&mut lane, 9_000), (vec![2], vec![4]));
    assert_eq!(turn(&mut lane, 9_000), (vec![], vec![3]));
    assert_eq!(lane.next(Timestamp(9_000)), Next::Idle);
}

fn lane(mode: Mode, cap: usize, drop: DropPolicy) -> Lane {
    Lane::new(LaneSettings { mode, cap, drop, patience: Duration::ZERO, ..LaneSettings::default() })
}

fn ids(messages: &[Waiting]) -> Vec<u64> {
    messages.iter().map(|message| message.id.0).collect()
}

/// The folded and full ids of the next batch, which has to start now.
fn turn(lane: &mut Lane, now: i64) -> (Vec<u64>, Vec<u64>) {
    match lane.next(Timestamp(now)) {
        Next::Turn(batch) => (ids(&batch.folded), ids(&batch.members)),
        other => panic!("no turn: {other:?}"),
    }
}

#[test]
fn followup_takes_one_message_at_a_time_without_waiting() {
    let mut lane = lane(Mode::Followup, 20, DropPolicy::Summarize);
    for (id, target) in [(1, "a"), (2, "b"), (3, "a")] {
        assert_eq!(lane.push(message(id, target, 0)), Pushed::Queued);
    }
    for id in 1..=3 {
        assert_eq!(turn(&mut lane, 0), (vec![], vec![id]));
    }
    assert_eq!(lane.next(Timestamp(0)), Next::Idle);
}

#[test]
fn collect_waits_for_quiet_and_merges_one_destination() {
    let mut lane = lane(Mode::Collect, 20, DropPolicy::Summarize);
    for (id, target, at) in [(1, "a", 0), (2, "b", 100), (3, "a", 300)] {
        assert_eq!(lane.push(message(id, target, at)), Pushed::Queued);
    }
    assert_eq!(lane.next(Timestamp(400)), Next::WaitUntil(Timestamp(600)));
    assert_eq!(turn(&mut lane, 600), (vec![], vec![2]));
    assert_eq!(lane.next(Timestamp(600)), Next::WaitUntil(Timestamp(800)));
    assert_eq!(turn(&mut lane, 800), (vec![], vec![1, 3]));
    assert_eq!(lane.next(Timestamp(800)), Next::Idle);
}

#[test]
fn someone_who_never_pauses_is_answered_all_the_same() {
    let mut lane = lane(Mode::Collect, 20, DropPolicy::Summarize);
    for id in 0..13 {
        let at = i64::try_from(id).unwrap() * 400;
        assert_eq!(lane.push(message(id, "a", at)), Pushed::Queued);
    }
    assert_eq!(lane.next(Timestamp(4_900)), Next::WaitUntil(Timestamp(5_000)));
    assert_eq!(turn(&mut lane, 5_000).1.len(), 13);
}

#[test]
fn a_clock_that_steps_back_costs_one_quiet_window_only() {
    let mut lane = lane(Mode::Collect, 20, DropPolicy::Summarize);
    for id in 1..=2 {
        assert_eq!(lane.push(message(id, "a", 3_600_000)), Pushed::Queued);
    }
    assert_eq!(lane.next(Timestamp(0)), Next::WaitUntil(Timestamp(500)));
    assert_eq!(turn(&mut lane, 500).1, [1, 2]);
}

#[test]
fn overflow_gives_way_as_the_policy_says() {
    let full = |drop| {
        let mut lane = lane(Mode::Followup, 2, drop);
        for id in 1..=2 {
            assert_eq!(lane.push(message(id, "a", 0)), Pushed::Queued);
        }
        let pushed = lane.push(message(3, "a", 0));
        (lane, pushed)
    };
    let (mut lane, pushed) = full(DropPolicy::Summarize);
    assert_eq!(pushed, Pushed::Folded(EnvelopeId(1)));
    assert_eq!(turn(&mut lane, 0), (vec![1], vec![2]));
    assert_eq!(turn(&mut lane, 0), (vec![], vec![3]));

    let (mut lane, pushed) = full(DropPolicy::Old);
    assert_eq!(pushed, Pushed::Dropped(message(1, "a", 0)));
    assert_eq!(turn(&mut lane, 0).1, [2]);

    let (mut lane, pushed) = full(DropPolicy::New);
    assert_eq!(pushed, Pushed::Dropped(message(3, "a", 0)));
    assert_eq!(lane.push(message(3, "a", 0)), Pushed::Duplicate);
    assert_eq!(turn(&mut lane, 0).1, [1]);
}

#[test]
fn a_burst_is_folded_only_when_it_becomes_a_backlog() {
    let settings = LaneSettings { cap: 2, ..LaneSettings::default() };
    let mut lane = Lane::new(settings);
    for id in 1..=5 {
        assert_eq!(lane.push(message(id, "a", 0)), Pushed::Queued);
    }
    assert_eq!(turn(&mut lane, 1000), (vec![], vec![1]));
    // Two seconds later the rest is a backlog: two stay in full, the others are folded.
    assert_eq!(turn(&mut lane, 2000), (vec![2, 3], vec![4]));
    assert_eq!(turn(&mut lane, 2000), (vec![], vec![5]));
}

#[test]
fn a_destination_that_has_overflowed_as_a_whole_is_still_answered() {
    let mut lane = lane(Mode::Followup, 1, DropPolicy::Summarize);
    for (id, target) in [(1, "a"), (2, "a"), (3, "b")] {
        assert_ne!(lane.push(message(id, target, 0)), Pushed::Duplicate);
    }
    assert_eq!(turn(&mut lane, 0), (vec![1], vec![2]));
    assert_eq!(turn(&mut lane, 0), (vec![], vec![3]));
    assert_eq!(lane.next(Timestamp(0)), Next::Idle);
}

#[test]
fn folding_has_a_limit_too_and_what_exceeds_it_is_reported() {
    let mut lane = lane(Mode::Followup, 1, DropPolicy::Summarize);
    let flood = u64::try_from(FOLDED_MAX).unwrap() + 3;
    let dropped: Vec<u64> = (0..flood)
        .filter_map(|id| match lane.push(message(id, "a", 0)) {
            Pushed::Dropped(oldest) => Some(oldest.id.0),
            _ => None,
        })
        .collect();
    assert_eq!(dropped, [0, 1]);
    assert_eq!(turn(&mut lane, 0).0.len(), FOLDED_MAX);
}

#[test]
fn a_repeated_push_does_nothing_even_after_the_message_has_left() {
    let mut lane = lane(Mode::Followup, 20, DropPolicy::Summarize);
    assert_eq!(lane.push(message(1, "a", 0)), Pushed::Queued);
    assert_eq!(lane.push(message(1, "a", 0)), Pushed::Duplicate);
    assert_eq!(turn(&mut lane, 0).1, [1]);
    assert_eq!(lane.push(message(1, "a", 0)), Pushed::Duplicate);
    lane.mark_left(EnvelopeId(2));
    assert_eq!(lane.push(message(2, "a", 0)), Pushed::Duplicate);
    assert!(lane.is_empty());
}

#[derive(Debug, Clone)]
enum Step {
    Push { id: u64, target: usize },
    Take,
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u64..60, 0_usize..3).prop_map(|(id, target)| Step::Push { id, target }),
        2 => Just(Step::Take),
        1 => (-700_i64..1_500).prop_map(Step::Pass),
    ]
}

/// What has happened to every message so far.
#[derive(Default)]
struct Ledger {
    pushed: BTreeSet<u64>,
    left: BTreeSet<u64>,
    /// Order of arrival, and the last that left in a batch, per destination.
    arrival: BTreeMap<u64, usize>,
    last: BTreeMap<Destination, usize>,
}

impl Ledger {
    fn push(&mut self, lane: &mut Lane, new: Waiting) -> Result<(), TestCaseError> {
        let id = new.id.0;
        let known = !self.pushed.insert(id);
        let pushed = lane.push(new);
        prop_assert_eq!(pushed == Pushed::Duplicate, known);
        let order = self.arrival.len();
        self.arrival.entry(id).or_insert(order);
        if let Pushed::Dropped(dropped) = pushed {
            prop_assert!(self.left.insert(dropped.id.0), "dropped twice");
        }
        Ok(())
    }

    fn take(&mut self, batch: &Batch, mode: Mode) -> Result<(), TestCaseError> {
        prop_assert!(!batch.members.is_empty());
        prop_assert!(mode == Mode::Collect || batch.members.len() == 1);
        for message in batch.folded.iter().chain(&batch.members) {
            prop_assert_eq!(&message.reply_to, &batch.reply_to);
            prop_assert!(self.left.insert(message.id.0), "left twice");
            let order = self.arrival[&message.id.0];
            let last = self.last.insert(batch.reply_to.clone(), order);
            prop_assert!(last.is_none_or(|last| last < order), "out of order");
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Order, exactly one way out, the cap, and no hang: whatever is pushed, the lane runs empty.
    #[test]
    fn d2_d4_everything_pushed_leaves_once_and_in_order(
        steps in prop::collection::vec(step(), 0..120),
        mode in prop::sample::select(vec![Mode::Followup, Mode::Collect]),
        drop in prop::sample::select(vec![DropPolicy::Summarize, DropPolicy::Old, DropPolicy::New]),
        cap in 0_usize..6,
    ) {
        let mut lane = lane(mode, cap, drop);
        let mut ledger = Ledger::default();
        let mut now = Timestamp(100_000);
        for step in steps {
            match step {
                Step::Push { id, target } => {
                    let target = ["a", "b", "c"][target];
                    ledger.push(&mut lane, message(id, target, now.0))?;
                }
                Step::Take => match lane.next(now) {
                    Next::Turn(batch) => ledger.take(&batch, mode)?,
                    Next::WaitUntil(at) => prop_assert!(at > now),
                    Next::Idle => prop_assert!(lane.is_empty()),
                },
                Step::Pass(millis) => now = Timestamp(now.0 + millis),
            }
            prop_assert!(lane.waiting.len() <= cap.max(1));
        }
        while !lane.is_empty() {
            match lane.next(now) {
                Next::Turn(batch) => ledger.take(&batch, mode)?,
                Next::WaitUntil(at) => {
                    prop_assert!(at > now && at.since(now) <= QUIET_DEFAULT);
                    now = at;
                }
                Next::Idle => prop_assert!(false, "idle, but not empty"),
            }
        }
        prop_assert_eq!(lane.next(now), Next::Idle);
        prop_assert_eq!(ledger.left, ledger.pushed);
    }
}
