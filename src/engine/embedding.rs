//! Texts as vectors, by a provider that can.

use std::time::Duration;

use telson_actors::provider::{EmbedRequest, Embeddings, Failure, ProviderMessage, provider_name};

use super::Engine;

/// Longest wait for vectors, retries included.
const EMBED_MAX: Duration = Duration::from_mins(2);

/// Why there are no vectors.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EmbedError {
    /// There is no such provider, or it has no embeddings.
    #[error("{provider:?} is no provider with embeddings; those are {known}")]
    Unable {
        /// What was asked for.
        provider: String,
        /// Which could.
        known: String,
    },
    /// The provider is not up.
    #[error("the provider is restarting; try again")]
    Restarting,
    /// It took too long.
    #[error("no embeddings within {0:?}")]
    Late(Duration),
    /// It failed.
    #[error("{}", .0.message)]
    Failed(Failure),
}

impl Engine {
    /// A vector for each text. Nothing of it is stored.
    ///
    /// # Errors
    /// See [`EmbedError`].
    pub async fn embed(
        &self,
        provider: &str,
        request: EmbedRequest,
    ) -> Result<Embeddings, EmbedError> {
        let rings = &self.0.desk.rings;
        let able: Vec<&str> = rings
            .iter()
            .filter(|(_, ring)| ring.can_embed())
            .map(|(name, _)| name.as_str())
            .collect();
        if !able.contains(&provider) {
            let known = if able.is_empty() { "none".to_owned() } else { able.join(", ") };
            return Err(EmbedError::Unable { provider: provider.to_owned(), known });
        }
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let message = ProviderMessage::Embed { request, reply: sender.into() };
        let actor = self.0.desk.registry.via(provider_name(provider));
        actor.cast(message).map_err(|_| EmbedError::Restarting)?;
        match tokio::time::timeout(EMBED_MAX, receiver).await {
            Ok(Ok(result)) => result.map_err(EmbedError::Failed),
            Ok(Err(_)) => Err(EmbedError::Restarting),
            Err(_) => Err(EmbedError::Late(EMBED_MAX)),
        }
    }
}
