//! Anthropic's messages.

mod wire;

use futures_util::future::BoxFuture;

use super::http::Http;
use super::{Completion, ConfigError, Failure, HttpConfig, Provider, Request, TextSink};

/// The version of the format this client speaks.
const VERSION: &str = "2023-06-01";

/// A client of one server that speaks the messages format.
#[derive(Debug)]
pub struct Anthropic {
    http: Http,
}

impl Anthropic {
    /// A client of the server at `config.base_url`, such as `https://api.anthropic.com`.
    pub fn new(config: HttpConfig) -> Result<Self, ConfigError> {
        let mut own = vec![("anthropic-version", VERSION.to_owned())];
        own.extend(config.api_key.as_ref().map(|key| ("x-api-key", key.reveal().to_owned())));
        Ok(Self { http: Http::new(&config, &["v1", "messages"], &own)? })
    }
}

impl Provider for Anthropic {
    fn stream<'a>(
        &'a self,
        request: &'a Request,
        sink: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        Box::pin(self.http.post(wire::encode(request), wire::Decoder::default(), sink))
    }
}
