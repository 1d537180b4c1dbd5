//! A server that dies, hangs, learns and breeds: what it costs, and whom.

use std::time::Duration;

use telson_actors::mcp::{McpServer, Transport};

use super::kit::{Moody, Rig, lives, published, stdio, until};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_schema_refuses_never_reaches_the_server() {
    let moody = Moody::new();
    let rig = Rig::new(&[moody.server("m")]).await;
    let answer = rig.turn(&[r#"m__count {"by": "x"}"#, "m__count", r#"m__count {"by": 2}"#]).await;
    assert!(answer.contains("arguments.by must be of type integer"), "{answer}");
    assert!(answer.ends_with("call 1 by 2"), "{answer}");
    assert_eq!(moody.ledger(), ["count"]);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_that_come_at_run_time_are_offered_and_called() {
    let moody = Moody::new();
    let rig = Rig::new(&[moody.server("m")]).await;
    rig.turn(&[]).await;
    assert!(!rig.model.offered_names().contains(&"m__trick".to_owned()));
    assert_eq!(rig.turn(&["m__learn"]).await, "learned");
    until("the new tool is known", || rig.note("m").starts_with("up, 9 tools").then_some(())).await;
    assert_eq!(rig.turn(&["m__trick"]).await, "a trick");
    assert!(rig.model.offered_names().contains(&"m__trick".to_owned()));
    rig.stop().await;
}

// V3 for servers: one that dies costs its own call, and nobody knows what became of that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_the_server_dies_in_is_told_and_not_repeated() {
    let moody = Moody::new();
    let all = stdio("all", &[&published("server-everything"), "stdio"], &[]);
    let rig = Rig::new(&[moody.server("m"), all]).await;
    let answer = rig.turn(&["m__die", r#"all__echo {"message": "I am well"}"#]).await;
    assert!(answer.contains("the MCP server m was lost in the call"), "{answer}");
    assert!(answer.contains("the outcome of this call is unknown"), "{answer}");
    assert!(answer.ends_with("Echo: I am well"), "{answer}");
    assert_eq!(moody.ledger(), ["die"], "it was made once");
    // The next call starts it again.
    assert_eq!(rig.turn(&[r#"m__count {"by": 1}"#]).await, "call 2 by 1");
    assert_eq!(moody.pids().len(), 2);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_harmless_call_the_server_dies_in_is_made_again() {
    let moody = Moody::new();
    moody.mood(true);
    let rig = Rig::new(&[moody.server("m")]).await;
    assert_eq!(rig.turn(&["m__look"]).await, "seen");
    assert_eq!(moody.ledger(), ["look", "look"]);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_call_is_given_up_and_its_server_goes_on() {
    let moody = Moody::new();
    let mut server = moody.server("m");
    server.call_max = SECOND;
    let rig = Rig::new(&[server]).await;
    let answer = rig.turn(&["m__wait", r#"m__count {"by": 1}"#]).await;
    assert!(answer.contains("the MCP server m did not answer within 1s"), "{answer}");
    assert!(answer.contains("the outcome of this call is unknown"), "{answer}");
    assert!(answer.ends_with("call 2 by 1"), "{answer}");
    assert_eq!(moody.pids().len(), 1, "it was never restarted");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_killed_and_started_again() {
    let moody = Moody::new();
    let mut server = moody.server("m");
    server.call_max = SECOND;
    let rig = Rig::new(&[server]).await;
    let answer = rig.turn(&["m__hang"]).await;
    assert!(answer.contains("did not answer within 1s"), "{answer}");
    let pid = moody.pids()[0].clone();
    until("the hanging server is killed", || (!lives(&pid)).then_some(())).await;
    until("its state is shown", || rig.note("m").contains("it hangs").then_some(())).await;
    assert_eq!(rig.turn(&[r#"m__count {"by": 1}"#]).await, "call 2 by 1");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_server_sleeps_until_it_is_called() {
    let moody = Moody::new();
    let mut server = moody.server("m");
    server.idle_max = Some(Duration::from_millis(300));
    let rig = Rig::new(&[server]).await;
    rig.turn(&[r#"m__count {"by": 1}"#]).await;
    let pid = moody.pids()[0].clone();
    until("it sleeps", || rig.note("m").starts_with("asleep").then_some(())).await;
    assert!(!lives(&pid), "its process has ended");
    assert_eq!(rig.turn(&[r#"m__count {"by": 2}"#]).await, "call 2 by 2");
    assert!(rig.model.offered_names().contains(&"m__count".to_owned()), "asleep it is offered");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_started_ends_with_the_engine() {
    let moody = Moody::new();
    let rig = Rig::new(&[moody.server("m")]).await;
    let bred = rig.turn(&["m__breed"]).await;
    let pids: Vec<&str> = bred.split_whitespace().collect();
    assert!(pids.len() == 2 && pids.iter().all(|pid| lives(pid)), "{bred}");
    rig.stop().await;
    for pid in pids {
        until("it has ended", || (!lives(pid)).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_started_ends_when_its_actor_crashes() {
    let moody = Moody::new();
    let rig = Rig::new(&[moody.server("m")]).await;
    let bred = rig.turn(&["m__breed"]).await;
    assert!(rig.engine.kill_actor("core/mcp/m"));
    for pid in bred.split_whitespace() {
        until("it has ended", || (!lives(pid)).then_some(())).await;
    }
    until("it is up again", || {
        (moody.pids().len() == 2 && rig.note("m").starts_with("up")).then_some(())
    })
    .await;
    assert_eq!(rig.turn(&[r#"m__count {"by": 1}"#]).await, "call 2 by 1");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_start_is_shown_and_turns_go_on() {
    let program = "/nowhere/to/be/found".to_owned();
    let nowhere = Transport::Stdio { program, args: Vec::new(), env: Vec::new(), cwd: None };
    let dying = stdio("dying", &["-e", "console.error('no licence'); process.exit(5)"], &[]);
    let mute = stdio("mute", &["-e", "setInterval(() => {}, 1000)"], &[]);
    let mute = McpServer { connect_max: SECOND, ..mute };
    let rig = Rig::new(&[McpServer::new("lost", nowhere), dying, mute]).await;
    let answer = rig.turn(&["lost__anything"]).await;
    assert!(answer.contains("there is no tool \"lost__anything\""), "{answer}");
    for (server, words) in [
        ("lost", "cannot start \"/nowhere/to/be/found\""),
        ("dying", "it ended with exit status: 5; it last said: no licence"),
        ("mute", "it was not ready after 1s"),
    ] {
        until(server, || rig.note(server).contains(words).then_some(())).await;
    }
    rig.stop().await;
}
