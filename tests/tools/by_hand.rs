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
    let socket = socket.to_owned();
    let params = json!({"name": "count", "args": {"by": 1}, "idempotencyKey": "k"});
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
