//! Choosing a session's model.

use telson_actors::message::SessionKey;
use telson_actors::model::{Choice, Refusal, choice_key};
use telson_actors::session::SessionMessage;
use telson_actors::store::{Batch, StoreError};
use telson_supervision::dynamic::DynamicMessage;

use super::Engine;

/// Why a model was not chosen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ChooseError {
    /// The name leads to no model, or to one that may not be chosen.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It could not be written down.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
    /// Chooses a session's model from its next turn on, over restarts too: an alias,
    /// `provider/model`, or a model of the default provider; with `@profile` behind it if a certain
    /// auth profile is meant. A chosen model is strict: nothing steps in for it. None goes back to
    /// the agent's own.
    ///
    /// # Errors
    /// A name that leads nowhere, one that may not be chosen, or a store that can't be written.
    pub async fn choose_model(
        &self,
        session: &SessionKey,
        name: Option<&str>,
    ) -> Result<Option<Choice>, ChooseError> {
        let mut batch = Batch::new();
        let choice = self.add_choice(&mut batch, session, name)?;
        self.0.store.commit(batch).await?;
        self.tell_choice(session);
        Ok(choice)
    }

    /// Adds a choice to what is written together.
    pub(super) fn add_choice(
        &self,
        batch: &mut Batch,
        session: &SessionKey,
        name: Option<&str>,
    ) -> Result<Option<Choice>, Refusal> {
        let choice = name.map(|name| self.0.catalog.choose(name)).transpose()?;
        match &choice {
            Some(choice) => batch.put(choice_key(session), choice),
            None => batch.delete(choice_key(session)),
        };
        Ok(choice)
    }

    /// Tells a session that its model was chosen, once that is written.
    pub(super) fn tell_choice(&self, session: &SessionKey) {
        let message = DynamicMessage::Dispatch(session.clone(), SessionMessage::chosen());
        if self.0.sessions.cast(message).is_err() {
            tracing::debug!(%session, "sessions are restarting; they read the choice themselves");
        }
    }

    /// The model chosen for a session; none if it asks its agent's own.
    ///
    /// # Errors
    /// A damaged record.
    pub fn chosen_model(&self, session: &SessionKey) -> Result<Option<Choice>, StoreError> {
        self.0.store.get(&choice_key(session))
    }
}
