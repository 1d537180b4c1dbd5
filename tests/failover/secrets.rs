//! Keys stay where they are.

use std::time::Duration;

use super::server::{Act, Server};
use super::support::{Platform, direct, idle};
use super::world::{KEYS, chain, keys, log};

// The servers repeat the keys they refuse. Nothing the engine says, shows or keeps holds one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_is_logged_told_shown_or_stored() {
    let log = log();
    let (platform, first) = (Platform::new(), Server::start(Act::Status(401, None)).await);
    let second = Server::start(Act::Status(402, None)).await;
    let dir = tempfile::tempdir().unwrap();
    let engine = chain(&platform, &first, &second).state_dir(dir.path()).start().await.unwrap();
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    idle(&engine).await;
    let mut seen = vec![("the messages", format!("{:?}", platform.sent()))];
    seen.push(("the tree", format!("{:?}", engine.tree())));
    seen.push(("the journeys", format!("{:?}", engine.why("1").await.unwrap())));
    let letters = engine.dead_letters().list().unwrap();
    seen.push(("the dead letters", format!("{letters:?}")));
    seen.push(("a keyring", format!("{:?}", keys(&first, 2))));
    engine.shutdown(Duration::from_secs(1)).await;
    let mut stored = String::new();
    let mut folders = vec![dir.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                stored.push_str(&String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()));
            }
        }
    }
    seen.push(("the store", stored));
    seen.push(("the log", log.text()));
    assert_eq!(first.keys(), [KEYS[0]], "the keys were used");
    assert!(seen.iter().any(|(_, text)| text.contains("[hidden]")), "what was repeated is hidden");
    assert!(log.text().contains("auth profile rests"), "the log was listened to");
    for (place, text) in &seen {
        for key in KEYS {
            assert!(!text.contains(key), "{place} holds a key");
        }
    }
}
