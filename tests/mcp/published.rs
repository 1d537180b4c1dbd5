//! The protocol's own servers, as they are published.

use super::kit::{Rig, published, stdio};

fn everything() -> telson_actors::mcp::McpServer {
    stdio("all", &[&published("server-everything"), "stdio"], &[("SHOWN", "yes")])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_calls_tools_of_every_kind() {
    let rig = Rig::new(&[everything()]).await;
    let answer = rig
        .turn(&[
            r#"all__echo {"message": "hello there"}"#,
            r#"all__get-sum {"a": 2, "b": 40}"#,
            "all__get-tiny-image",
            r#"all__get-structured-content {"location": "Chicago"}"#,
            r#"all__get-resource-reference {"resourceType": "Blob", "resourceId": 1}"#,
            r#"all__get-resource-links {"count": 1}"#,
        ])
        .await;
    assert!(answer.contains("Echo: hello there"), "{answer}");
    assert!(answer.contains("42"), "{answer}");
    assert!(answer.contains("[image, image/png, "), "{answer}");
    assert!(answer.contains("\"temperature\""), "{answer}");
    assert!(answer.contains("[resource demo://resource/dynamic/blob/1, text/plain, "), "{answer}");
    assert!(answer.contains("[resource demo://resource/"), "{answer}");
    assert!(rig.note("all").starts_with("up, 13 tools"), "{}", rig.note("all"));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_are_checked_and_the_environment_is_not_inherited() {
    let rig = Rig::new(&[everything()]).await;
    let answer = rig
        .turn(&[
            r#"all__get-sum {"a": "two", "b": 40}"#,
            "all__get-env",
            r#"all__get-sum {"a": 1}"#,
        ])
        .await;
    assert!(answer.contains("arguments.a must be of type number"), "{answer}");
    assert!(answer.contains("SHOWN") && answer.contains("yes"), "{answer}");
    assert!(!answer.contains("CARGO_MANIFEST_DIR"), "our environment stays ours: {answer}");
    let sum = rig.model.offered().into_iter().find(|spec| spec.name == "all__get-sum").unwrap();
    assert_eq!(sum.parameters["properties"]["a"]["type"], "number", "the model knows the schema");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_written_and_read_where_the_server_may() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let mut server =
        stdio("files", &[&published("server-filesystem"), &root.to_string_lossy()], &[]);
    server.exclude = vec!["move_*".into()];
    let rig = Rig::new(&[server]).await;
    let note = root.join("note.txt");
    let path = note.to_string_lossy();
    let answer = rig
        .turn(&[
            &format!(r#"files__write_file {{"path": "{path}", "content": "kept"}}"#),
            &format!(r#"files__read_text_file {{"path": "{path}"}}"#),
            r#"files__read_text_file {"path": "/etc/hostname"}"#,
            &format!(r#"files__move_file {{"source": "{path}", "destination": "{path}2"}}"#),
        ])
        .await;
    assert_eq!(std::fs::read_to_string(&note).unwrap(), "kept");
    assert!(answer.contains("\nkept"), "{answer}");
    assert!(answer.contains("Access denied"), "the server's refusal is told: {answer}");
    assert!(answer.contains("there is no tool \"files__move_file\""), "{answer}");
    assert!(!rig.model.offered_names().contains(&"files__move_file".to_owned()));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_engines_share_no_server() {
    let (one, other) = (Rig::new(&[everything()]).await, Rig::new(&[everything()]).await);
    one.turn(&["all__get-tiny-image"]).await;
    one.stop().await;
    let answer = other.turn(&[r#"all__echo {"message": "still here"}"#]).await;
    assert_eq!(answer, "Echo: still here");
    other.stop().await;
}
