//! Changing sessions: what people note about them, beginning them anew, removing them.
//!
//! What was said is never thrown away: it moves to the session's past lives, where no model and no
//! list looks.

use telson_actors::context::summary_key;
use telson_actors::inbox::inbox_prefix;
use telson_actors::message::SessionKey;
use telson_actors::model::{Refusal, choice_key};
use telson_actors::session::queue::queue_key;
use telson_actors::session::{
    Exchange, SessionNote, SessionRecord, exchange_key, exchange_prefix, note_key, past_key,
    session_key,
};
use telson_actors::store::{Batch, Store, StoreError};
use telson_supervision::dynamic::DynamicMessage;

use super::Engine;

/// Exchanges moved in one commit: an exchange may be large.
const MOVED_AT_ONCE: usize = 32;

/// Why a session was not changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EditError {
    /// It is not there.
    #[error("there is no session {0}; sessions.list shows them")]
    Unknown(SessionKey),
    /// It is not the life any more that was to be changed.
    #[error("{0} was begun anew since; look at it again")]
    Begun(SessionKey),
    /// The model's name leads to none, or to one that may not be chosen.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The sessions are restarting.
    #[error(transparent)]
    Abort(#[from] super::AbortError),
    /// Messages came in while it was changed.
    #[error("messages are coming in for {0}; try again")]
    Busy(SessionKey),
    /// It could not be written down.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
    /// Changes what is noted about a session.
    ///
    /// # Errors
    /// An unknown session, or a store that can't be written.
    pub async fn note_session(
        &self,
        session: &SessionKey,
        change: impl FnOnce(&mut SessionNote),
    ) -> Result<SessionNote, EditError> {
        let change = |note: &mut SessionNote| {
            change(note);
            true
        };
        self.edit_session(session, None, change).await
    }

    /// The same together with the choice of a model, if there is one: both or neither. Nothing is
    /// changed where `change` says that this is not the life that was meant.
    ///
    /// # Errors
    /// As [`Engine::note_session`], and a model that can't be chosen.
    #[allow(clippy::option_option, reason = "no choice, the agent's own model, and a name")]
    pub(crate) async fn edit_session(
        &self,
        session: &SessionKey,
        model: Option<Option<&str>>,
        change: impl FnOnce(&mut SessionNote) -> bool,
    ) -> Result<SessionNote, EditError> {
        let _one = self.0.edits.of(session).await;
        self.session_record(session)?;
        let mut batch = Batch::new();
        if let Some(model) = model {
            self.add_choice(&mut batch, session, model)?;
        }
        let mut note: SessionNote = self.0.store.get(&note_key(session))?.unwrap_or_default();
        if !change(&mut note) {
            return Err(EditError::Begun(session.clone()));
        }
        batch.put(note_key(session), &note);
        self.0.store.commit(batch).await?;
        self.0.index.changed(session);
        if model.is_some() {
            self.tell_choice(session);
        }
        Ok(note)
    }

    /// Makes a session known before anything is said in it; one that is there stays as it is.
    ///
    /// # Errors
    /// A store that can't be written.
    pub async fn create_session(
        &self,
        session: &SessionKey,
        agent: &str,
    ) -> Result<bool, EditError> {
        self.begin_session(session, agent, None, None).await
    }

    /// The same with a label and a model, all at once.
    ///
    /// # Errors
    /// As [`Engine::create_session`], and a model that can't be chosen.
    pub(crate) async fn begin_session(
        &self,
        session: &SessionKey,
        agent: &str,
        label: Option<String>,
        model: Option<&str>,
    ) -> Result<bool, EditError> {
        let _one = self.0.edits.of(session).await;
        let mut batch = Batch::new();
        if model.is_some() {
            self.add_choice(&mut batch, session, model)?;
        }
        if self.0.store.contains(&session_key(session))? {
            return Ok(false);
        }
        let (key, created_at) = (session.clone(), self.0.clock.now());
        let record = SessionRecord { key, agent: agent.to_owned(), created_at };
        batch.put(session_key(session), &record);
        if label.is_some() {
            let note: SessionNote = self.0.store.get(&note_key(session))?.unwrap_or_default();
            batch.put(note_key(session), &SessionNote { label, ..note });
        }
        self.0.store.commit(batch).await?;
        self.0.index.changed(session);
        Ok(true)
    }

    /// Begins a session anew: what runs and waits in it is ended, and its models know nothing of what
    /// was said before. Its label and its chosen model stay.
    ///
    /// # Errors
    /// See [`EditError`]; part of its past may have been put away by then, and a repeat does the rest.
    pub async fn reset_session(&self, session: &SessionKey) -> Result<SessionNote, EditError> {
        let _one = self.0.edits.of(session).await;
        self.session_record(session)?;
        let note = self.put_past_away(session).await?;
        let mut batch = Batch::new();
        batch.put(note_key(session), &note).delete(summary_key(session));
        self.0.store.commit(batch).await?;
        self.reload(session);
        Ok(note)
    }

    /// Removes a session from every list, with everything that was chosen for it. Returns the number of
    /// the past life that holds what was said in it.
    ///
    /// # Errors
    /// As [`Engine::reset_session`].
    pub async fn remove_session(&self, session: &SessionKey) -> Result<u64, EditError> {
        self.remove_session_if(session, |_| true).await
    }

    /// The same if it is the life that was meant.
    ///
    /// # Errors
    /// As [`Engine::remove_session`].
    pub(crate) async fn remove_session_if(
        &self,
        session: &SessionKey,
        is_meant: impl FnOnce(&SessionNote) -> bool,
    ) -> Result<u64, EditError> {
        let _one = self.0.edits.of(session).await;
        self.session_record(session)?;
        let note: SessionNote = self.0.store.get(&note_key(session))?.unwrap_or_default();
        if !is_meant(&note) {
            return Err(EditError::Begun(session.clone()));
        }
        let note = self.put_past_away(session).await?;
        let mut batch = Batch::new();
        batch
            .delete(summary_key(session))
            .delete(choice_key(session))
            .delete(queue_key(session))
            .delete(session_key(session));
        // The count of its lives stays: a later session of this name must not write over them.
        let left = SessionNote { life: note.life, ..SessionNote::default() };
        batch.put(note_key(session), &left);
        self.0.store.commit(batch).await?;
        self.reload(session);
        Ok(note.life)
    }

    fn session_record(&self, session: &SessionKey) -> Result<SessionRecord, EditError> {
        let record = self.0.store.get(&session_key(session))?;
        record.ok_or_else(|| EditError::Unknown(session.clone()))
    }

    /// Ends what runs, then moves what was said to a new past life, oldest first.
    async fn put_past_away(&self, session: &SessionKey) -> Result<SessionNote, EditError> {
        self.abort(session).await?;
        let store = &self.0.store;
        if !store.scan_raw(&inbox_prefix(session))?.is_empty() {
            return Err(EditError::Busy(session.clone()));
        }
        let mut note: SessionNote = store.get(&note_key(session))?.unwrap_or_default();
        note.life += 1;
        note.begun_at = Some(self.0.clock.now());
        while move_some(store, session, note.life).await? {}
        Ok(note)
    }

    /// The session's actor remembers what was moved: the next one reads the store.
    fn reload(&self, session: &SessionKey) {
        if self.0.sessions.cast(DynamicMessage::Renew(session.clone())).is_err() {
            tracing::debug!(%session, "sessions are restarting; they read the store themselves");
        }
        self.0.index.changed(session);
    }
}

/// Moves some exchanges to a past life; `true` if there may be more.
async fn move_some(store: &Store, session: &SessionKey, life: u64) -> Result<bool, StoreError> {
    let some: Vec<(_, Exchange)> = store.page(&exchange_prefix(session), None, MOVED_AT_ONCE)?;
    let mut batch = Batch::new();
    for (_, exchange) in &some {
        let turn = exchange.turn;
        batch.put(past_key(session, life, turn), exchange).delete(exchange_key(session, turn));
    }
    if some.is_empty() {
        return Ok(false);
    }
    store.commit(batch).await?;
    Ok(true)
}
