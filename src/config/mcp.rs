//! `mcp`: servers of the Model Context Protocol, which bring tools for the agents.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::secret::Secret;

/// The servers of the Model Context Protocol.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Mcp {
    /// Servers by name; their tools are called `<name>__<tool>`. Default: none.
    pub servers: BTreeMap<String, McpEntry>,
    /// Milliseconds without a call after which a server is stopped until its next call; 0 for
    /// never. Default: 600000.
    pub session_idle_ttl_ms: Option<u64>,
}

/// One server: a program to start (`command`) or an address (`url`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct McpEntry {
    /// Whether it is used. Default: true.
    pub enabled: bool,
    /// The program that is started and speaks on its standard input and output.
    pub command: Option<String>,
    /// Its arguments. Default: none.
    pub args: Vec<String>,
    /// Variables for it; values may be secret references. Of our own environment it only sees
    /// where things are (`HOME`, `PATH` and the like), never keys.
    pub env: BTreeMap<String, Secret>,
    /// The directory it runs in. Default: ours.
    #[serde(alias = "workingDirectory")]
    pub cwd: Option<String>,
    /// Its address, such as `https://host/mcp`.
    pub url: Option<String>,
    /// How it is spoken to. Default: streamable-http with `url`, stdio with `command`.
    pub transport: Option<McpTransport>,
    /// Headers sent with every request; values may be secret references. Default: none.
    pub headers: BTreeMap<String, Secret>,
    /// Longest time from its start to its list of tools, in milliseconds, at least 1.
    /// Default: 30000.
    #[serde(alias = "connectTimeoutMs")]
    pub connection_timeout_ms: Option<u64>,
    /// Longest time of one call, in milliseconds, at least 1. Default: 60000.
    pub request_timeout_ms: Option<u64>,
    /// Which of its tools are offered. Default: all.
    pub tool_filter: McpToolFilter,
    /// Whether it takes several calls at the same time. Default: true.
    pub supports_parallel_tool_calls: bool,
}

impl Default for McpEntry {
    fn default() -> Self {
        Self {
            enabled: true,
            command: None,
            args: Vec::new(),
            env: BTreeMap::new(),
            cwd: None,
            url: None,
            transport: None,
            headers: BTreeMap::new(),
            connection_timeout_ms: None,
            request_timeout_ms: None,
            tool_filter: McpToolFilter::default(),
            supports_parallel_tool_calls: true,
        }
    }
}

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum McpTransport {
    /// A child process.
    Stdio,
    /// One address for everything.
    #[serde(alias = "http")]
    StreamableHttp,
    /// The protocol's old way over HTTP; known, and not spoken here.
    Sse,
}

/// Names of tools; `*` stands for any text in them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct McpToolFilter {
    /// The tools that are offered. Default: all.
    pub include: Vec<String>,
    /// Tools that are not offered even if they are included. Default: none.
    pub exclude: Vec<String>,
}
