//! Ollama's own chat format: models on this machine or the next, without a key.

mod wire;

use futures_util::future::BoxFuture;

use super::http::Http;
use super::{Completion, ConfigError, Failure, HttpConfig, Provider, Request, TextSink};

/// A client of one Ollama server.
#[derive(Debug)]
pub struct Ollama {
    http: Http,
}

impl Ollama {
    /// A client of the server at `config.base_url`, such as `http://127.0.0.1:11434`.
    pub fn new(config: HttpConfig) -> Result<Self, ConfigError> {
        let key = config.api_key.as_ref();
        let own: Vec<_> = key
            .map(|key| ("authorization", format!("Bearer {}", key.reveal())))
            .into_iter()
            .collect();
        Ok(Self { http: Http::new(&config, &["api", "chat"], &own)? })
    }
}

impl Provider for Ollama {
    fn stream<'a>(
        &'a self,
        request: &'a Request,
        sink: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        Box::pin(self.http.post(wire::encode(request), wire::Decoder::default(), sink))
    }
}
