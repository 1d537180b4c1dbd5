//! Names that outlive actors, and liveness as completed work.

mod support;

use std::time::Duration;

use support::{MINUTE, Order, SECOND, Stage, event, event_names, node, pass, start};
use telson_supervision::{
    Backoff, EventKind, Health, NodeState, Registry, RestartPolicy, Strategy, Undeliverable,
};

const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test(start_paused = true)]
async fn a_name_leads_to_the_new_actor_after_a_restart() {
    let stage = Stage::new();
    let _tree = start(stage.branch("root", Strategy::OneForOne, 5).child(stage.worker("a"))).await;
    let via = stage.via("a");
    let before = via.whereis().unwrap().get_id();
    via.cast(Order::Fail).unwrap();
    pass(SECOND).await;
    assert_ne!(via.whereis().unwrap().get_id(), before);
    via.clone().cast(Order::Work(1)).unwrap();
    pass(SECOND).await;
    assert_eq!(stage.take_log(), ["+a", "+a", "a1"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_nobody_can_take_comes_back() {
    let stage = Stage::new();
    let mut branch = stage.branch("root", Strategy::OneForOne, 5);
    branch.backoff = Backoff::new(SECOND, SECOND, 0.0);
    let _tree = start(branch.child(stage.worker("a")).child(stage.worker("b"))).await;
    let comes_back = |name: &str| {
        let Err(Undeliverable(order)) = stage.via(name).cast(Order::Work(7)) else { return false };
        assert_eq!(order, Order::Work(7));
        true
    };
    assert!(comes_back("nobody"));
    assert!(!comes_back("a"));
    stage.order("a", Order::Fail);
    stage.order("b", Order::Drain);
    stage.order("b", Order::Slow(MINUTE, 1));
    pass(SECOND / 2).await;
    assert!(comes_back("a"), "while it waits for its restart");
    assert!(stage.via("a").whereis().is_none());
    assert!(comes_back("b"), "while it drains");
    pass(SECOND).await;
    assert!(!comes_back("a"), "and is taken again afterwards");
}

#[tokio::test(start_paused = true)]
async fn a_name_under_another_type_is_nobody() {
    let stage = Stage::new();
    let _tree = start(stage.branch("root", Strategy::OneForOne, 5).child(stage.worker("a"))).await;
    let wrong = stage.registry.via::<String>("a");
    let Err(Undeliverable(text)) = wrong.cast("hello".to_owned()) else { panic!("was taken") };
    assert_eq!(text, "hello");
    assert!(wrong.whereis().is_none());
    stage.order("a", Order::Work(1));
    pass(SECOND).await;
    assert_eq!(stage.take_log(), ["+a", "a1"], "and the actor is none the worse");
}

#[tokio::test(start_paused = true)]
async fn two_registries_share_nothing() {
    let (one, two) = (Stage::new(), Stage::new());
    let _tree = start(one.branch("root", Strategy::OneForOne, 5).child(one.worker("a"))).await;
    assert!(one.via("a").whereis().is_some());
    assert!(two.via("a").whereis().is_none());
    assert!(Registry::new().via::<Order>("a").cast(Order::Work(1)).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_deaf_child_is_restarted_and_says_why() {
    let stage = Stage::new();
    let deaf = stage.worker("deaf").silence_max(LIMIT).restart(RestartPolicy::Transient);
    let branch = stage.branch("root", Strategy::OneForOne, 5);
    let tree = start(branch.child(deaf).child(stage.worker("calm"))).await;
    let mut events = tree.events();
    for number in 0..10 {
        stage.order("deaf", Order::Work(number));
        pass(LIMIT / 2).await;
    }
    assert_eq!(stage.count("+deaf"), 1, "as long as it works it is left alone");
    stage.order("deaf", Order::Hang);
    let deaf = event(&mut events, "root/deaf", |kind| matches!(kind, EventKind::Deaf(_))).await;
    let EventKind::Deaf(idle) = deaf else { unreachable!("only this was asked for") };
    assert!(idle > LIMIT && idle <= LIMIT + LIMIT / 4 + SECOND, "{idle:?}");
    pass(SECOND).await;
    assert_eq!((stage.count("+deaf"), stage.count("+calm")), (2, 1));
    let snapshot = tree.snapshot();
    let error = node(&snapshot, "deaf").last_error.clone().unwrap();
    assert!(error.starts_with("deaf: completed nothing for"), "{error}");
    assert_eq!(node(&snapshot, "deaf").state, NodeState::Running);
    let follow = ["root/deaf Exited", "root/deaf Restarting", "root/deaf Started"];
    assert_eq!(event_names(&mut events), follow);
}

#[tokio::test(start_paused = true)]
async fn a_new_life_gets_the_whole_limit() {
    let stage = Stage::new();
    let deaf = stage.worker("deaf").silence_max(LIMIT);
    let _tree = start(stage.branch("root", Strategy::OneForOne, 5).child(deaf)).await;
    stage.order("deaf", Order::Work(1));
    pass(LIMIT / 2).await;
    stage.order("deaf", Order::Fail);
    pass(LIMIT * 9 / 10).await;
    assert_eq!(stage.count("+deaf"), 2, "the old life's silence does not count");
    pass(LIMIT).await;
    assert_eq!(stage.count("+deaf"), 3, "one that never completed anything counts from its start");
}

// V1: deafness spends the budget like any other failure.
#[tokio::test(start_paused = true)]
async fn a_child_that_stays_deaf_is_given_up() {
    let stage = Stage::new();
    let deaf = stage.worker("deaf").silence_max(4 * SECOND);
    let tree = start(stage.branch("root", Strategy::OneForOne, 3).child(deaf)).await;
    tree.ended().await;
    assert_eq!(stage.count("+deaf"), 4);
}

#[tokio::test(start_paused = true)]
async fn the_snapshot_shows_what_a_child_says_of_itself() {
    let stage = Stage::new();
    let health = Health::new();
    let worker = stage.worker("b").health(health.clone());
    let branch = stage.branch("root", Strategy::OneForOne, 5).child(stage.worker("a"));
    let tree = start(branch.child(worker)).await;
    let look = |id: &str| {
        let snapshot = tree.snapshot();
        let node = node(&snapshot, id);
        (node.mailbox_depth, node.idle_ms, node.note.clone())
    };
    assert_eq!(look("a"), (0, None, None));
    stage.order("a", Order::Work(1));
    stage.order("a", Order::Slow(3 * SECOND, 2));
    stage.order("a", Order::Work(3));
    stage.order("a", Order::Work(4));
    assert_eq!(look("a").0, 4);
    pass(2 * SECOND).await;
    assert_eq!(look("a"), (2, Some(2_000), None), "two wait behind the slow one");
    pass(5 * SECOND).await;
    assert_eq!(look("a"), (0, Some(4_000), None));
    health.set_note(Some("no permission".into()));
    assert_eq!(look("b").2.as_deref(), Some("no permission"));
    health.set_note(None);
    assert_eq!(look("b").2, None);
    stage.order("a", Order::Fail);
    stage.order("a", Order::Work(5));
    pass(SECOND).await;
    assert_eq!(look("a"), (0, None, None), "a new life begins with an empty mailbox");
}
