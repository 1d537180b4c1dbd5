//! The whole program with servers in its config.

use std::time::Duration;

use serde_json::json;

use super::kit::{Moody, lives, node, tools};
use super::service_kit::{Home, until};

fn config(moody: &Moody, more: &str) -> String {
    let servers = json!({
        "m": {
            "command": node(),
            "args": ["--input-type=module", "-e", include_str!("tools/moody.mjs")],
            "env": {"LEDGER": moody.ledger_path(), "TOKEN": {"source": "env", "id": "MOODY_TOKEN"}},
            "cwd": tools(),
            "toolFilter": {"exclude": ["d*", "hang"]},
        },
    });
    format!("{{mcp: {{servers: {servers}}}{more}}}")
}

#[test]
fn a_configured_server_is_shown_in_the_tree_and_ends_with_the_service() {
    let (home, moody) = (Home::new(), Moody::new());
    home.configure(&config(&moody, ""));
    let service = home.start(&[]);
    until("the server is up", || service.note("m").filter(|note| note.starts_with("up, 6 tools")));
    let tree = home.ask(&["tree"]);
    assert!(tree.out.contains("mcp") && tree.out.contains("up, 6 tools"), "{}", tree.out);
    assert!(service.out().contains("MCP server m is started as"), "{}", service.out());
    assert!(service.log().contains("MOODY_TOKEN is not set"), "{}", service.log());
    let pid = moody.pids()[0].clone();
    service.stop();
    assert!(!lives(&pid), "it ended before the service did");
}

#[test]
fn a_server_outlives_a_killed_service_by_a_moment_only() {
    let (home, moody) = (Home::new(), Moody::new());
    home.configure(&config(&moody, ""));
    let service = home.start(&[]);
    until("the server is up", || service.note("m").filter(|note| note.starts_with("up")));
    let pid = moody.pids()[0].clone();
    service.kill();
    until("the end of its input ends it", || (!lives(&pid)).then_some(Duration::ZERO));
}

#[test]
fn a_wrong_server_is_refused_with_its_place() {
    let home = Home::new();
    home.configure("{mcp: {servers: {\n  a: {comand: 'x'},\n  b: {url: 'b.test'},\n}}}\n");
    let refused = home.ask(&["config", "validate"]);
    assert_eq!(refused.code, 78);
    assert!(refused.err.contains(":2:7: mcp.servers.a.comand: unknown key"), "{}", refused.err);
    assert!(refused.err.contains("did you mean `command`?"), "{}", refused.err);
    home.configure("{mcp: {servers: {\n  a: {},\n  b: {url: 'b.test'},\n}}}\n");
    let refused = home.ask(&["config", "validate"]);
    assert!(refused.err.contains(":2:6: mcp.servers.a: needs a `command`"), "{}", refused.err);
    assert!(refused.err.contains("mcp.servers.b: its `url` must start"), "{}", refused.err);
}

#[test]
fn the_old_transport_is_named_and_left_out() {
    let home = Home::new();
    home.configure(
        "{mcp: {servers: {a: {url: 'https://a.test/sse', transport: 'sse', auth: 'oauth'}}}}",
    );
    let service = home.start(&[]);
    assert!(service.log().contains("mcp.servers.a is not used"), "{}", service.log());
    assert!(
        service.log().contains("known but not used yet: mcp.servers.a.auth"),
        "{}",
        service.log()
    );
    assert_eq!(service.node("a"), None);
    service.stop();
}
