//! OpenAI's chat completions, which many other servers speak too.

mod wire;

use futures_util::future::BoxFuture;

use self::wire::OutputLimit;
use super::embedding::{Embedder, Format};
use super::http::Http;
use super::{
    Completion, ConfigError, EmbedRequest, Embeddings, Failure, HttpConfig, Provider, Request,
    TextSink,
};

/// OpenAI's own servers have renamed the output limit; the others know only the old name.
const OPENAI_HOST: &str = "api.openai.com";

/// A client of one server that speaks chat completions.
#[derive(Debug)]
pub struct OpenAi {
    http: Http,
    limit: OutputLimit,
    embedder: Embedder,
}

impl OpenAi {
    /// A client of the server at `config.base_url`, such as `https://api.openai.com/v1`.
    pub fn new(config: HttpConfig) -> Result<Self, ConfigError> {
        let key = config.api_key.as_ref();
        let own: Vec<_> = key
            .map(|key| ("authorization", format!("Bearer {}", key.reveal())))
            .into_iter()
            .collect();
        let http = Http::new(&config, &["chat", "completions"], &own)?;
        let limit = match http.host() {
            OPENAI_HOST => OutputLimit::MaxCompletionTokens,
            _ => OutputLimit::MaxTokens,
        };
        let embedder = Embedder::new(&config, Format::OpenAi, &own)?;
        Ok(Self { http, limit, embedder })
    }
}

impl Provider for OpenAi {
    fn stream<'a>(
        &'a self,
        request: &'a Request,
        sink: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        let body = wire::encode(request, self.limit);
        Box::pin(self.http.post(body, wire::Decoder::default(), sink))
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
