//! Google's Gemini.

mod wire;

use futures_util::future::BoxFuture;

use super::http::Http;
use super::{Completion, ConfigError, Failure, HttpConfig, Provider, Request, TextSink};

/// A client of one server that speaks Gemini's format.
#[derive(Debug)]
pub struct Gemini {
    http: Http,
}

impl Gemini {
    /// A client of the server at `config.base_url`, such as
    /// `https://generativelanguage.googleapis.com/v1beta`.
    pub fn new(config: HttpConfig) -> Result<Self, ConfigError> {
        let key = config.api_key.as_ref();
        let own: Vec<_> =
            key.map(|key| ("x-goog-api-key", key.reveal().to_owned())).into_iter().collect();
        Ok(Self { http: Http::new(&config, &["models"], &own)? })
    }
}

impl Provider for Gemini {
    fn stream<'a>(
        &'a self,
        request: &'a Request,
        sink: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        // The model is part of the address.
        let method = format!("{}:streamGenerateContent", request.model);
        let http = self.http.below(&method, "alt=sse");
        let body = wire::encode(request);
        Box::pin(async move { http.post(body, wire::Decoder::default(), sink).await })
    }
}
