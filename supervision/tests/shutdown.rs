//! Stopping: the order, and the time it may take.

mod support;

use std::time::Duration;

use support::{Order, SECOND, Stage, event_names, node, pass, start};
use telson_supervision::{NodeState, Shutdown, StopOutcome, Strategy, Tree, stop, task};
use tokio::time::Instant;

const TIMES: Shutdown = Shutdown { drain: Duration::from_secs(10), stop: Duration::from_secs(2) };
const AMPLE: Duration = Duration::from_mins(5);

/// A tree of one worker `a` with these times.
async fn one_worker(stage: &Stage, shutdown: Shutdown) -> Tree {
    let worker = stage.worker("a").shutdown(shutdown);
    let root = stage.branch("root", Strategy::OneForOne, 0).child(worker);
    let tree = start(root).await;
    stage.take_log();
    tree
}

async fn time_to_stop(tree: &Tree) -> Duration {
    let begin = Instant::now();
    assert_eq!(tree.shutdown(AMPLE).await, StopOutcome::Drained);
    begin.elapsed()
}

// V2: across branches too, stop order is the reverse of start order.
#[tokio::test(start_paused = true)]
async fn the_tree_stops_in_reverse_start_order() {
    let stage = Stage::new();
    let inner = stage.branch("root/inner", Strategy::OneForOne, 0);
    let inner = inner.child(stage.worker("b")).child(stage.worker("c"));
    let root = stage.branch("root", Strategy::OneForOne, 0);
    let root = root
        .child(stage.worker("a"))
        .child(inner.into_child("inner", TIMES))
        .child(stage.worker("d"));
    let tree = start(root).await;
    let mut events = tree.events();
    assert_eq!(tree.shutdown(AMPLE).await, StopOutcome::Drained);
    assert_eq!(stage.take_log(), ["+a", "+b", "+c", "+d", "-d", "-c", "-b", "-a"]);
    let stopped = ["root/d", "root/inner/c", "root/inner/b", "root/inner", "root/a"];
    assert_eq!(event_names(&mut events), stopped.map(|path| format!("{path} Stopped")));
    assert_eq!(node(&tree.snapshot(), "a").state, NodeState::Stopped);
    tree.ended().await;
}

// V2: who drains in time finishes its queue.
#[tokio::test(start_paused = true)]
async fn a_queue_is_finished_within_the_drain_time() {
    let stage = Stage::new();
    let tree = one_worker(&stage, TIMES).await;
    for number in 1..=9 {
        stage.order("a", Order::Slow(SECOND, number));
    }
    assert_eq!(time_to_stop(&tree).await, 9 * SECOND);
    assert_eq!(stage.take_log(), ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "-a"]);
}

// V2: who does not is stopped between two messages.
#[tokio::test(start_paused = true)]
async fn a_queue_that_is_too_long_is_cut_off() {
    let stage = Stage::new();
    let tree = one_worker(&stage, TIMES).await;
    for number in 1..=9 {
        stage.order("a", Order::Slow(4 * SECOND, number));
    }
    assert_eq!(time_to_stop(&tree).await, TIMES.drain + TIMES.stop);
    assert_eq!(stage.take_log(), ["a1", "a2", "a3", "-a"]);
}

// V2: who does not come back at all is killed.
#[tokio::test(start_paused = true)]
async fn a_hanging_child_is_killed_in_its_time() {
    let stage = Stage::new();
    let tree = one_worker(&stage, TIMES).await;
    stage.order("a", Order::Hang);
    stage.order("a", Order::Work(1));
    assert_eq!(time_to_stop(&tree).await, TIMES.drain + TIMES.stop);
    assert_eq!(stage.take_log(), [""; 0], "a killed actor does nothing more");
    assert!(stage.via("a").whereis().is_none());
}

// V2: a hanging child costs its own time, and those started before it still stop in order.
#[tokio::test(start_paused = true)]
async fn a_hanging_child_does_not_take_its_elders_along() {
    let stage = Stage::new();
    let root = stage.branch("root", Strategy::OneForOne, 0);
    let root = root.child(stage.worker("a")).child(stage.worker("b").shutdown(TIMES));
    let tree = start(root).await;
    stage.take_log();
    stage.order("b", Order::Hang);
    stage.order("a", Order::Slow(15 * SECOND, 1));
    assert_eq!(time_to_stop(&tree).await, 15 * SECOND, "12 for b, while a was at work");
    assert_eq!(stage.take_log(), ["a1", "-a"]);
}

// V2: beyond the deadline of the whole nothing is left alive, at whatever depth it drains.
#[tokio::test(start_paused = true)]
async fn the_deadline_of_the_whole_is_kept() {
    let stage = Stage::new();
    let slow = Shutdown { drain: AMPLE, stop: AMPLE };
    let inner = stage.branch("root/inner", Strategy::OneForOne, 0);
    let inner = inner.child(stage.worker("elder")).child(stage.worker("a").shutdown(slow));
    let root = stage.branch("root", Strategy::OneForOne, 0).child(inner.into_child("inner", slow));
    let tree = start(root).await;
    stage.take_log();
    stage.order("a", Order::Slow(2 * AMPLE, 1));
    let begin = Instant::now();
    assert_eq!(tree.shutdown(3 * SECOND).await, StopOutcome::Killed);
    assert_eq!(begin.elapsed(), 4 * SECOND);
    assert_eq!(node(&tree.snapshot(), "inner/a").state, NodeState::Stopped);
    assert!(stage.via("a").whereis().is_none());
    pass(3 * AMPLE).await;
    assert_eq!(stage.take_log(), [""; 0], "nobody works on without a parent");
}

#[tokio::test(start_paused = true)]
async fn a_child_that_is_on_its_way_out_keeps_its_stop_time() {
    let stage = Stage::new();
    let tree = one_worker(&stage, Shutdown { drain: Duration::ZERO, ..TIMES }).await;
    stage.stop_slowly("a", SECOND);
    stage.order("a", Order::Stop);
    tokio::task::yield_now().await;
    assert_eq!(time_to_stop(&tree).await, SECOND);
    assert_eq!(stage.take_log(), ["-a"]);
}

#[tokio::test(start_paused = true)]
async fn the_outcome_tells_how_it_ended() {
    let stage = Stage::new();
    let immediate = Shutdown { drain: Duration::ZERO, stop: SECOND };
    for (order, shutdown, outcome) in [
        (Order::Work(1), TIMES, StopOutcome::Drained),
        (Order::Work(1), immediate, StopOutcome::Stopped),
        (Order::Hang, immediate, StopOutcome::Killed),
        (Order::Hang, TIMES, StopOutcome::Killed),
    ] {
        let _tree = one_worker(&stage, TIMES).await;
        stage.order("a", order);
        tokio::task::yield_now().await;
        let cell = stage.via("a").whereis().unwrap().get_cell();
        assert_eq!(stop(&cell, shutdown).await, outcome, "{order:?} {shutdown:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tree_that_cannot_start_leaves_nothing_behind() {
    let stage = Stage::new();
    stage.refuse_starts("c", 1);
    let inner = stage.branch("root/inner", Strategy::OneForOne, 5);
    let inner = inner.child(stage.worker("b")).child(stage.worker("c"));
    let root = stage.branch("root", Strategy::OneForOne, 5);
    let root = root.child(stage.worker("a")).child(inner.into_child("inner", TIMES));
    let error = Tree::start(root).await.unwrap_err().to_string();
    let chain = "failed to start root/inner: failed to start root/inner/c: refused to start";
    assert!(error.contains(chain), "{error}");
    assert_eq!(stage.take_log(), ["+a", "+b", "!c", "-b", "-a"]);
}

// V2: a task has no queue to finish; it ends with its parent.
#[tokio::test(start_paused = true)]
async fn a_task_ends_with_its_parent() {
    let stage = Stage::new();
    let tree = one_worker(&stage, TIMES).await;
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    let parent = stage.via("a").whereis().unwrap().get_cell();
    let work = async move {
        std::future::pending::<()>().await;
        drop(sender);
    };
    task::spawn(parent, work).await.unwrap();
    assert!(tree.kill("a"));
    assert!(receiver.await.is_err(), "cancelled, and what it held is dropped");
}
