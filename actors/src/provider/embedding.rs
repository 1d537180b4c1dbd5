//! Texts as vectors: what is asked, what comes back, and the two formats that can say it.

mod wire;

pub(super) use self::wire::Format;
use super::http::Http;
use super::{ConfigError, Failure, HttpConfig};

/// One call for embeddings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbedRequest {
    /// The provider's own model name.
    pub model: String,
    /// What is to become vectors; never empty.
    pub texts: Vec<String>,
    /// How long the vectors shall be, where the model can choose.
    pub dimensions: Option<u32>,
}

/// Vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// One for each text, in their order.
    pub vectors: Vec<Vec<f64>>,
    /// Tokens read, as the provider reports them.
    pub input_tokens: u64,
}

/// The embedding side of a client.
#[derive(Debug)]
pub(super) struct Embedder {
    http: Http,
    format: Format,
}

impl Embedder {
    /// A client of the same server and key as the one that answers.
    pub(super) fn new(
        config: &HttpConfig,
        format: Format,
        own: &[(&'static str, String)],
    ) -> Result<Self, ConfigError> {
        Ok(Self { http: Http::new(config, format.path(), own)?, format })
    }

    /// One attempt. Every wait inside has a deadline.
    pub(super) async fn embed(&self, request: &EmbedRequest) -> Result<Embeddings, Failure> {
        let document = self.http.document(self.format.encode(request)).await?;
        self.format.decode(&document, request.texts.len())
    }
}
