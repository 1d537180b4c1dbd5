//! A call by hand that is cut off: nobody knows whether it was made, so it is not made again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use telson::Host;
use telson::control::ControlSpec;
use telson_actors::store::MemoryBackend;
use tokio::task::JoinHandle;

use crate::support::Platform;
use crate::wire::Wire;
use crate::{Counter, Model, engine, stop};

fn invoke(socket: &Path) -> JoinHandle<Result<Value, String>> {
    invoke_as(socket, "k")
}

fn invoke_as(socket: &Path, key: &str) -> JoinHandle<Result<Value, String>> {
    let socket = socket.to_owned();
    let params = json!({"name": "count", "args": {"by": 1}, "idempotencyKey": key});
    tokio::task::spawn_blocking(move || {
        Wire::connect(&socket).expect("it listens").call("tools.invoke", &params)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_by_hand_that_is_cut_off_is_unknown_and_not_made_again() {
    let (platform, tool) = (Platform::new(), Arc::new(Counter::default()));
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let control = ControlSpec { path: socket.clone(), host: Host::default() };
    let engine = engine(&platform, &Arc::new(Model::default()), &tool)
        .control(control)
        .backend(Arc::new(MemoryBackend::new()))
        .start()
        .await
        .unwrap();
    tool.hang_in.store(1, Ordering::SeqCst);
    let calling = invoke(&socket);
    tool.hanging.notified().await;
    assert!(engine.kill_actor("core/tools"));
    let told = calling.await.unwrap().unwrap_err();
    assert!(told.contains("nobody knows whether the call was made"), "{told}");
    let again = async {
        loop {
            let told = invoke(&socket).await.unwrap().unwrap_err();
            if !told.contains("the tools are restarting") {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let told = tokio::time::timeout(Duration::from_secs(30), again).await.unwrap();
    assert!(told.contains("was made before"), "{told}");
    assert_eq!(tool.ledger().len(), 1);
    stop(engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_by_hand_is_waited_for_by_who_repeats_it_and_by_who_stops_the_engine() {
    let (platform, tool) = (Platform::new(), Arc::new(Counter::default()));
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let control = ControlSpec { path: socket.clone(), host: Host::default() };
    let engine = engine(&platform, &Arc::new(Model::default()), &tool)
        .control(control)
        .state_dir(folder.path())
        .start()
        .await
        .unwrap();
    tool.wait_in.store(1, Ordering::SeqCst);
    let first = invoke(&socket);
    tool.hanging.notified().await;
    let repeats: Vec<_> = (0..4).map(|_| invoke(&socket)).collect();
    // Another one comes and goes meanwhile.
    let other = invoke_as(&socket, "other").await.unwrap().unwrap();
    assert_eq!(other["output"]["content"][0]["text"], "call 2", "{other}");
    // Those who repeat look one after the other whether it is made, and count meanwhile.
    let began = tokio::time::Instant::now();
    while engine.load().calls != 1 {
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", engine.load());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!engine.load().is_idle());
    let never = Duration::from_millis(100);
    assert!(!engine.drain(never).await, "it is still there at the end of that time");
    tool.go_on.notify_one();
    let told = first.await.unwrap().unwrap();
    assert_eq!(told["output"]["content"][0]["text"], "call 1", "{told}");
    for repeat in repeats {
        // Who came only when the end was near is told so.
        match repeat.await.unwrap() {
            Ok(again) => assert_eq!(again, told),
            Err(error) => assert!(error.contains("during gateway restart"), "{error}"),
        }
    }
    assert_eq!(tool.ledger().len(), 2);
    assert!(engine.drain(Duration::from_secs(30)).await, "nothing is left");
    stop(engine).await;
}
