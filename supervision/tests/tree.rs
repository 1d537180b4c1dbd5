//! The whole, seen from outside: what it shows, what it tells, what can be killed in it.

mod support;

use std::path::Path;

use support::keyed::{Ledger, Letter, pool, send};
use support::{MINUTE, Order, SECOND, Stage, event_names, node, pass, start};
use telson_supervision::{Node, NodeState, RestartPolicy, Shutdown, Strategy, Tree};

/// root: a, team (b, c), pool (by key), `x/y`.
async fn world() -> (Stage, Tree) {
    let (stage, ledger) = (Stage::new(), Ledger::default());
    let team = stage.branch("root/team", Strategy::RestForOne, 5);
    let team = team.child(stage.worker("b")).child(stage.worker("c"));
    let root = stage.branch("root", Strategy::OneForOne, 50);
    let root = root
        .child(stage.worker("a").restart(RestartPolicy::Transient))
        .child(team.into_child("team", Shutdown::DEFAULT))
        .child(pool(&stage, &ledger).into_child("pool", stage.registry.clone()))
        .child(stage.worker("x/y"));
    let tree = start(root).await;
    (stage, tree)
}

/// Ids, kinds and states, indented by depth.
fn outline(node: &Node, depth: usize) -> Vec<String> {
    let line = format!("{}{} {:?} {:?}", " ".repeat(depth), node.id, node.kind, node.state);
    let below = node.children.iter().flat_map(|child| outline(child, depth + 1));
    std::iter::once(line).chain(below).collect()
}

#[tokio::test(start_paused = true)]
async fn the_snapshot_is_the_tree_in_start_order() {
    let (_stage, tree) = world().await;
    let expected = [
        "root Branch(OneForOne) Running",
        " a Worker Running",
        " team Branch(RestForOne) Running",
        "  b Worker Running",
        "  c Worker Running",
        " pool Dynamic Running",
        " x/y Worker Running",
    ];
    assert_eq!(outline(&tree.snapshot(), 0), expected);
}

#[tokio::test(start_paused = true)]
async fn the_snapshot_follows_restarts() {
    let (stage, tree) = world().await;
    pass(MINUTE).await;
    stage.order("b", Order::Panic);
    pass(2 * SECOND).await;
    let snapshot = tree.snapshot();
    let (b, c) = (node(&snapshot, "team/b"), node(&snapshot, "team/c"));
    assert_eq!((b.restarts, b.last_error.as_deref()), (1, Some("bang")));
    assert_eq!((c.restarts, c.last_error.as_deref()), (0, None), "c did nothing wrong");
    let up = (b.up_ms, c.up_ms, node(&snapshot, "a").up_ms);
    assert!(up.0 < Some(2_100) && up.1 < Some(2_100) && up.2 > Some(60_000), "{up:?}");
}

#[tokio::test(start_paused = true)]
async fn counters_survive_the_restart_of_their_supervisor() {
    let (stage, tree) = world().await;
    stage.order("c", Order::Fail);
    pass(SECOND).await;
    assert!(tree.kill("team"));
    pass(SECOND).await;
    let snapshot = tree.snapshot();
    assert_eq!(node(&snapshot, "team").restarts, 1);
    assert_eq!(node(&snapshot, "team").last_error.as_deref(), Some("killed"));
    assert_eq!(node(&snapshot, "team/c").restarts, 1);
    assert_eq!(node(&snapshot, "team/c").last_error.as_deref(), Some("boom"));
}

#[tokio::test(start_paused = true)]
async fn a_child_that_is_done_is_shown_as_stopped() {
    let (stage, tree) = world().await;
    stage.order("a", Order::Stop);
    pass(SECOND).await;
    let snapshot = tree.snapshot();
    let a = node(&snapshot, "a");
    assert_eq!((a.state, a.up_ms, a.last_error.as_deref()), (NodeState::Stopped, None, None));
    assert!(!tree.kill("a"), "there is nobody to kill");
}

#[tokio::test(start_paused = true)]
async fn the_children_of_a_killed_branch_are_not_shown_as_running() {
    let stage = Stage::new();
    let team = stage.branch("root/team", Strategy::OneForOne, 5).child(stage.worker("b"));
    let mut root = stage.branch("root", Strategy::OneForOne, 5);
    root.backoff = telson_supervision::Backoff::new(MINUTE, MINUTE, 0.0);
    let tree = start(root.child(team.into_child("team", Shutdown::DEFAULT))).await;
    assert!(tree.kill("team"));
    pass(SECOND).await;
    let snapshot = tree.snapshot();
    assert_eq!(node(&snapshot, "team").state, NodeState::Restarting);
    assert_eq!(node(&snapshot, "team/b").state, NodeState::Stopped);
    assert!(!tree.kill("team/b") && !tree.kill("team"));
    pass(MINUTE).await;
    assert_eq!(node(&tree.snapshot(), "team/b").state, NodeState::Running);
    assert_eq!(stage.take_log(), ["+b", "+b"]);
}

#[tokio::test(start_paused = true)]
async fn events_tell_the_story_in_order() {
    let (stage, tree) = world().await;
    let mut events = tree.events();
    stage.order("b", Order::Fail);
    pass(SECOND).await;
    let restart = [
        "root/team/b Exited",
        "root/team/c Stopped",
        "root/team/b Restarting",
        "root/team/b Started",
        "root/team/c Started",
    ];
    assert_eq!(event_names(&mut events), restart);
    stage.order("b", Order::Fail);
    stage.refuse_starts("c", 1);
    pass(SECOND).await;
    let second_try = ["root/team/c Exited", "root/team/c Restarting", "root/team/c Started"];
    let told = event_names(&mut events);
    assert_eq!(told[..4], restart[..4]);
    assert_eq!(told[4..], second_try, "a refused start is told with its reason");
}

#[tokio::test(start_paused = true)]
async fn anyone_can_be_killed_by_path() {
    let (stage, tree) = world().await;
    stage.take_log();
    assert!(tree.kill("team/c"));
    assert!(tree.kill("x/y"), "an id may hold a slash");
    pass(SECOND).await;
    assert_eq!(stage.take_log(), ["+c", "+x/y"]);
    for nobody in ["", "nobody", "team/nobody", "a/b", "x", "team/", "root/a"] {
        assert!(!tree.kill(nobody), "{nobody:?}");
    }
    assert!(tree.kill("team"));
    pass(SECOND).await;
    assert_eq!(stage.take_log(), ["+b", "+c"]);
    send(&stage.registry.via("root/pool"), 1, Letter::Number(1));
    pass(SECOND).await;
    assert_eq!(node(&tree.snapshot(), "pool").live, Some(1));
    assert!(tree.kill("pool"));
    pass(SECOND).await;
    assert_eq!(node(&tree.snapshot(), "pool").live, Some(0));
}

// A1: this crate knows nothing of what the actors do, neither by its dependencies nor by name.
#[test]
fn supervision_knows_no_noun_of_its_users() {
    const NOUNS: [&str; 10] = [
        "session",
        "envelope",
        "inbox",
        "outbox",
        "provider",
        "router",
        "account",
        "agent",
        "platform",
        "dead_letter",
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let (_, dependencies) = manifest.split_once("[dependencies]").unwrap();
    assert!(!dependencies.contains("telson"), "it stands on nothing of ours");
    let mut files = 0;
    let mut dirs = vec![root.join("src")];
    let mut sources = Vec::new();
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { dirs.push(path) } else { sources.push(path) }
        }
    }
    for path in sources {
        let source = std::fs::read_to_string(&path).unwrap().to_lowercase();
        let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            let noun = NOUNS.iter().find(|noun| line.contains(**noun));
            assert!(noun.is_none(), "{}: {line}", path.display());
        }
        files += 1;
    }
    assert!(files > 10, "it has looked somewhere");
}
