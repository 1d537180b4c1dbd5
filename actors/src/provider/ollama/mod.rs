//! Ollama's own chat format: models on this machine or the next, without a key.

mod wire;

use futures_util::future::BoxFuture;

use super::embedding::{Embedder, Format};
use super::http::Http;
use super::{
    Completion, ConfigError, EmbedRequest, Embeddings, Failure, HttpConfig, Provider, Request,
    TextSink,
};

/// A client of one Ollama server.
#[derive(Debug)]
pub struct Ollama {
    http: Http,
    embedder: Embedder,
}

impl Ollama {
    /// A client of the server at `config.base_url`, such as `http://127.0.0.1:11434`.
    pub fn new(config: HttpConfig) -> Result<Self, ConfigError> {
        let key = config.api_key.as_ref();
        let own: Vec<_> = key
            .map(|key| ("authorization", format!("Bearer {}", key.reveal())))
            .into_iter()
            .collect();
        let embedder = Embedder::new(&config, Format::Ollama, &own)?;
        Ok(Self { http: Http::new(&config, &["api", "chat"], &own)?, embedder })
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

    fn can_embed(&self) -> bool {
        true
    }

    fn embed<'a>(
        &'a self,
        request: &'a EmbedRequest,
    ) -> BoxFuture<'a, Result<Embeddings, Failure>> {
        Box::pin(self.embedder.embed(request))
    }
}
