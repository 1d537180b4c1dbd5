//! MCP servers: each has one way to be reached and a name of its own.

use std::collections::BTreeMap;

use telson_actors::mcp::names::server_part;

use super::super::finding::Finding;
use super::super::mcp::{McpEntry, McpTransport};
use super::super::path::Path;
use super::super::root::Config;
use super::Checked;
use super::models::is_web_address;

/// Checks every server that is switched on.
pub(super) fn check(config: &Config, checked: &mut Checked) {
    let mut parts: BTreeMap<String, &str> = BTreeMap::new();
    for (name, server) in config.mcp.servers.iter().filter(|(_, server)| server.enabled) {
        let path = Path::of(&["mcp", "servers", name]);
        check_way(server, &path, checked);
        if let Some(other) = parts.insert(server_part(name), name) {
            let message = format!("its tools would be called like those of {other:?}");
            let help = "names may differ in letters, digits, _ and - within their first 30";
            checked.problem(Finding::new(path.clone(), message).with_help(help));
        }
        if name.is_empty() {
            checked.problem(Finding::new(path.clone(), "a server needs a name"));
        }
        let times = [
            ("connectionTimeoutMs", server.connection_timeout_ms),
            ("requestTimeoutMs", server.request_timeout_ms),
        ];
        for (key, _) in times.iter().filter(|(_, time)| *time == Some(0)) {
            checked.problem(Finding::new(path.key(key), "must be at least 1"));
        }
    }
}

fn check_way(server: &McpEntry, path: &Path, checked: &mut Checked) {
    let problem = match (&server.command, &server.url) {
        (None, None) => "needs a `command` to start or a `url` to reach",
        (Some(_), Some(_)) => "has both a `command` and a `url`; choose one",
        (Some(command), _) if command.trim().is_empty() => "its `command` is empty",
        (None, Some(url)) if !is_web_address(url) => {
            "its `url` must start with http:// or https://, with a host behind it"
        }
        (None, Some(_)) if server.transport == Some(McpTransport::Stdio) => {
            "stdio needs a `command`"
        }
        (Some(_), None) if !matches!(server.transport, None | Some(McpTransport::Stdio)) => {
            "this transport needs a `url`"
        }
        _ => return,
    };
    checked.problem(Finding::new(path.clone(), problem));
}

#[cfg(test)]
mod tests {
    use super::super::tests::problems;

    #[test]
    fn a_server_is_reached_one_way() {
        let found = problems(
            "{mcp: {servers: {none: {}, both: {command: 'a', url: 'https://a.test'},
              far: {url: 'a.test'}, off: {enabled: false}, odd: {command: 'a', transport: 'sse'},
              ok: {command: 'a'}, web: {url: 'http://a.test', transport: 'streamable-http'}}}}",
        );
        let places: Vec<&str> = found.iter().filter_map(|line| line.split(':').next()).collect();
        let servers = ["both", "far", "none", "odd"];
        assert_eq!(places, servers.map(|server| format!("mcp.servers.{server}")), "{found:?}");
    }

    #[test]
    fn names_that_become_the_same_and_times_of_zero_are_refused() {
        let found = problems(
            "{mcp: {servers: {'a.b': {command: 'x'}, 'a:b': {command: 'x', requestTimeoutMs: 0}}}}",
        );
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("would be called like"), "{found:?}");
    }
}
