//! The iMessage account inside an engine: its watcher and its `imsg` actor may die at any moment.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test helper fails its test")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use telson::Engine;
use telson::actors::channel::imessage::ImessageConfig;
use telson::actors::channel::imessage::verdict::WatchLimits;
use telson::actors::clock::Clock;
use telson::actors::message::AccountKey;
use telson::actors::outbox::UnsettledSends;
use telson::actors::router::Access;
use telson::actors::store::MemoryBackend;
use telson::demo::audit::audit;
use telson::demo::messages_db::{Chat, MessagesDb, Person, Service, Shape};
use telson::supervision::Dice;

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
        limits: WatchLimits { hold_max: Duration::from_secs(5), ..WatchLimits::default() },
        send_max: Duration::from_secs(20),
        settle_max: Duration::from_secs(2),
    }
}

/// An engine over a fresh database with one chat; it has looked at the database once.
async fn watching(
    dir: &Path,
    change: impl FnOnce(telson::Builder) -> telson::Builder,
) -> (Engine, MessagesDb, Chat, Person) {
    let db = MessagesDb::create(&dir.join("chat.db")).unwrap();
    let person = db.person("+15550100001", Service::IMessage).unwrap();
    let chat = db.direct_chat(&person).unwrap();
    let builder = Engine::builder().state_dir(dir.join("state")).imessage(
        config(dir),
        UnsettledSends::Resend,
        Access::everybody(),
    );
    let engine = change(builder).start().await.unwrap();
    until("the first look at the database", || has_looked(&engine.tree())).await;
    (engine, db, chat, person)
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

// The clock of this machine may be set while it watches: no message is too old for that, and none is
// held until the clock has caught up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_neither_ages_nor_holds_a_message() {
    const HOUR_MS: i64 = 3_600_000;
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::virtual_from(Clock::system().now());
    let (engine, db, chat, person) =
        watching(dir.path(), |builder| builder.determined_by(clock, Dice::seeded(1))).await;
    let mut expected = Vec::new();
    let steps = [HOUR_MS, -2 * HOUR_MS, 365 * 24 * HOUR_MS, -2 * 365 * 24 * HOUR_MS, 0];
    for (number, step) in steps.into_iter().enumerate() {
        let needle = format!("[#{number}]");
        db.inbound(&chat, &person, &format!("{needle} hello"), Shape::Plain).unwrap();
        expected.push((chat.guid.clone(), needle));
        // While the row is held, so that what waits for it is met too.
        tokio::time::sleep(Duration::from_millis(250)).await;
        clock.step(step);
        until("the message is answered", || audit(&db, &expected).unwrap().exactly_once()).await;
        let needle = format!("[#{number}b]");
        db.inbound(&chat, &person, &format!("{needle} hello"), Shape::Plain).unwrap();
        expected.push((chat.guid.clone(), needle));
        until("the next is answered", || audit(&db, &expected).unwrap().exactly_once()).await;
    }
    assert!(engine.dead_letters().list().unwrap().is_empty());
    engine.shutdown(Duration::from_secs(5)).await;
}

/// Replaces what a row says by bytes that are no text.
fn spoil(db: &MessagesDb, guid: &str, sql: &str) {
    let connection = rusqlite::Connection::open(db.path()).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    assert_eq!(connection.execute(sql, [guid]).unwrap(), 1);
}

// Bytes that are no UTF-8, lone surrogates, NUL and torn blobs end as a clean answer or as a dead
// letter that says what is missing; the messages around them are answered meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_are_no_text_harm_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, db, chat, person) = watching(dir.path(), |builder| builder).await;
    let spoils = [
        // Half a character, a surrogate alone, bytes that never occur, and a NUL.
        ("[#0]", "UPDATE message SET attributedBody = NULL, text = CAST(x'5b23305d20c3' AS TEXT)"),
        (
            "[#1]",
            "UPDATE message SET attributedBody = NULL, text = CAST(x'5b23315deda080' AS TEXT)",
        ),
        (
            "[#2]",
            "UPDATE message SET attributedBody = NULL, text = CAST(x'5b23325dff00fe' AS TEXT)",
        ),
        // A torn blob beside a good text, and a blob that is none.
        ("[#3]", "UPDATE message SET attributedBody = substr(attributedBody, 1, 40)"),
        ("[#4]", "UPDATE message SET attributedBody = x'040b73747265616d747970656481e803ff'"),
    ];
    let mut expected = Vec::new();
    for (needle, sql) in spoils {
        let row = db.inbound(&chat, &person, &format!("{needle} text"), Shape::Plain).unwrap();
        // The watcher lets a row settle for half a second before it judges it.
        spoil(&db, &row.guid, &format!("{sql} WHERE guid = ?1"));
        expected.push((chat.guid.clone(), needle.to_owned()));
        let good = format!("{needle}[good]").replace('#', "=");
        db.inbound(&chat, &person, &good, Shape::Plain).unwrap();
        expected.push((chat.guid.clone(), good));
    }
    until("every message is answered", || audit(&db, &expected).unwrap().exactly_once()).await;
    // Nothing is left of a text that only the blob held: it is shown, not answered.
    let row = db.inbound(&chat, &person, "[#5] lost", Shape::BlobOnly).unwrap();
    let torn = "UPDATE message SET attributedBody = substr(attributedBody, 1, 20) WHERE guid = ?1";
    spoil(&db, &row.guid, torn);
    until("the lost text is shown", || !engine.dead_letters().list().unwrap().is_empty()).await;
    let letters = engine.dead_letters().list().unwrap();
    assert_eq!(
        letters.iter().map(|letter| letter.reason.name()).collect::<Vec<_>>(),
        ["unreadable"]
    );
    engine.shutdown(Duration::from_secs(5)).await;
    assert!(audit(&db, &expected).unwrap().exactly_once());
}

// Waiting for the disk may take hours. It is a state, and no reason to call the watcher deaf and
// start it again: it looks at the database all the time.
#[tokio::test(start_paused = true)]
async fn a_watcher_that_is_refused_is_not_deaf() {
    let dir = tempfile::tempdir().unwrap();
    let db = MessagesDb::create(&dir.path().join("chat.db")).unwrap();
    let person = db.person("+15550100001", Service::IMessage).unwrap();
    let chat = db.direct_chat(&person).unwrap();
    let backend = MemoryBackend::new();
    backend.set_free_bytes(Some(u64::MAX));
    let engine = Engine::builder()
        .backend(Arc::new(backend.clone()))
        .determined_by(Clock::virtual_from(Clock::system().now()), Dice::seeded(1))
        .imessage(config(dir.path()), UnsettledSends::Park, Access::everybody())
        .start()
        .await
        .unwrap();
    until("the first look at the database", || has_looked(&engine.tree())).await;
    backend.set_free_bytes(Some(0));
    tokio::time::sleep(Duration::from_secs(2)).await;
    db.inbound(&chat, &person, "[#1] hello", Shape::Plain).unwrap();
    let watcher = || {
        let branch = engine.tree().children[1].children[0].clone();
        branch.children.into_iter().find(|node| node.id == "watcher").unwrap()
    };
    let is_refused =
        || watcher().note.is_some_and(|note| note.contains("nothing more is admitted"));
    until("the message is refused", is_refused).await;
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(watcher().restarts, 0);
    }
    assert!(is_refused());
    backend.set_free_bytes(None);
    until("it is admitted", || watcher().note.is_none()).await;
    assert_eq!(engine.why("[#1]").await.unwrap().len(), 1);
    engine.shutdown(Duration::from_secs(5)).await;
}
