//! MCP servers: from their config to what starts or reaches them.

use std::collections::BTreeMap;
use std::time::Duration;

use telson_actors::mcp::{McpServer, Transport};
use telson_actors::provider::Secret;

use super::Assembly;
use super::channels::expand;
use crate::config::{self, Config, Lookup, McpEntry, McpTransport};

/// What a child sees of our environment: where things are, and no keys.
const INHERITED: [&str; 10] =
    ["HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER"];

pub(super) fn add(assembly: &mut Assembly, config: &Config, env: &Lookup<'_>) {
    let agents = config.agents_map();
    let agents: Vec<&str> = agents.keys().map(String::as_str).collect();
    for (name, entry) in &config.mcp.servers {
        if !entry.enabled {
            assembly.notes.push(format!("MCP server {name} is switched off in the config"));
            continue;
        }
        if entry.transport == Some(McpTransport::Sse) {
            assembly.warnings.push(format!(
                "mcp.servers.{name} is not used: its transport sse is the protocol's old one; \
                 if the server speaks streamable-http, say so"
            ));
            continue;
        }
        let Some(transport) = transport(entry, env) else { continue };
        assembly.notes.push(note(name, &transport));
        let mut server = McpServer::new(name, transport);
        limit(&mut server, entry, config);
        assembly.build(|builder| builder.mcp_server(server, &agents));
    }
}

fn transport(entry: &McpEntry, env: &Lookup<'_>) -> Option<Transport> {
    let home = env("HOME").filter(|home| !home.is_empty());
    if let Some(command) = &entry.command {
        let program = expand(command, home.as_deref()).to_string_lossy().into_owned();
        let inherited = INHERITED.iter().filter(|name| !entry.env.contains_key(**name));
        let inherited =
            inherited.filter_map(|name| Some(((*name).to_owned(), Secret::new(env(name)?))));
        return Some(Transport::Stdio {
            program,
            args: entry.args.clone(),
            env: inherited.chain(known(&entry.env)).collect(),
            cwd: entry.cwd.as_ref().map(|cwd| expand(cwd, home.as_deref())),
        });
    }
    let url = entry.url.clone()?;
    Some(Transport::Http { url, headers: known(&entry.headers).collect() })
}

/// Those whose value is known; the others were warned of when the config was read.
fn known(secrets: &BTreeMap<String, config::Secret>) -> impl Iterator<Item = (String, Secret)> {
    secrets.iter().filter_map(|(name, value)| Some((name.clone(), Secret::new(value.expose()?))))
}

fn limit(server: &mut McpServer, entry: &McpEntry, config: &Config) {
    if let Some(millis) = entry.connection_timeout_ms {
        server.connect_max = Duration::from_millis(millis);
    }
    if let Some(millis) = entry.request_timeout_ms {
        server.call_max = Duration::from_millis(millis);
    }
    if let Some(millis) = config.mcp.session_idle_ttl_ms {
        server.idle_max = (millis > 0).then(|| Duration::from_millis(millis));
    }
    if !entry.supports_parallel_tool_calls {
        server.calls_max = 1;
    }
    server.include.clone_from(&entry.tool_filter.include);
    server.exclude.clone_from(&entry.tool_filter.exclude);
}

/// Without arguments and queries: people put keys there.
fn note(name: &str, transport: &Transport) -> String {
    match transport {
        Transport::Stdio { program, .. } => format!("MCP server {name} is started as {program}"),
        Transport::Http { url, .. } => {
            let place = url.split('?').next().unwrap_or_default();
            format!("MCP server {name} is reached at {place}")
        }
    }
}
