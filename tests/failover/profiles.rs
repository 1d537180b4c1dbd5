//! Several keys of one provider: which one is used, and which one rests.

use std::sync::Arc;
use std::time::Duration;

use telson::Engine;
use telson_actors::store::MemoryBackend;

use super::server::{Act, Server};
use super::support::{Platform, direct, idle};
use super::world::{KEYS, alone, chain};

async fn stop(engine: Engine) {
    engine.shutdown(Duration::from_millis(100)).await;
}

async fn say(engine: &Engine, id: &str, sender: &str) {
    engine.inject(direct(id, sender, "hi")).await.unwrap();
    idle(engine).await;
}

// The second key answers, nobody is told, and the first one rests: for the next turn, for another
// session, and after a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_fails_is_followed_by_the_next_and_rests_over_a_restart() {
    for status in [401, 402, 403, 429, 529] {
        let (platform, server) = (Platform::new(), Server::start(Act::Say("ok")).await);
        server.on_key(KEYS[0], Act::Status(status, None));
        let dir = tempfile::tempdir().unwrap();
        let start = || alone(&platform, &server, 2).state_dir(dir.path()).start();
        let engine = start().await.unwrap();
        say(&engine, "1", "anna").await;
        assert_eq!(server.keys(), [KEYS[0], KEYS[1]], "{status}");
        say(&engine, "2", "anna").await;
        // An overload is no fault of the key: it does not rest, but the session stays where it was.
        assert_eq!(server.keys()[2..], [KEYS[1]], "{status}");
        stop(engine).await;
        let engine = start().await.unwrap();
        say(&engine, "3", "anna").await;
        assert_eq!(server.keys()[3..], [KEYS[1]], "{status}");
        if status != 529 {
            say(&engine, "4", "bert").await;
            assert_eq!(server.keys()[4..], [KEYS[1]], "{status}");
        }
        assert_eq!(platform.sent_to("anna"), ["ok", "ok", "ok"], "{status}");
        stop(engine).await;
    }
}

// A key that rests is not asked while another model can answer; the person is told once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_whose_keys_rest_is_passed_over() {
    let (platform, first) = (Platform::new(), Server::start(Act::Status(402, None)).await);
    let second = Server::start(Act::Say("from the second")).await;
    let dir = tempfile::tempdir().unwrap();
    let start = || chain(&platform, &first, &second).state_dir(dir.path()).start();
    let engine = start().await.unwrap();
    say(&engine, "1", "anna").await;
    stop(engine).await;
    let engine = start().await.unwrap();
    say(&engine, "2", "anna").await;
    assert_eq!(first.ledger().len(), 1, "once, and not again without credit");
    assert_eq!(platform.sent_to("anna").len(), 3, "{:?}", platform.sent_to("anna"));
    assert_eq!(second.ledger().len(), 2);
    stop(engine).await;
}

// A person who has mended the only key there is gets an answer at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_resort_is_tried_although_it_rests() {
    let (platform, server) = (Platform::new(), Server::start(Act::Say("ok")).await);
    server.script([Act::Status(401, None)]);
    let engine =
        alone(&platform, &server, 1).backend(Arc::new(MemoryBackend::new())).start().await.unwrap();
    say(&engine, "1", "anna").await;
    say(&engine, "2", "anna").await;
    assert_eq!(server.ledger().len(), 2);
    assert_eq!(platform.sent_to("anna")[1], "ok");
    stop(engine).await;
}

// A new key under the old id does not inherit what the old one has done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_key_starts_fresh() {
    let (platform, first) = (Platform::new(), Server::start(Act::Say("from the first")).await);
    let second = Server::start(Act::Say("from the second")).await;
    first.on_key(KEYS[0], Act::Status(402, None));
    let dir = tempfile::tempdir().unwrap();
    let engine = chain(&platform, &first, &second).state_dir(dir.path()).start().await.unwrap();
    say(&engine, "1", "anna").await;
    stop(engine).await;
    let spare = super::world::keyring(&first, "first:default", KEYS[1]);
    let engine = chain(&platform, &first, &second)
        .keyring("first", spare)
        .state_dir(dir.path())
        .start()
        .await
        .unwrap();
    say(&engine, "2", "anna").await;
    assert_eq!(first.keys(), [KEYS[0], KEYS[1]]);
    assert_eq!(platform.sent_to("anna").last().unwrap(), "from the first");
    stop(engine).await;
}
