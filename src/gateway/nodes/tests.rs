//! What nodes may be asked, and what becomes of calls.

#![expect(clippy::disallowed_methods, reason = "a connection has such a link")]

use serde_json::json;
use telson_actors::clock::Timestamp;
use tokio::sync::mpsc;

use super::super::link::{ConnectionLink, Topics};
use super::*;

fn connect(caps: &[&str], commands: &[&str]) -> Connect {
    let client = json!({"id": "node-host", "version": "1", "platform": "linux", "mode": "node"});
    serde_json::from_value(json!({
        "minProtocol": 4, "maxProtocol": 4, "client": client, "role": "node",
        "caps": caps, "commands": commands,
    }))
    .unwrap()
}

/// Nobody listens while it runs.
fn running() -> (Option<Listener>, RunningCall) {
    (None, crate::engine::Calls::default().begin(None, None))
}

fn record(caps: &[&str], commands: &[&str]) -> NodeRecord {
    let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    NodeRecord {
        id: "n".into(),
        display_name: None,
        platform: "linux".into(),
        client: "node-host".into(),
        version: "1".into(),
        caps: owned(caps),
        commands: owned(commands),
        approved_at: Timestamp(1),
    }
}

#[test]
fn a_node_asks_until_all_it_offers_is_allowed() {
    let nodes = Nodes::default();
    let (link, _events) = mpsc::unbounded_channel();
    nodes.connect("n", &connect(&["camera"], &["camera.snap", "x"]), ("c1", &link), 10);
    let first = nodes.pending(&[], 20);
    assert_eq!(first[0].commands, ["camera.snap", "x"]);
    assert_eq!(nodes.pending(&[], 30), first, "asked again, it is the same request");
    let less = nodes.pending(&[record(&["camera"], &["camera.snap"])], 30);
    assert_eq!(less.len(), 1, "a part is not enough");
    assert!(nodes.pending(&[record(&["camera"], &["camera.snap", "x", "y"])], 30).is_empty());
    nodes.disconnect("c1", 40);
    assert!(nodes.pending(&[], 40 + PENDING_MILLIS).len() == 1);
    assert!(nodes.pending(&[], 41 + PENDING_MILLIS).is_empty(), "it has given up");
}

#[test]
fn a_call_is_answered_by_its_node_alone_and_once() {
    let nodes = Nodes::default();
    let (link, mut events) = mpsc::unbounded_channel();
    nodes.connect("n", &connect(&[], &["x"]), ("c1", &link), 10);
    let mut answer = nodes.ask("n", "k1", json!({"id": "k1"}), running()).unwrap();
    assert!(matches!(events.try_recv(), Ok(LinkMessage::Event("node.invoke.request", _))));
    assert!(!nodes.answered("other", "k1", &Ok(json!(1))));
    assert!(answer.try_recv().is_err());
    assert!(nodes.answered("n", "k1", &Ok(json!(2))));
    assert!(!nodes.answered("n", "k1", &Ok(json!(3))));
    assert_eq!(answer.try_recv(), Ok(Ok(json!(2))));
    assert_eq!(nodes.ask("away", "k2", json!({}), running()).unwrap_err(), NotSent::Away);
}

#[test]
fn whoever_waits_for_a_node_that_goes_is_told() {
    let nodes = Nodes::default();
    let (link, _events) = mpsc::unbounded_channel();
    nodes.connect("n", &connect(&[], &["x"]), ("c1", &link), 10);
    let mut answer = nodes.ask("n", "k1", json!({}), running()).unwrap();
    nodes.disconnect("c1", 20);
    assert!(answer.try_recv().unwrap().is_err());
    assert_eq!(nodes.ask("n", "k2", json!({}), running()).unwrap_err(), NotSent::Away);
}

// L1: whoever has left is waited for by nobody, and takes no place from others.
#[test]
fn calls_of_those_who_have_left_take_no_room() {
    let nodes = Nodes::default();
    let (link, _events) = mpsc::unbounded_channel();
    nodes.connect("n", &connect(&[], &["x"]), ("c1", &link), 10);
    for number in 0..CALLS_MAX * 3 {
        drop(nodes.ask("n", &format!("k{number}"), json!({}), running()).unwrap());
    }
    assert!(nodes.state().calls.len() <= CALLS_MAX);
    let waiting: Vec<_> = (0..CALLS_MAX)
        .map(|number| nodes.ask("n", &format!("w{number}"), json!({}), running()))
        .collect();
    assert!(waiting.iter().all(Result::is_ok));
    assert_eq!(nodes.ask("n", "one more", json!({}), running()).unwrap_err(), NotSent::Full);
}

#[test]
fn whoever_asks_again_waits_for_the_same_answer() {
    let nodes = Nodes::default();
    let (link, mut events) = mpsc::unbounded_channel();
    nodes.connect("n", &connect(&[], &["x"]), ("c1", &link), 10);
    drop(nodes.ask("n", "k", json!({}), running()).unwrap());
    assert!(nodes.join("other", "k", None).is_none() && nodes.join("n", "unknown", None).is_none());
    let mut first = nodes.join("n", "k", None).unwrap();
    let mut second = nodes.join("n", "k", None).unwrap();
    assert!(nodes.answered("n", "k", &Ok(json!(2))));
    assert_eq!(first.try_recv(), Ok(Ok(json!(2))));
    assert_eq!(second.try_recv(), Ok(Ok(json!(2))));
    assert!(nodes.join("n", "k", None).is_none(), "it has ended");
    assert!(events.try_recv().is_ok() && events.try_recv().is_err(), "and was sent once");
}

#[test]
fn what_is_said_while_nobody_listens_holds_up_nothing_and_a_connection_hears_it_once() {
    let nodes = Nodes::default();
    let (link, _events) = mpsc::unbounded_channel();
    nodes.connect("n", &connect(&[], &["x"]), ("c1", &link), 10);
    drop(nodes.ask("n", "k", json!({}), running()).unwrap());
    for seq in 0..20 {
        assert!(!nodes.progressed("n", "k", seq, "unheard".into()), "{seq}");
    }
    let (caller, mut heard) = mpsc::unbounded_channel();
    let unread = Arc::default();
    let listener = |id: u64| {
        let (id, connection, topics) = (json!(id), caller.clone(), Topics::default());
        let link = Arc::new(ConnectionLink { id, connection, topics, unread: Arc::clone(&unread) });
        Some(Listener { link, key: "key".into() })
    };
    // Two calls of one connection.
    let _waiting = [1, 2].map(|id| nodes.join("n", "k", listener(id)).unwrap());
    assert!(nodes.progressed("n", "k", 20, "heard".into()));
    let Ok(LinkMessage::Event("node.invoke.progress", said)) = heard.try_recv() else {
        panic!("nothing is heard");
    };
    assert!(said.text().contains("heard") && heard.try_recv().is_err(), "once");
}

// L1: what a node does not read waits for it in bounds, whoever has given up.
#[test]
fn a_node_that_does_not_read_is_asked_no_more() {
    let nodes = Nodes::default();
    let (link, mut events) = mpsc::unbounded_channel();
    nodes.connect("n", &connect(&[], &["x"]), ("c1", &link), 10);
    let long = json!("x".repeat(UNREAD_BYTES_MAX / 4));
    let asked: Vec<_> = (0..6)
        .map(|number| nodes.ask("n", &format!("k{number}"), long.clone(), running()).is_ok())
        .collect();
    assert_eq!(asked, [true, true, true, false, false, false]);
    assert_eq!(nodes.ask("n", "k", long.clone(), running()).unwrap_err(), NotSent::Unread);
    assert!(nodes.ask("n", "short", json!(1), running()).is_ok());
    drop(events.try_recv().unwrap());
    assert!(nodes.ask("n", "k", long, running()).is_ok());
}
