//! Going on after a loss that a person has accepted: what is left is whole, and nothing of it is done
//! twice.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use telson::{Builder, Engine};
use tempfile::TempDir;

use super::records::{Silent, silent_agent};
use crate::support::{Platform, builder, direct, idle};

/// Ends an engine, and waits until nobody holds its store any more.
async fn end(engine: Engine, dir: &Path) {
    engine.shutdown(Duration::from_millis(100)).await;
    drop(engine);
    let lock = std::fs::File::open(dir.join("lock")).unwrap();
    let closed = async {
        while lock.try_lock().is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), closed).await.expect("the store is closed");
}

async fn is_known(engine: &Engine, messages: &[(&str, &str, &str)]) {
    for (id, who, text) in messages {
        let again = engine.inject(direct(id, who, text)).await.unwrap();
        assert_eq!((again.admitted, again.duplicates), (0, 1), "D5: {who}");
    }
}

const ANNA: (&str, &str, &str) = ("1", "anna", "good morning");
const BEN: (&str, &str, &str) = ("2", "ben", "good evening");
const DORA: (&str, &str, &str) = ("3", "dora", "underground umbrella");
const EVE: (&str, &str, &str) = ("4", "eve", "is anybody there?");

// D2, D5, D6: one is answered, the answer of one is in doubt, one waits, and one is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_accepted_loss_all_goes_on_and_nothing_is_done_twice() {
    let (dir, platform) = (TempDir::new().unwrap(), Platform::new());
    let life = || builder(&platform).state_dir(dir.path());
    let silent = |life: Builder| {
        life.agent("main", silent_agent()).provider("silent", Arc::new(Silent)).start()
    };
    let said = |(id, who, text): (&str, &str, &str)| direct(id, who, text);
    let engine = life().start().await.unwrap();
    engine.inject(said(ANNA)).await.unwrap();
    idle(&engine).await;
    platform.delay(Duration::from_hours(1));
    engine.inject(said(BEN)).await.unwrap();
    let arrived = async {
        while platform.sent_to("ben").is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), arrived).await.unwrap();
    end(engine, dir.path()).await;
    platform.delay(Duration::ZERO);
    let engine = silent(life()).await.unwrap();
    engine.inject(said(DORA)).await.unwrap();
    end(engine, dir.path()).await;
    let log = dir.path().join("store/generation-1/db");
    let older = std::fs::read(&log).unwrap();
    let engine = silent(life()).await.unwrap();
    engine.inject(said(EVE)).await.unwrap();
    end(engine, dir.path()).await;
    std::fs::write(&log, older).unwrap();

    let refused = life().start().await.err().unwrap().to_string();
    assert!(refused.contains("commits are missing"), "{refused}");
    let engine = life().accept_loss(true).start().await.unwrap();
    is_known(&engine, &[ANNA, BEN, DORA]).await;
    // Only its platform knows that it was there, and offers it again.
    assert_eq!(engine.inject(said(EVE)).await.unwrap().admitted, 1);
    engine.inject(direct("5", "anna", "and now?")).await.unwrap();
    idle(&engine).await;
    assert_eq!(engine.why("good morning").await.unwrap()[0].state, "answered");
    let received = |who: &str| platform.sent_to(who);
    let all = || {
        assert_eq!(received("anna"), ["echo: good morning", "echo: and now?"]);
        assert_eq!(received("ben"), ["echo: good evening"], "settled by evidence");
        assert_eq!(received("dora"), ["echo: underground umbrella"], "what waited is answered");
        assert_eq!(received("eve"), ["echo: is anybody there?"]);
    };
    all();
    let load = engine.load();
    assert_eq!((load.dead_letters, load.damaged), (0, 0));
    end(engine, dir.path()).await;

    // The loss is accepted for good: what is there now is whole.
    let engine = life().start().await.unwrap();
    is_known(&engine, &[ANNA, BEN, DORA, EVE, ("5", "anna", "and now?")]).await;
    idle(&engine).await;
    all();
    end(engine, dir.path()).await;
}
