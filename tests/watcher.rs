//! The iMessage account inside an engine: its watcher and its `imsg` actor may die at any moment.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test helper fails its test")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use telson::Engine;
use telson::actors::channel::imessage::ImessageConfig;
use telson::actors::channel::imessage::verdict::WatchLimits;
use telson::actors::message::AccountKey;
use telson::actors::outbox::UnsettledSends;
use telson::actors::router::Access;
use telson::demo::audit::audit;
use telson::demo::messages_db::{MessagesDb, Service, Shape};

fn config(dir: &Path) -> ImessageConfig {
    let imsg = dir.join("imsg");
    let script = format!("#!/bin/sh\nexec '{}' imsg-double \"$@\"\n", env!("CARGO_BIN_EXE_telson"));
    std::fs::write(&imsg, script).unwrap();
    std::fs::set_permissions(&imsg, std::fs::Permissions::from_mode(0o700)).unwrap();
    ImessageConfig {
        account: AccountKey::new("imessage", "default"),
        cli_path: imsg.to_string_lossy().into_owned(),
        db_path: dir.join("chat.db"),
        tell_db_path: true,
        home: None,
        text_max: 4000,
        service: "auto".into(),
        region: "US".into(),
        limits: WatchLimits::default(),
        send_max: Duration::from_secs(20),
        settle_max: Duration::from_secs(2),
    }
}

fn has_looked(node: &telson::supervision::Node) -> bool {
    (node.id == "watcher" && node.idle_ms.is_some()) || node.children.iter().any(has_looked)
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect(what);
}

async fn survives_the_death_of(victim: &str) {
    let dir = tempfile::tempdir().unwrap();
    let db = MessagesDb::create(&dir.path().join("chat.db")).unwrap();
    let person = db.person("+15550100001", Service::IMessage).unwrap();
    let chat = db.direct_chat(&person).unwrap();
    let engine = Engine::builder()
        .state_dir(dir.path().join("state"))
        // The double does nothing any more once it is dead, so sending again can't double.
        .imessage(config(dir.path()), UnsettledSends::Resend, Access::everybody())
        .start()
        .await
        .unwrap();
    until("the first look at the database", || has_looked(&engine.tree())).await;
    let mut expected = Vec::new();
    for number in 0..24 {
        let needle = format!("[#{number}]");
        db.inbound(&chat, &person, &format!("{needle} hello"), Shape::Plain).unwrap();
        expected.push((chat.guid.clone(), needle));
        if number % 8 == 4 {
            assert!(engine.kill_actor(&format!("edge/imessage/default/{victim}")));
        }
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    until("every message is answered", || audit(&db, &expected).unwrap().exactly_once()).await;
    let branch = engine.tree().children[1].children[0].clone();
    let restarts = branch.children.iter().find(|node| node.id == victim).unwrap().restarts;
    assert!(restarts >= 3, "{victim} was restarted by its supervisor: {restarts}");
    engine.drain(Duration::from_secs(5)).await;
    engine.shutdown(Duration::from_secs(5)).await;
    assert!(audit(&db, &expected).unwrap().exactly_once());
}

// D1, D5: what a dead watcher had read and not admitted is still in the database, and what it had
// admitted is known by its guid.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_watcher_loses_nothing() {
    survives_the_death_of("watcher").await;
}

// D6: what a dead child may have sent is settled from the database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_imsg_actor_loses_nothing() {
    survives_the_death_of("imsg").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_delivery_actor_loses_nothing() {
    survives_the_death_of("delivery").await;
}
