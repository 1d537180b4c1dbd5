//! The narrator killed while runs are under way.

use std::sync::Arc;

use telson::config::Gateway;
use telson::gateway::{Wanted, plan};
use telson::{Engine, Facts, Host};
use telson_actors::store::MemoryBackend;

use crate::client::{Client, is_ending_of, message};
use crate::kit::until;
use crate::rig::TOKEN;

/// Kills, fewer than the restarts its branch allows.
const KILLS: usize = 4;

async fn engine() -> (Engine, String, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::new(Facts::default());
    let wanted = Wanted {
        config: Gateway::default(),
        port: Some(0),
        from_env: [Some(TOKEN.into()), None],
        state_dir: dir.path().to_owned(),
    };
    let gateway = plan(wanted, host).unwrap();
    let backend = Arc::new(MemoryBackend::new());
    let engine = Engine::builder()
        .web_chat()
        .backend(backend)
        .gateway(gateway.clone())
        .start()
        .await
        .unwrap();
    let url = format!("ws://{}", gateway.addresses()[0]);
    (engine, url, dir)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_narrator_that_is_killed_tells_each_end_once() {
    let (engine, url, _dir) = engine().await;
    let mut client = Client::connect(&url, TOKEN).await;
    let mut runs = Vec::new();
    for kill in 0..KILLS {
        for number in 0..25 {
            let run = format!("{kill}-{number}");
            client.send(&format!("s{number}"), "hello", &run).await;
            runs.push(run);
            if number == 12 {
                // It may still be on its way back from the last time.
                until("it runs", || engine.kill_actor("edge/narrator").then_some(()));
            }
        }
    }
    for run in &runs {
        assert_eq!(client.ending(run).await["state"], "final", "{run}");
    }
    let rest = client.rest().await;
    let twice = rest.iter().filter(|event| runs.iter().any(|run| is_ending_of(event, run))).count();
    assert_eq!(twice, 0, "{rest:#?}");
    let node = engine.tree();
    let edge = node.children.iter().find(|child| child.id == "edge").unwrap();
    let narrator = edge.children.iter().find(|child| child.id == "narrator").unwrap();
    assert!(narrator.restarts > 0, "it was killed");
    until("all is out", || engine.load().is_idle().then_some(()));
    engine.shutdown(std::time::Duration::from_secs(5)).await;
}

// A narrator that begins anew looks up every run that is open: one that has ended must not be among
// them, however often its key is asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_has_ended_is_not_told_again_however_often_it_is_asked_for() {
    let (engine, url, _dir) = engine().await;
    let mut client = Client::connect(&url, TOKEN).await;
    let runs: Vec<String> = (0..10).map(|number| format!("r{number}")).collect();
    for run in &runs {
        client.send("main", "hello", run).await;
        assert_eq!(client.ending(run).await["state"], "final");
    }
    for _ in 0..KILLS {
        let mut asked = Vec::new();
        for number in 0..400 {
            let run = &runs[number % runs.len()];
            asked.push(client.ask("chat.send", message("main", "hello", run)).await);
            if number == 100 {
                until("it runs", || engine.kill_actor("edge/narrator").then_some(()));
            }
        }
        for id in &asked {
            assert_eq!(client.answer(id).await.unwrap()["status"], "ok");
        }
    }
    let rest = client.rest().await;
    let twice = rest.iter().filter(|event| runs.iter().any(|run| is_ending_of(event, run))).count();
    assert_eq!(twice, 0, "{rest:#?}");
    engine.shutdown(std::time::Duration::from_secs(5)).await;
}
