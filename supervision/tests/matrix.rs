//! Which children are restarted, in which order, after which end.

mod support;

use std::time::Duration;

use support::{MINUTE, Order, SECOND, Stage, event, pass, start};
use telson_supervision::{Backoff, EventKind, RestartPolicy, Strategy, Tree};

/// How child `b` ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Stops,
    Killed,
    Errs,
    Panics,
    ErrsAndRefusesToStart,
}

const ENDS: [End; 5] =
    [End::Stops, End::Killed, End::Errs, End::Panics, End::ErrsAndRefusesToStart];
const POLICIES: [RestartPolicy; 3] =
    [RestartPolicy::Permanent, RestartPolicy::Transient, RestartPolicy::Temporary];

impl End {
    fn bring_about(self, stage: &Stage, tree: &Tree) {
        match self {
            End::Stops => stage.order("b", Order::Stop),
            End::Killed => assert!(tree.kill("b")),
            End::Errs => stage.order("b", Order::Fail),
            End::Panics => stage.order("b", Order::Panic),
            End::ErrsAndRefusesToStart => {
                stage.refuse_starts("b", 1);
                stage.order("b", Order::Fail);
            }
        }
    }

    /// As events tell it.
    fn reason(self) -> &'static str {
        match self {
            End::Stops => "stopped",
            End::Killed => "killed",
            End::Errs | End::ErrsAndRefusesToStart => "boom",
            End::Panics => "bang",
        }
    }
}

/// Children a, b, c are started in this order, then b ends. `restart` is the log of a restart,
/// `second_try` that of one whose first try fails.
async fn check(strategy: Strategy, restart: &[&str], second_try: &[&str]) {
    for policy in POLICIES {
        for end in ENDS {
            let is_due = match policy {
                RestartPolicy::Permanent => true,
                RestartPolicy::Transient => end != End::Stops,
                RestartPolicy::Temporary => false,
            };
            let mut expected = Vec::new();
            if end == End::Stops {
                expected.push("-b");
            }
            if is_due {
                let refused = end == End::ErrsAndRefusesToStart;
                expected.extend(if refused { second_try } else { restart });
            }
            let (happened, reason) = what_happens(policy, end, strategy).await;
            assert_eq!(happened, expected, "{strategy:?}, {policy:?}, {end:?}");
            assert!(reason.contains(end.reason()), "{reason} for {end:?}");
        }
    }
}

async fn what_happens(
    policy: RestartPolicy,
    end: End,
    strategy: Strategy,
) -> (Vec<String>, String) {
    let stage = Stage::new();
    let root = stage.branch("root", strategy, 10);
    let root = root
        .child(stage.worker("a"))
        .child(stage.worker("b").restart(policy))
        .child(stage.worker("c"));
    let tree = start(root).await;
    assert_eq!(stage.take_log(), ["+a", "+b", "+c"], "started in order");
    let mut events = tree.events();
    end.bring_about(&stage, &tree);
    let exit = event(&mut events, "root/b", |kind| matches!(kind, EventKind::Exited(_))).await;
    pass(SECOND).await;
    let happened = stage.take_log();
    for id in ["a", "c"] {
        stage.order(id, Order::Work(1));
    }
    pass(SECOND).await;
    assert_eq!(stage.take_log(), ["a1", "c1"], "the siblings work after all");
    let EventKind::Exited(reason) = exit else { unreachable!("only exits were asked for") };
    (happened, reason)
}

#[tokio::test(start_paused = true)]
async fn one_for_one_touches_nobody_else() {
    check(Strategy::OneForOne, &["+b"], &["!b", "+b"]).await;
}

#[tokio::test(start_paused = true)]
async fn one_for_all_stops_in_reverse_and_starts_in_order() {
    let restart = ["-c", "-a", "+a", "+b", "+c"];
    let second_try = ["-c", "-a", "+a", "!b", "-a", "+a", "+b", "+c"];
    check(Strategy::OneForAll, &restart, &second_try).await;
}

#[tokio::test(start_paused = true)]
async fn rest_for_one_takes_the_later_ones_along() {
    check(Strategy::RestForOne, &["-c", "+b", "+c"], &["-c", "!b", "+b", "+c"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_siblings_restart_does_not_revive_who_is_done() {
    let stage = Stage::new();
    let temporary = stage.worker("once").restart(RestartPolicy::Temporary);
    let transient = stage.worker("job").restart(RestartPolicy::Transient);
    let spec = stage.branch("root", Strategy::OneForAll, 10);
    let spec = spec.child(temporary).child(transient).child(stage.worker("main"));
    let _tree = start(spec).await;
    stage.order("job", Order::Stop);
    pass(SECOND).await;
    assert_eq!(stage.take_log(), ["+once", "+job", "+main", "-job"]);
    stage.order("main", Order::Fail);
    pass(SECOND).await;
    assert_eq!(stage.take_log(), ["-once", "+main"], "the job is finished, the other had its once");
}

#[tokio::test(start_paused = true)]
async fn siblings_that_fall_together_are_one_failure() {
    let stage = Stage::new();
    // A second failure would spend this budget.
    let spec = stage.branch("root", Strategy::OneForAll, 1);
    let spec = spec.child(stage.worker("a")).child(stage.worker("b")).child(stage.worker("c"));
    let tree = start(spec).await;
    stage.take_log();
    for id in ["c", "a", "b"] {
        assert!(tree.kill(id));
    }
    pass(SECOND).await;
    assert_eq!(stage.take_log(), ["+a", "+b", "+c"]);
}

#[tokio::test(start_paused = true)]
async fn a_wider_restart_replaces_one_that_waits() {
    let stage = Stage::new();
    let mut spec = stage.branch("root", Strategy::RestForOne, 10);
    spec.backoff = Backoff::new(SECOND, SECOND, 0.0);
    let spec = spec.child(stage.worker("a")).child(stage.worker("b")).child(stage.worker("c"));
    let _tree = start(spec).await;
    stage.take_log();
    stage.order("b", Order::Fail);
    pass(Duration::from_millis(600)).await;
    stage.order("a", Order::Fail);
    pass(Duration::from_millis(900)).await;
    assert_eq!(stage.take_log(), ["-c"], "b's own restart came due and was stale");
    pass(MINUTE).await;
    assert_eq!(stage.take_log(), ["+a", "+b", "+c"]);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_falls_while_its_siblings_start_is_not_overlooked() {
    let stage = Stage::new();
    let spec = stage.branch("root", Strategy::OneForAll, 10);
    let tree = start(spec.child(stage.worker("a")).child(stage.worker("b"))).await;
    stage.take_log();
    let mut events = tree.events();
    stage.order("b", Order::Fail);
    // Told to a the moment it is back, before the supervisor has looked up.
    event(&mut events, "root/a", |kind| *kind == EventKind::Started).await;
    stage.order("a", Order::Fail);
    pass(SECOND).await;
    assert_eq!(stage.take_log(), ["-a", "+a", "+b", "-b", "+a", "+b"]);
}
