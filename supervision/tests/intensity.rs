//! What happens when restarts do not help.

mod support;

use std::time::Duration;

use support::{MINUTE, Order, SECOND, Stage, event, event_names, node, pass, start};
use telson_supervision::{
    Backoff, Event, EventKind, NodeState, Shutdown, Strategy, SupervisorSpec,
};
use tokio::sync::broadcast::Receiver;
use tokio::time::Instant;

const PAUSE: Duration = Duration::from_secs(30);

fn is_tripped(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Tripped(_))
}

/// A root with a half-open branch of one bad child, between two good neighbours.
fn with_neighbours(stage: &Stage, branch: SupervisorSpec) -> SupervisorSpec {
    stage
        .branch("root", Strategy::OneForAll, 0)
        .child(stage.worker("left"))
        .child(branch.child(stage.worker("bad")).into_child("branch", Shutdown::DEFAULT))
        .child(stage.worker("right"))
}

async fn fail_and_settle(stage: &Stage, id: &str) {
    stage.order(id, Order::Fail);
    pass(SECOND).await;
}

// V1: a budget of 2 restarts, under a parent with a budget of 1: twice three lives, then the end.
#[tokio::test(start_paused = true)]
async fn spent_budgets_escalate_to_the_root_and_end_there() {
    let stage = Stage::new();
    let branch = stage.branch("root/branch", Strategy::OneForOne, 2).child(stage.worker("bad"));
    let root = stage.branch("root", Strategy::OneForOne, 1);
    let root =
        root.child(stage.worker("good")).child(branch.into_child("branch", Shutdown::DEFAULT));
    let tree = start(root).await;
    let mut events = tree.events();
    for life in 1..=6 {
        assert_eq!(stage.count("+bad"), life);
        assert_eq!(stage.count("-good"), 0);
        fail_and_settle(&stage, "bad").await;
    }
    tree.ended().await;
    assert_eq!(stage.count("+bad"), 6);
    assert_eq!((stage.count("+good"), stage.count("-good")), (1, 1), "stopped in order");
    let escalations: Vec<String> =
        event_names(&mut events).into_iter().filter(|event| event.ends_with("Escalated")).collect();
    assert_eq!(escalations, ["root/branch Escalated", "root/branch Escalated", "root Escalated"]);
}

// V1: a child that refuses to start again never makes a busy loop, with no pause at all either.
#[tokio::test(start_paused = true)]
async fn restarts_without_end_are_counted_and_given_up() {
    let stage = Stage::new();
    let branch = stage.branch("root", Strategy::OneForAll, 50);
    let tree = start(branch.child(stage.worker("good")).child(stage.worker("bad"))).await;
    stage.refuse_starts("bad", u32::MAX);
    let begin = Instant::now();
    stage.order("bad", Order::Fail);
    tree.ended().await;
    assert_eq!(stage.count("!bad"), 50);
    assert!(begin.elapsed() < SECOND, "nothing to wait for");
}

#[tokio::test(start_paused = true)]
async fn failures_far_apart_never_spend_the_budget() {
    let stage = Stage::new();
    let branch = stage.branch("root", Strategy::OneForOne, 1).child(stage.worker("a"));
    let _tree = start(branch).await;
    for life in 1..=20 {
        assert_eq!(stage.count("+a"), life);
        stage.order("a", Order::Fail);
        pass(MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_until_the_child_has_run_for_long_enough() {
    let stage = Stage::new();
    let mut branch = stage.branch("root", Strategy::OneForOne, 100).child(stage.worker("a"));
    branch.backoff = Backoff::new(SECOND, 5 * SECOND, 0.0);
    let tree = start(branch).await;
    let mut events = tree.events();
    let mut pauses = Vec::new();
    for run in [0, 0, 0, 0, 29, 30] {
        pass(Duration::from_secs(run)).await;
        stage.order("a", Order::Fail);
        pauses.push(next_pause(&mut events).await.as_secs());
        event(&mut events, "root/a", |kind| *kind == EventKind::Started).await;
    }
    assert_eq!(pauses, [1, 2, 4, 5, 5, 1]);
}

async fn next_pause(events: &mut Receiver<Event>) -> Duration {
    match event(events, "root/a", |kind| matches!(kind, EventKind::Restarting(_))).await {
        EventKind::Restarting(pause) => pause,
        other => unreachable!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_half_open_branch_rests_while_its_neighbours_go_on() {
    let stage = Stage::new();
    let root = with_neighbours(&stage, stage.half_open("root/branch", 1, PAUSE));
    let tree = start(root).await;
    let mut events = tree.events();
    stage.take_log();
    fail_and_settle(&stage, "bad").await;
    fail_and_settle(&stage, "bad").await;
    assert_eq!(stage.take_log(), ["+bad"], "one restart, then no more");
    assert_eq!(event(&mut events, "root/branch", is_tripped).await, EventKind::Tripped(PAUSE));
    let snapshot = tree.snapshot();
    assert_eq!(node(&snapshot, "branch/bad").state, NodeState::Tripped);
    assert_eq!(node(&snapshot, "branch/bad").last_error.as_deref(), Some("boom"));
    assert!(stage.via("bad").cast(Order::Work(0)).is_err());
    stage.order("left", Order::Work(1));
    stage.order("right", Order::Work(1));
    pass(PAUSE * 9 / 10).await;
    assert_eq!(stage.take_log(), ["left1", "right1"]);
    pass(PAUSE / 10).await;
    assert_eq!(stage.take_log(), ["+bad"], "tried again, alone");
    assert_eq!(node(&tree.snapshot(), "branch/bad").state, NodeState::Running);
}

// V1: on probation a single failure is enough; after a window without one the budget is whole.
#[tokio::test(start_paused = true)]
async fn probation_ends_with_one_failure_or_with_the_window() {
    let stage = Stage::new();
    let root = with_neighbours(&stage, stage.half_open("root/branch", 2, PAUSE));
    let tree = start(root).await;
    let mut events = tree.events();
    for _ in 0..3 {
        fail_and_settle(&stage, "bad").await;
    }
    event(&mut events, "root/branch", is_tripped).await;
    pass(PAUSE).await;
    assert_eq!(stage.count("+bad"), 4);
    fail_and_settle(&stage, "bad").await;
    event(&mut events, "root/branch", is_tripped).await;
    assert_eq!(stage.count("+bad"), 4, "no second chance inside the window");
    pass(PAUSE + MINUTE).await;
    assert_eq!(stage.count("+bad"), 5);
    for life in 6..=7 {
        fail_and_settle(&stage, "bad").await;
        assert_eq!(stage.count("+bad"), life);
    }
    fail_and_settle(&stage, "bad").await;
    event(&mut events, "root/branch", is_tripped).await;
}

// V1: the tries of a day are as many as the pauses of a day.
#[tokio::test(start_paused = true)]
async fn a_branch_that_cannot_start_is_tried_once_per_pause() {
    let stage = Stage::new();
    stage.refuse_starts("bad", u32::MAX);
    let root = with_neighbours(&stage, stage.half_open("root/branch", 3, PAUSE));
    let tree = start(root).await;
    assert_eq!(stage.take_log(), ["+left", "!bad", "+right"], "the neighbours start all the same");
    assert_eq!(node(&tree.snapshot(), "branch/bad").state, NodeState::Tripped);
    pass(Duration::from_hours(24) + SECOND).await;
    assert_eq!(stage.count("!bad"), 24 * 60 * 2);
    stage.refuse_starts("bad", 0);
    pass(PAUSE).await;
    assert_eq!(stage.count("+bad"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pause_starts_every_child_that_the_branch_has() {
    let stage = Stage::new();
    let branch = stage.half_open("root", 0, PAUSE);
    let branch = branch.child(stage.worker("a")).child(stage.worker("b")).child(stage.worker("c"));
    let _tree = start(branch).await;
    stage.take_log();
    fail_and_settle(&stage, "b").await;
    stage.refuse_starts("b", 1);
    pass(PAUSE).await;
    assert_eq!(stage.take_log(), ["-c", "-a", "+a", "!b", "-a"]);
    pass(PAUSE).await;
    assert_eq!(stage.take_log(), ["+a", "+b", "+c"]);
}
