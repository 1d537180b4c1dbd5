//! How a provider's address is reached, and what makes such a configuration unusable.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::provider::Secret;

/// Name lookup, TCP and TLS together. A host that needs longer is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Silence of a hosted model, keep-alives included.
const IDLE_TIMEOUT: Duration = Duration::from_mins(2);
/// One whole call. No single answer of a model takes longer.
const TOTAL_TIMEOUT: Duration = Duration::from_mins(30);
/// One whole answer with all its framing: an event of 200 bytes for each of 300 000 tokens.
const RESPONSE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Address, key and limits of one provider.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// The address below which the provider's paths lie, such as `https://api.openai.com/v1`.
    /// Without user name, password and query: keys have their own field.
    pub base_url: String,
    /// The key, if the provider asks for one.
    pub api_key: Option<Secret>,
    /// Further headers. They replace our own of the same name, and count as secret.
    pub headers: Vec<(String, String)>,
    /// Limit for reaching the server: name lookup, TCP and TLS.
    pub connect_timeout: Duration,
    /// Limit for silence, before the answer and inside it.
    pub idle_timeout: Duration,
    /// Limit for the whole call.
    pub total_timeout: Duration,
    /// Limit for the whole answer.
    pub response_bytes_max: usize,
}

impl HttpConfig {
    /// The usual limits, no key and no headers.
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            api_key: None,
            headers: Vec::new(),
            connect_timeout: CONNECT_TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
            total_timeout: TOTAL_TIMEOUT,
            response_bytes_max: RESPONSE_BYTES_MAX,
        }
    }
}

impl fmt::Debug for HttpConfig {
    /// Header values are left out: some providers take their key in one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("HttpConfig")
            .field("base_url", &self.base_url)
            .field("api_key", &self.api_key)
            .field("headers", &names)
            .field("connect_timeout", &self.connect_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("total_timeout", &self.total_timeout)
            .field("response_bytes_max", &self.response_bytes_max)
            .finish()
    }
}

/// Why no client can be built from a configuration. Never repeats a value from it.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The address cannot be used.
    #[error("use the provider's base_url: {reason}")]
    BaseUrl {
        /// What is wrong with it and what it should look like.
        reason: String,
    },
    /// The key cannot be sent.
    #[error("use the provider's api_key: it holds a character no header may have (a line break?)")]
    ApiKey,
    /// A header cannot be sent.
    #[error("use the provider's header {name:?}: its name or value holds a forbidden character")]
    Header {
        /// The header's name.
        name: String,
    },
    /// Nobody has chosen how TLS encrypts.
    #[error(
        "build the provider's client: install a rustls crypto provider before the engine starts"
    )]
    NoCrypto,
    /// The HTTP library refused.
    #[error("build the provider's client: {reason}")]
    Client {
        /// The library's words.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_key_nor_header_values() {
        let mut config = HttpConfig::new("https://example.test/v1");
        config.api_key = Some(Secret::new("key-one-value"));
        config.headers.push(("x-team".into(), "key-two-value".into()));
        let shown = format!("{config:?}");
        assert!(shown.contains("x-team") && shown.contains("example.test"));
        assert!(!shown.contains("key-one") && !shown.contains("key-two"));
    }
}
