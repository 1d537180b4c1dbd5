//! `read`, `write`, `edit` and `exec`, on real files and processes.

use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use telson_actors::store::MemoryBackend;

use crate::kit::{Model, answer_of, engine, settings, stop};
use crate::support::{Platform, direct, idle};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_writes_reads_edits_and_runs() {
    let (platform, dir) = (Platform::new(), tempfile::tempdir().unwrap());
    let model = Model::calling(vec![
        ("write", json!({"path": "notes/a.txt", "content": "one\ntwo\nthree\n"})),
        ("edit", json!({"path": "notes/a.txt", "oldText": "two", "newText": "TWO"})),
        ("edit", json!({"path": "notes/a.txt", "oldText": "zwei", "newText": "x"})),
        ("read", json!({"path": "notes/a.txt", "offset": 2, "limit": 1})),
        ("read", json!({"path": "notes"})),
        ("exec", json!({"command": "cat a.txt | tr a-z A-Z", "workdir": "notes"})),
    ]);
    let answer = answer_of(engine(&platform, &model, settings(dir.path())), &platform, "go").await;
    assert_eq!(
        std::fs::read_to_string(dir.path().join("notes/a.txt")).unwrap(),
        "one\nTWO\nthree\n"
    );
    let parts: Vec<&str> = answer.split("\n+ ").collect();
    assert_eq!(parts[0], "wrote 14 bytes to notes/a.txt");
    assert_eq!(parts[1], "changed 1 place of notes/a.txt");
    assert!(parts[2].contains("not in the file"), "{}", parts[2]);
    assert_eq!(parts[3], "TWO\n[3 lines in all; go on with offset 3]\n");
    assert_eq!(parts[4], "notes is a folder:\na.txt\n");
    assert_eq!(parts[5].trim(), "ONE\nTWO\nTHREE\n[exit code 0]");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_leads_out_of_the_workspace() {
    let (platform, dir) = (Platform::new(), tempfile::tempdir().unwrap());
    let (space, outside) = (dir.path().join("space"), dir.path().join("secret"));
    std::fs::create_dir(&space).unwrap();
    std::fs::write(&outside, "hush").unwrap();
    symlink(&outside, space.join("key")).unwrap();
    symlink(dir.path(), space.join("door")).unwrap();
    let model = Model::calling(vec![
        ("read", json!({"path": "../secret"})),
        ("read", json!({"path": outside})),
        ("read", json!({"path": "key"})),
        ("read", json!({"path": "door/secret"})),
        ("write", json!({"path": "door/secret", "content": "gone"})),
        ("write", json!({"path": "key", "content": "gone"})),
        ("edit", json!({"path": "key", "oldText": "hush", "newText": "gone"})),
        ("exec", json!({"command": "pwd", "workdir": "door"})),
    ]);
    let answer = answer_of(engine(&platform, &model, settings(&space)), &platform, "go").await;
    assert!(!answer.contains("hush"), "{answer}");
    assert_eq!(answer.matches("outside the workspace").count(), 2, "{answer}");
    assert_eq!(answer.matches("symbolic link").count(), 5, "{answer}");
    assert!(answer.contains("was not touched"), "{answer}");
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "hush");
}

// A write is made again after a crash and an edit is not; a command that was cut off is ended with
// the engine that ran it, and told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_cut_off_by_the_end_of_the_engine_is_ended_and_told() {
    let (platform, dir) = (Platform::new(), tempfile::tempdir().unwrap());
    let space = dir.path().join("space");
    let model = Model::calling(vec![(
        "exec",
        json!({"command": "echo $$ >>pids; sleep 1000 & echo $! >>pids; touch begun; wait"}),
    )]);
    let start = || engine(&platform, &model, settings(&space)).state_dir(dir.path().join("state"));
    let first = start().start().await.unwrap();
    first.inject(direct("1", "anna", "go")).await.unwrap();
    while !space.join("begun").exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop(first).await;
    let pids = std::fs::read_to_string(space.join("pids")).unwrap();
    for pid in pids.lines() {
        let is_alive = || {
            let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            line.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
        };
        let ends = async {
            while is_alive() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), ends).await.expect("the command is ended");
    }
    let second = start().start().await.unwrap();
    idle(&second).await;
    stop(second).await;
    let answer = platform.sent_to("anna").join("");
    assert!(answer.contains("outcome of this call is unknown"), "{answer}");
    assert_eq!(std::fs::read_to_string(space.join("pids")).unwrap(), pids, "it ran once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateways_own_files_are_out_of_reach_although_the_workspace_holds_them() {
    let (platform, dir) = (Platform::new(), tempfile::tempdir().unwrap());
    let state = dir.path().join("state");
    let model = Model::calling(vec![
        ("read", json!({"path": "state"})),
        ("write", json!({"path": "state/telson.json", "content": "{}"})),
    ]);
    let engine = engine(&platform, &model, settings(dir.path())).state_dir(&state).start();
    let engine = engine.await.unwrap();
    engine.inject(direct("1", "anna", "go")).await.unwrap();
    idle(&engine).await;
    stop(engine).await;
    let answer = platform.sent_to("anna").join("");
    assert_eq!(answer.matches("belongs to the gateway itself").count(), 2, "{answer}");
    assert!(!state.join("telson.json").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_without_a_folder_have_none_in_memory_and_their_own_beside_the_store() {
    let (platform, dir) = (Platform::new(), tempfile::tempdir().unwrap());
    let model = Model::calling(vec![("write", json!({"path": "a", "content": "x"}))]);
    let none = telson_actors::tool::core::CoreSettings::default();
    let answer = answer_of(engine(&platform, &model, none.clone()), &platform, "go").await;
    assert!(answer.contains("no workspace"), "{answer}");
    let engine = engine(&platform, &model, none).state_dir(dir.path()).start().await.unwrap();
    engine.inject(direct("1", "anna", "go")).await.unwrap();
    idle(&engine).await;
    stop(engine).await;
    assert_eq!(std::fs::read_to_string(dir.path().join("workspace/a")).unwrap(), "x");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_over_its_time_ends_and_the_turn_goes_on() {
    let (platform, dir) = (Platform::new(), tempfile::tempdir().unwrap());
    let model = Model::calling(vec![
        ("exec", json!({"command": "echo begun; sleep 1000", "timeout": 1})),
        ("exec", json!({"command": "echo next"})),
    ]);
    let builder = engine(&platform, &model, settings(dir.path()));
    let engine = builder.backend(Arc::new(MemoryBackend::new())).start().await.unwrap();
    engine.inject(direct("1", "anna", "go")).await.unwrap();
    idle(&engine).await;
    stop(engine).await;
    let answer = platform.sent_to("anna").join("");
    assert!(answer.contains("begun\n[stopped after 1 s"), "{answer}");
    assert!(answer.contains("next\n[exit code 0]"), "{answer}");
}
