//! How one server is reached, and its limits.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::provider::Secret;

/// From the start of a server to its list of tools: programs that are fetched first take long.
const CONNECT_MAX: Duration = Duration::from_secs(30);
/// One call of a tool.
const CALL_MAX: Duration = Duration::from_mins(1);
/// A server without a call for this long is stopped.
const IDLE_MAX: Duration = Duration::from_mins(10);
/// Calls of one server at the same time.
const CALLS_MAX: usize = 16;

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpServer {
    /// Its name, the part of its tools' names before `__`.
    pub name: String,
    /// How it is reached.
    pub transport: Transport,
    /// Longest time from its start to its list of tools. Default: 30 seconds.
    pub connect_max: Duration,
    /// Longest time of one call. Default: one minute.
    pub call_max: Duration,
    /// Time without a call after which it is stopped; `None` for never. Default: ten minutes.
    pub idle_max: Option<Duration>,
    /// Calls at the same time, over all sessions; further ones wait. Default: 16.
    pub calls_max: usize,
    /// Names of the tools that are offered, `*` for any text in them. Empty: all.
    pub include: Vec<String>,
    /// Names of tools that are not offered, even if they are included.
    pub exclude: Vec<String>,
}

/// The way to a server.
#[derive(Clone, PartialEq, Eq)]
pub enum Transport {
    /// A child process that speaks on its standard input and output.
    Stdio {
        /// The program, looked up on the `PATH` of `env`.
        program: String,
        /// Its arguments.
        args: Vec<String>,
        /// Its whole environment: nothing is inherited, because ours holds keys.
        env: Vec<(String, Secret)>,
        /// Its working directory. Default: ours.
        cwd: Option<PathBuf>,
    },
    /// An address that speaks streamable HTTP.
    Http {
        /// The address.
        url: String,
        /// Headers of every request; they may hold keys.
        headers: Vec<(String, Secret)>,
    },
}

impl McpServer {
    /// A server with the usual limits and all its tools.
    pub fn new(name: impl Into<String>, transport: Transport) -> Self {
        Self {
            name: name.into(),
            transport,
            connect_max: CONNECT_MAX,
            call_max: CALL_MAX,
            idle_max: Some(IDLE_MAX),
            calls_max: CALLS_MAX,
            include: Vec::new(),
            exclude: Vec::new(),
        }
    }

    /// Everything that must not appear in a message.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        match &self.transport {
            Transport::Stdio { .. } => Vec::new(),
            Transport::Http { url, headers } => {
                let words = headers.iter().flat_map(|(_, value)| value.reveal().split_whitespace());
                let query = url.split_once('?').map(|(_, query)| query);
                words
                    .filter(|word| word.len() >= SECRET_BYTES_MIN)
                    .chain(query)
                    .map(Secret::new)
                    .collect()
            }
        }
    }
}

/// Shorter header words are switches and schemes, not keys.
const SECRET_BYTES_MIN: usize = 8;

/// The name of a server's actor.
pub fn server_name(server: &str) -> String {
    format!("mcp/{server}")
}

impl fmt::Debug for Transport {
    /// Values of variables and headers and the query of an address are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn names(pairs: &[(String, Secret)]) -> Vec<&str> {
            pairs.iter().map(|(name, _)| name.as_str()).collect()
        }
        match self {
            Self::Stdio { program, args, env, cwd } => f
                .debug_struct("Stdio")
                .field("program", program)
                .field("args", &args.len())
                .field("env", &names(env))
                .field("cwd", cwd)
                .finish(),
            Self::Http { url, headers } => f
                .debug_struct("Http")
                .field("url", &url.split('?').next())
                .field("headers", &names(headers))
                .finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_and_secrets_know_what_is_a_key() {
        let headers = vec![("authorization".into(), Secret::new("Bearer hush-hush"))];
        let url = "https://a.test/mcp?key=hush".into();
        let server = McpServer::new("a", Transport::Http { url, headers });
        let shown = format!("{server:?}");
        assert!(shown.contains("a.test") && !shown.contains("hush"), "{shown}");
        assert_eq!(server.secrets(), [Secret::new("hush-hush"), Secret::new("key=hush")]);
    }
}
