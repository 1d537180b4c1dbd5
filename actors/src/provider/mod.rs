//! What a model provider must be able to do: turn a request into streamed text.

mod actor;
mod answer;
pub mod anthropic;
pub mod classify;
mod content;
mod echo;
mod embedding;
pub mod failover;
pub mod gemini;
mod http;
mod media;
pub mod ollama;
pub mod openai;
mod overflow;
pub mod profile;
mod request;
pub mod responses;
mod secret;

pub use actor::{
    Call, CallWatch, EmbedReply, ProviderActor, ProviderDeps, ProviderMessage, Reply, Report,
    TurnKey, UNWATCHED, provider_name,
};
pub use content::{Part, Reasoning, Role, ToolCall, ToolResult, ToolSpec, ToolStatus, TurnMessage};
pub(crate) use content::{calls, plain};
pub use echo::Echo;
pub use embedding::{EmbedRequest, Embeddings};
pub use http::{ConfigError, HttpConfig};
pub use media::Media;
pub use request::{Completion, Failure, FailureClass, Request, StopReason, Usage};
pub use secret::Secret;
pub(crate) use secret::hide;

use futures_util::future::BoxFuture;

/// Receives text while a provider streams it. Must not block.
pub type TextSink<'a> = &'a mut (dyn FnMut(&str) + Send);

/// A client of one model provider. One call is one attempt; retries and permits are the actor's.
pub trait Provider: Send + Sync + 'static {
    /// Streams one completion. `sink` gets each piece of text as it arrives; the answer holds the
    /// whole text. Every wait inside has a deadline.
    fn stream<'a>(
        &'a self,
        request: &'a Request,
        sink: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>>;

    /// Whether it makes vectors of texts.
    fn can_embed(&self) -> bool {
        false
    }

    /// Makes vectors of texts, where it can. Every wait inside has a deadline.
    fn embed<'a>(&'a self, _: &'a EmbedRequest) -> BoxFuture<'a, Result<Embeddings, Failure>> {
        let why = "this provider has no embeddings";
        Box::pin(std::future::ready(Err(classify::failure(FailureClass::Unclassified, why))))
    }
}
