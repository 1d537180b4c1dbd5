//! Children by key: one life at a time, and no message lost between two of them.

mod support;

use std::time::Duration;

use support::keyed::{Ledger, Letter, Pool, pool, send, start};
use support::{MINUTE, SECOND, Stage, event, event_names, node, pass};
use telson_supervision::dynamic::DynamicMessage;
use telson_supervision::{EventKind, NodeKind, StopOutcome, Tree};
use tokio::task::JoinSet;
use tokio::time::Instant;

const KEYS: usize = 40;
const SENDERS: usize = 5;
const ROUNDS: usize = 50;

async fn small_world() -> (Stage, Ledger, Tree, Pool) {
    let (stage, ledger) = (Stage::new(), Ledger::default());
    let (tree, pool) = start(&stage, pool(&stage, &ledger)).await;
    (stage, ledger, tree, pool)
}

/// Every sender sends its numbers to every key, in order; now and then it tells the child to leave.
async fn race(tree: &Tree, pool: &Pool, ledger: &Ledger) {
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let pool = pool.clone();
        senders.spawn(async move {
            for round in 0..ROUNDS {
                for key in 0..KEYS {
                    let number = sender * ROUNDS + round;
                    let letter = match (round + key + sender) % 7 {
                        0 => Letter::LastNumber(number),
                        _ => Letter::Number(number),
                    };
                    send(&pool, key, letter);
                    if (round * sender + key).is_multiple_of(3) {
                        tokio::task::yield_now().await;
                    }
                }
            }
        });
    }
    senders.join_all().await;
    ledger.total(KEYS * SENDERS * ROUNDS).await;
    // Whatever else there is comes out as well.
    tree.shutdown(MINUTE).await;
}

/// Exactly once, and in the order of each sender.
fn assert_nothing_lost(ledger: &Ledger) {
    for key in 0..KEYS {
        let numbers = ledger.numbers(key);
        assert_eq!(numbers.len(), SENDERS * ROUNDS, "key {key}");
        for sender in 0..SENDERS {
            let range = sender * ROUNDS..(sender + 1) * ROUNDS;
            let got: Vec<usize> = numbers.iter().copied().filter(|n| range.contains(n)).collect();
            assert_eq!(got, range.collect::<Vec<_>>(), "key {key}, sender {sender}");
        }
    }
}

// S1: at most one child is alive per key; passivation by drain loses and doubles nothing.
#[tokio::test(start_paused = true)]
async fn racing_messages_meet_one_life_at_a_time() {
    let (_stage, ledger, tree, pool) = small_world().await;
    race(&tree, &pool, &ledger).await;
    assert_nothing_lost(&ledger);
    assert_eq!(ledger.most_alive_per_key(), 1);
    assert!((0..KEYS).all(|key| ledger.lives(key) > 5), "there was something to race with");
}

// S1 on several threads, where a child can really end while a message is on its way.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_messages_meet_one_life_at_a_time_on_threads() {
    let (_stage, ledger, tree, pool) = small_world().await;
    race(&tree, &pool, &ledger).await;
    assert_nothing_lost(&ledger);
    assert_eq!(ledger.most_alive_per_key(), 1);
}

// S1: a supervisor that is killed leaves no child behind, not even one that drains.
#[tokio::test(start_paused = true)]
async fn lives_do_not_overlap_across_a_kill_of_their_supervisor() {
    let (_stage, ledger, tree, pool) = small_world().await;
    send(&pool, 1, Letter::Leave);
    send(&pool, 2, Letter::SlowNumber(MINUTE, 20));
    send(&pool, 2, Letter::Leave);
    send(&pool, 3, Letter::Leave);
    send(&pool, 3, Letter::SlowNumber(MINUTE, 30));
    pass(SECOND).await;
    send(&pool, 4, Letter::SlowNumber(MINUTE, 40));
    pass(SECOND).await;
    assert!(tree.kill("pool"));
    pass(SECOND).await;
    assert_eq!(ledger.alive(), 0);
    for key in 1..=4 {
        send(&pool, key, Letter::Number(100));
    }
    pass(2 * MINUTE).await;
    for key in 1..=4 {
        assert_eq!(ledger.numbers(key), [100]);
    }
    assert_eq!(ledger.most_alive_per_key(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_leaves_is_forgotten_until_it_is_needed() {
    let (_stage, ledger, tree, pool) = small_world().await;
    send(&pool, 1, Letter::LastNumber(10));
    pass(SECOND).await;
    let snapshot = tree.snapshot();
    let branch = node(&snapshot, "pool");
    assert_eq!((branch.kind, branch.live), (NodeKind::Dynamic, Some(0)));
    assert_eq!((ledger.lives(1), ledger.stopped()), (1, 1), "it does not come back by itself");
    send(&pool, 1, Letter::Number(11));
    pass(SECOND).await;
    assert_eq!((ledger.lives(1), ledger.numbers(1)), (2, vec![10, 11]));
    assert_eq!(node(&tree.snapshot(), "pool").live, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_crash_restarts_its_key_only() {
    let (stage, ledger, tree, pool) = small_world().await;
    let mut events = tree.events();
    send(&pool, 1, Letter::Number(10));
    send(&pool, 2, Letter::Number(20));
    send(&pool, 1, Letter::Fail);
    pass(SECOND).await;
    assert_eq!((ledger.lives(1), ledger.lives(2)), (2, 1), "without waiting for a message");
    assert_eq!(event_names(&mut events), ["root/pool/1 Exited", "root/pool/1 Restarting"]);
    pool.cast(DynamicMessage::Kill(2)).unwrap();
    pool.cast(DynamicMessage::Kill(3)).unwrap();
    pass(SECOND).await;
    assert_eq!((ledger.lives(1), ledger.lives(2), ledger.lives(3)), (2, 2, 0));
    send(&pool, 1, Letter::Number(11));
    send(&pool, 2, Letter::Number(21));
    pass(SECOND).await;
    assert_eq!((ledger.numbers(1), ledger.numbers(2)), (vec![10, 11], vec![20, 21]));
    assert_eq!(stage.registry.via::<()>("root/pool/1").whereis().map(|_| ()), None);
}

// V1: a key whose budget is spent rests; what is sent to it meanwhile waits.
#[tokio::test(start_paused = true)]
async fn a_key_that_keeps_crashing_rests() {
    let (stage, ledger) = (Stage::new(), Ledger::default());
    let mut spec = pool(&stage, &ledger);
    spec.restarts_max = 2;
    spec.rest = 10 * SECOND;
    let (tree, pool) = start(&stage, spec).await;
    let mut events = tree.events();
    for life in 1..=3 {
        send(&pool, 1, Letter::Fail);
        pass(SECOND).await;
        assert_eq!(ledger.lives(1), if life == 3 { 3 } else { life + 1 });
    }
    let tripped = |kind: &EventKind| matches!(kind, EventKind::Tripped(_));
    event(&mut events, "root/pool/1", tripped).await;
    send(&pool, 1, Letter::Number(10));
    send(&pool, 2, Letter::Number(20));
    pass(8 * SECOND).await;
    assert_eq!((ledger.lives(1), ledger.numbers(2)), (3, vec![20]));
    pass(2 * SECOND).await;
    assert_eq!((ledger.lives(1), ledger.numbers(1)), (4, vec![10]));
}

// A renewal is no crash: however often it is asked for, nobody waits and nothing is counted.
#[tokio::test(start_paused = true)]
async fn a_key_is_renewed_without_a_pause_as_often_as_it_is_asked_for() {
    let (_stage, ledger, tree, pool) = small_world().await;
    let mut events = tree.events();
    let begin = Instant::now();
    send(&pool, 1, Letter::Number(0));
    for life in 1..=20 {
        ledger.total(life).await;
        pool.cast(DynamicMessage::Renew(1)).unwrap();
        send(&pool, 1, Letter::Number(life));
    }
    ledger.total(21).await;
    assert_eq!(begin.elapsed(), Duration::ZERO);
    assert_eq!((ledger.lives(1), ledger.numbers(1)), (21, (0..=20).collect()));
    assert_eq!((ledger.most_alive_per_key(), ledger.stopped()), (1, 20));
    assert_eq!(event_names(&mut events), [""; 0]);
    pool.cast(DynamicMessage::Renew(2)).unwrap();
    pass(SECOND).await;
    assert_eq!(ledger.lives(2), 0, "who has nothing to forget is not begun");
    // Crashes count as before.
    send(&pool, 1, Letter::Fail);
    pass(SECOND).await;
    assert_eq!(event_names(&mut events), ["root/pool/1 Exited", "root/pool/1 Restarting"]);
    assert_eq!(tree.shutdown(MINUTE).await, StopOutcome::Drained);
}

// The message it is at is the last one of the old life, and the next life begins also if it never ends.
#[tokio::test(start_paused = true)]
async fn a_renewed_child_ends_behind_its_message_or_in_its_time() {
    let (_stage, ledger, tree, pool) = small_world().await;
    let mut events = tree.events();
    send(&pool, 1, Letter::SlowNumber(SECOND / 2, 10));
    send(&pool, 1, Letter::Number(11));
    send(&pool, 2, Letter::Hang);
    send(&pool, 3, Letter::Number(30));
    pass(SECOND / 10).await;
    pool.cast(DynamicMessage::Renew(3)).unwrap();
    for key in [1, 2] {
        pool.cast(DynamicMessage::Renew(key)).unwrap();
        pool.cast(DynamicMessage::Renew(key)).unwrap();
        send(&pool, key, Letter::Number(20));
    }
    pass(SECOND).await;
    assert_eq!(ledger.numbers(1), [10, 20], "what was in its mailbox is gone, as after a crash");
    pass(SECOND).await;
    assert_eq!(ledger.numbers(2), [20]);
    assert_eq!((ledger.lives(1), ledger.lives(2), ledger.most_alive_per_key()), (2, 2, 1));
    assert_eq!(ledger.lives(3), 2, "its durable messages may wait for another life");
    assert_eq!(event_names(&mut events), [""; 0], "none of it was a crash");
}

// V1: nor does a key spin whose child refuses to start.
#[tokio::test(start_paused = true)]
async fn a_key_that_cannot_start_is_tried_in_bounds_and_its_messages_wait() {
    let (_stage, ledger, tree, pool) = small_world().await;
    let mut events = tree.events();
    ledger.refuse_starts(8);
    send(&pool, 1, Letter::Number(10));
    send(&pool, 1, Letter::Number(11));
    pass(SECOND).await;
    let tries = event_names(&mut events).iter().filter(|name| name.ends_with("Exited")).count();
    assert_eq!(tries, 6, "the first and a budget of five");
    pass(2 * MINUTE).await;
    assert_eq!((ledger.lives(1), ledger.numbers(1)), (1, vec![10, 11]));
}

// V2: ten thousand children stop side by side.
#[tokio::test(start_paused = true)]
async fn ten_thousand_children_stop_in_their_time() {
    let (_stage, ledger, tree, pool) = small_world().await;
    for key in 0..10_000 {
        send(&pool, key, Letter::SlowNumber(9 * SECOND, 1));
    }
    pass(SECOND).await;
    assert_eq!(ledger.alive(), 10_000);
    let begin = Instant::now();
    assert_eq!(tree.shutdown(MINUTE).await, StopOutcome::Drained);
    assert_eq!(begin.elapsed(), 8 * SECOND);
    assert_eq!((ledger.alive(), ledger.stopped()), (0, 10_000));
}

// V2: children that hang cost one stop time, however many they are.
#[tokio::test(start_paused = true)]
async fn hanging_children_are_killed_side_by_side() {
    let (_stage, ledger, tree, pool) = small_world().await;
    for key in 0..1_000 {
        send(&pool, key, if key % 2 == 0 { Letter::Hang } else { Letter::Number(1) });
    }
    pass(SECOND).await;
    let begin = Instant::now();
    assert_eq!(tree.shutdown(MINUTE).await, StopOutcome::Drained);
    assert!(begin.elapsed() <= Duration::from_secs(10 + 1 + 1), "{:?}", begin.elapsed());
    assert_eq!((ledger.alive(), ledger.stopped()), (0, 500));
}
