//! The limits of a dynamic supervisor: places, and messages that wait.

mod support;

use support::keyed::{Ledger, Letter, Pool, pool, send, start};
use support::{MINUTE, SECOND, Stage, event, event_names, node, pass};
use telson_supervision::{EventKind, Tree};

/// A pool with room for `live_max` children.
async fn narrow(live_max: usize) -> (Ledger, Tree, Pool) {
    let (stage, ledger) = (Stage::new(), Ledger::default());
    let mut spec = pool(&stage, &ledger);
    spec.live_max = live_max;
    spec.backlog_max = 3;
    let (tree, pool) = start(&stage, spec).await;
    (ledger, tree, pool)
}

#[tokio::test(start_paused = true)]
async fn the_least_recently_used_child_makes_room() {
    let (ledger, tree, pool) = narrow(3).await;
    for key in [1, 2, 3, 1] {
        send(&pool, key, Letter::Number(10));
    }
    send(&pool, 4, Letter::Number(40));
    pass(SECOND).await;
    assert_eq!(ledger.asked(), [2]);
    assert_eq!(ledger.numbers(4), [40]);
    assert_eq!((ledger.alive(), ledger.most_alive()), (3, 3));
    assert_eq!(node(&tree.snapshot(), "pool").live, Some(3));
    send(&pool, 2, Letter::Number(11));
    pass(SECOND).await;
    assert_eq!((ledger.asked(), ledger.numbers(2)), (vec![2, 3], vec![10, 11]));
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_next_asks_another() {
    let (ledger, _tree, pool) = narrow(3).await;
    ledger.keep_places();
    for key in 1..=5 {
        send(&pool, key, Letter::Number(10));
    }
    send(&pool, 5, Letter::Number(11));
    pass(MINUTE).await;
    assert_eq!(ledger.asked(), [1, 2, 3], "nobody is asked twice while others were not");
    assert_eq!(ledger.alive(), 3);
    send(&pool, 2, Letter::Leave);
    pass(SECOND).await;
    assert_eq!((ledger.lives(4), ledger.lives(5)), (1, 0), "first come, first served");
    send(&pool, 4, Letter::Leave);
    pass(SECOND).await;
    assert_eq!((ledger.numbers(4), ledger.numbers(5)), (vec![10], vec![10, 11]));
}

#[tokio::test(start_paused = true)]
async fn a_key_gets_its_waiting_messages_together_and_in_order() {
    let (ledger, _tree, pool) = narrow(1).await;
    ledger.keep_places();
    send(&pool, 1, Letter::Number(10));
    for number in [20, 21, 22] {
        send(&pool, 2, Letter::Number(number));
    }
    pass(SECOND).await;
    send(&pool, 1, Letter::Leave);
    pass(SECOND).await;
    send(&pool, 2, Letter::Number(23));
    pass(SECOND).await;
    assert_eq!(ledger.numbers(2), [20, 21, 22, 23]);
    assert_eq!(ledger.most_alive(), 1);
}

#[tokio::test(start_paused = true)]
async fn everyone_gets_a_turn_in_a_pool_of_two() {
    let (ledger, _tree, pool) = narrow(2).await;
    for key in 0..500 {
        send(&pool, key, Letter::Number(1));
        send(&pool, key, Letter::Number(2));
    }
    pass(SECOND).await;
    assert!((0..500).all(|key| ledger.numbers(key) == [1, 2]));
    assert_eq!(ledger.most_alive(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_restart_does_not_exceed_the_limit() {
    let (ledger, _tree, pool) = narrow(2).await;
    ledger.keep_places();
    send(&pool, 1, Letter::Number(10));
    send(&pool, 2, Letter::Number(20));
    send(&pool, 3, Letter::Number(30));
    pass(SECOND).await;
    send(&pool, 1, Letter::Fail);
    pass(SECOND).await;
    assert_eq!((ledger.lives(1), ledger.lives(3)), (2, 0), "who restarts keeps its place");
    assert_eq!(ledger.most_alive(), 2);
    send(&pool, 1, Letter::Leave);
    pass(SECOND).await;
    assert_eq!(ledger.numbers(3), [30]);
}

#[tokio::test(start_paused = true)]
async fn a_place_taken_back_is_asked_for_elsewhere() {
    let (ledger, _tree, pool) = narrow(2).await;
    send(&pool, 1, Letter::SlowNumber(SECOND, 10));
    send(&pool, 2, Letter::SlowNumber(SECOND, 20));
    send(&pool, 3, Letter::Number(30));
    pass(SECOND / 2).await;
    // 1 drains for 3's sake, but is wanted again before it is gone.
    send(&pool, 1, Letter::SlowNumber(SECOND, 11));
    pass(SECOND).await;
    send(&pool, 1, Letter::Number(12));
    pass(MINUTE).await;
    assert_eq!((ledger.numbers(1), ledger.numbers(3)), (vec![10, 11, 12], vec![30]));
    assert_eq!(ledger.most_alive(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_full_backlog_drops_the_oldest_and_tells() {
    let (ledger, tree, pool) = narrow(1).await;
    let mut events = tree.events();
    ledger.refuse_starts(6);
    for number in 0..5 {
        send(&pool, 1, Letter::Number(number));
    }
    let dropped = |kind: &EventKind| *kind == EventKind::BacklogDropped(1);
    event(&mut events, "root/pool/1", dropped).await;
    event(&mut events, "root/pool/1", dropped).await;
    pass(MINUTE).await;
    assert_eq!(ledger.numbers(1), [2, 3, 4]);
    let names = event_names(&mut events);
    assert!(!names.iter().any(|name| name.ends_with("BacklogDropped")), "{names:?}");
}

// V2: what could not be handed to a child before the end is told, not hidden.
#[tokio::test(start_paused = true)]
async fn a_shutdown_tells_what_it_could_not_deliver() {
    let (ledger, tree, pool) = narrow(1).await;
    let mut events = tree.events();
    ledger.keep_places();
    send(&pool, 1, Letter::Number(10));
    send(&pool, 2, Letter::Number(20));
    send(&pool, 3, Letter::Number(30));
    tree.shutdown(MINUTE).await;
    assert_eq!((ledger.numbers(1), ledger.alive()), (vec![10], 0));
    let dropped = |kind: &EventKind| *kind == EventKind::BacklogDropped(2);
    event(&mut events, "root/pool", dropped).await;
}
