//! What clients of the gateway ask of an engine about single messages and conversations.

use telson_actors::channel::webchat;
use telson_actors::context::{Summary, summary_key};
use telson_actors::inbox::{DedupeRecord, Fate, InboxRecord, dedupe_key, digest, inbox_prefix};
use telson_actors::journey::{self, Ending};
use telson_actors::message::{Destination, EnvelopeId, SessionKey};
use telson_actors::outbox::{Draft, EntryRecord};
use telson_actors::session::machine::Event as SessionEvent;
use telson_actors::session::{
    Exchange, SessionNote, Stopped, exchange_key, exchange_prefix, note_key,
};
use telson_actors::store::{Batch, Expect, Key, StoreError};

use super::{AbortError, Engine};

/// Exchanges looked through for the last place an answer went to.
const PLACES_LOOKED_THROUGH: usize = 64;

fn asked_key(key: &str) -> Key {
    dedupe_key(&webchat::account(), &format!("{key}\nasked"))
}

impl Engine {
    /// What became of a key at the gateway's own account.
    pub(crate) fn run_of(&self, key: &str) -> Result<Option<(EnvelopeId, SessionKey)>, StoreError> {
        self.relayed(&webchat::account(), key)
    }

    /// Whether a key of the gateway's own account was used for this text; also where nobody noted
    /// what it was used for.
    pub(crate) fn said_under(&self, key: &str, text: &str) -> Result<bool, StoreError> {
        let record: Option<DedupeRecord> =
            self.0.store.get(&dedupe_key(&webchat::account(), key))?;
        let said = record.and_then(|record| record.text);
        Ok(said.is_none_or(|said| said == digest(text)))
    }

    /// Notes what was asked under a key beside its text.
    pub(crate) async fn note_asked(
        &self,
        key: &str,
        session: &SessionKey,
        asked: u64,
    ) -> Result<(), StoreError> {
        let fate = Fate::Admitted { envelope: EnvelopeId(0), session: session.clone() };
        let record = DedupeRecord { at: self.0.clock.now(), fate, text: Some(asked) };
        let mut batch = Batch::new();
        batch.put(asked_key(key), &record);
        self.0.store.commit(batch).await
    }

    /// Whether that is what was asked under a key; also where nobody noted it.
    pub(crate) fn asked_under(&self, key: &str, asked: u64) -> Result<bool, StoreError> {
        let record: Option<DedupeRecord> = self.0.store.get(&asked_key(key))?;
        let noted = record.and_then(|record| record.text);
        Ok(noted.is_none_or(|noted| noted == asked))
    }

    /// How a message of a session has ended.
    pub(crate) fn ending(
        &self,
        session: &SessionKey,
        id: EnvelopeId,
    ) -> Result<Ending, StoreError> {
        journey::ending(&self.0.store, session, id)
    }

    /// The messages of a session without an answer, oldest first.
    pub(crate) fn waiting_in(&self, session: &SessionKey) -> Result<Vec<InboxRecord>, StoreError> {
        let records = self.0.store.scan(&inbox_prefix(session))?;
        Ok(records.into_iter().map(|(_, record)| record).collect())
    }

    /// The newest exchanges of a session, oldest first.
    pub(crate) fn newest_exchanges(
        &self,
        session: &SessionKey,
        limit: usize,
    ) -> Result<Vec<Exchange>, StoreError> {
        let records = self.0.store.tail(&exchange_prefix(session), limit)?;
        Ok(records.into_iter().map(|(_, exchange)| exchange).collect())
    }

    /// The exchange of a turn.
    pub(crate) fn exchange(
        &self,
        session: &SessionKey,
        turn: u64,
    ) -> Result<Option<Exchange>, StoreError> {
        self.0.store.get(&exchange_key(session, turn))
    }

    /// How often a session was begun anew.
    pub(crate) fn life_of(&self, session: &SessionKey) -> Result<u64, StoreError> {
        let note: Option<SessionNote> = self.0.store.get(&note_key(session))?;
        Ok(note.map_or(0, |note| note.life))
    }

    /// How many exchanges of a session its summary stands for.
    pub(crate) fn summed_up(&self, session: &SessionKey) -> Result<u64, StoreError> {
        let summary: Option<Summary> = self.0.store.get(&summary_key(session))?;
        Ok(summary.map_or(0, |summary| summary.exchanges))
    }

    /// Where the last answer of a session to a platform went.
    pub(crate) fn last_place(
        &self,
        session: &SessionKey,
    ) -> Result<Option<Destination>, StoreError> {
        let own = webchat::account();
        let exchanges = self.newest_exchanges(session, PLACES_LOOKED_THROUGH)?;
        let places = exchanges.into_iter().rev().map(|exchange| exchange.reply_to);
        Ok(places.into_iter().find(|to| to.account != own))
    }

    /// Ends one message of a session: the turn that answers it, or its waiting. Returns once that
    /// is durable, with what was ended.
    ///
    /// # Errors
    /// The sessions are restarting; nothing has been ended. Try again.
    pub async fn abort_message(
        &self,
        session: &SessionKey,
        id: EnvelopeId,
    ) -> Result<Stopped, AbortError> {
        self.stopped(session, |asker| SessionEvent::StopMessage(id, asker)).await
    }

    /// Writes a text of nobody's turn into the outbox, once for each `key`; gives the number of its
    /// first entry, or nothing if the key was used for something else. Returns once it is durable.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) async fn post(&self, key: &str, draft: &Draft) -> Result<Option<u64>, StoreError> {
        let key_of_id = dedupe_key(&webchat::account(), key);
        let whole = format!("{}\n{}\n{}", draft.session, draft.to, draft.text);
        let own = format!("{key}\n{}", crate::gateway::own_key::hash(&whole));
        let key_of_text = dedupe_key(&webchat::account(), &own);
        loop {
            if let Some((entry, _)) = self.run_of(key)? {
                let is_same = self.0.store.contains(&key_of_text)?;
                return Ok(is_same.then_some(entry.0));
            }
            let now = self.0.clock.now();
            let mut batch = Batch::new();
            let entries = self.0.outbox.add(&mut batch, draft, now)?;
            let first = entries.first().map_or(0, |entry: &EntryRecord| entry.id.0);
            let fate =
                Fate::Admitted { envelope: EnvelopeId(first), session: draft.session.clone() };
            batch.expect(Expect::Absent(key_of_id.clone()));
            let record = DedupeRecord { at: now, fate, text: None };
            batch.put(key_of_id.clone(), &record).put(key_of_text.clone(), &record);
            match self.0.store.commit(batch).await {
                Ok(()) => {
                    self.0.outbox.written(entries);
                    return Ok(Some(first));
                }
                // Somebody else was quicker with the same key.
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
    }
}
