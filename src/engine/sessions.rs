//! The sessions as lists show them, kept in memory once somebody has asked for them.
//!
//! The store is what counts. What is kept here follows the stream of journey events; a reader that
//! has missed some reads everything anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use telson_actors::clock::Timestamp;
use telson_actors::event::{Journal, JourneyEvent, excerpt};
use telson_actors::inbox::InboxRecord;
use telson_actors::message::SessionKey;
use telson_actors::session::{
    Exchange, SessionNote, SessionRecord, exchange_prefix, note_key, session_key, session_prefix,
};
use telson_actors::store::{Key, Space, Store, StoreError};
use telson_actors::usage::{SessionUsage, Tally, session_usage_key};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::TryRecvError;

use super::Engine;

/// A session as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionFacts {
    /// Its key.
    pub key: SessionKey,
    /// Its agent.
    pub agent: String,
    /// When it was first spoken in.
    pub created_at: Timestamp,
    /// What people have noted about it.
    pub note: SessionNote,
    /// What was said first, cut to a line.
    pub opening: Option<String>,
    /// Its last exchange.
    pub last: Option<LastExchange>,
    /// What it has used.
    pub used: Tally,
}

/// The last exchange of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastExchange {
    /// Its turn.
    pub turn: u64,
    /// When its turn began.
    pub started_at: Timestamp,
    /// When it was finished.
    pub finished_at: Timestamp,
    /// The answer, cut to a line.
    pub answer: String,
    /// The model, as `provider/model`.
    pub model: String,
    /// The tokens of what was asked last.
    pub input_tokens: u64,
    /// The tokens of the answer.
    pub output_tokens: u64,
    /// The channel it came over.
    pub channel: String,
}

impl SessionFacts {
    /// When something last happened in it.
    pub fn updated_at(&self) -> Timestamp {
        let last = self.last.as_ref().map_or(self.created_at, |last| last.finished_at);
        self.note.begun_at.map_or(last, |begun| begun.max(last))
    }
}

/// What is kept. Empty until somebody asks.
pub(super) struct SessionIndex {
    store: Store,
    journal: Journal,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    events: broadcast::Receiver<JourneyEvent>,
    facts: BTreeMap<SessionKey, Arc<SessionFacts>>,
}

impl SessionIndex {
    pub(super) fn new(store: Store, journal: Journal) -> Self {
        Self { store, journal, kept: Mutex::new(None) }
    }

    /// Every session. Reads the whole store the first time.
    fn all(&self) -> Result<Vec<Arc<SessionFacts>>, StoreError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_current = kept.as_mut().is_some_and(|kept| self.follow(kept).is_ok());
        if !is_current {
            // Whatever happens from here on is heard of.
            let events = self.journal.subscribe();
            *kept = Some(Kept { events, facts: read_all(&self.store)? });
        }
        Ok(kept.iter().flat_map(|kept| kept.facts.values().cloned()).collect())
    }

    /// The same where it costs next to nothing.
    fn at_hand(&self) -> Option<Vec<Arc<SessionFacts>>> {
        let mut kept = self.kept.try_lock().ok()?;
        let kept = kept.as_mut()?;
        self.follow(kept).ok()?;
        Some(kept.facts.values().cloned().collect())
    }

    /// Reads anew what has changed; an error if that is not known.
    fn follow(&self, kept: &mut Kept) -> Result<(), StoreError> {
        let mut changed = BTreeSet::new();
        loop {
            match kept.events.try_recv() {
                Ok(event) => changed.extend(event.session),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Lagged(_) | TryRecvError::Closed) => {
                    return Err(StoreError::Busy);
                }
            }
        }
        for key in changed.iter().filter_map(|key| SessionKey::parse(key).ok()) {
            self.put(kept, &key)?;
        }
        Ok(())
    }

    fn put(&self, kept: &mut Kept, key: &SessionKey) -> Result<(), StoreError> {
        match self.store.get::<SessionRecord>(&session_key(key))? {
            Some(record) => {
                let facts = read(&self.store, record)?;
                kept.facts.insert(key.clone(), Arc::new(facts));
            }
            None => {
                kept.facts.remove(key);
            }
        }
        Ok(())
    }

    /// A session was changed by other means than a turn.
    pub(super) fn changed(&self, key: &SessionKey) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(now) = kept.as_mut()
            && self.put(now, key).is_err()
        {
            *kept = None;
        }
    }
}

fn read_all(store: &Store) -> Result<BTreeMap<SessionKey, Arc<SessionFacts>>, StoreError> {
    let mut facts = BTreeMap::new();
    for (_, record) in store.scan::<SessionRecord>(&session_prefix())? {
        facts.insert(record.key.clone(), Arc::new(read(store, record)?));
    }
    Ok(facts)
}

fn read(store: &Store, record: SessionRecord) -> Result<SessionFacts, StoreError> {
    let SessionRecord { key, agent, created_at } = record;
    let prefix = exchange_prefix(&key);
    let last: Vec<(_, Exchange)> = store.tail(&prefix, 1)?;
    let first: Vec<(_, Exchange)> = store.page(&prefix, None, 1)?;
    let opening =
        first.first().and_then(|(_, first)| first.said.first()).map(|said| excerpt(&said.text));
    let last = last.into_iter().next().map(|(_, exchange)| LastExchange {
        turn: exchange.turn,
        started_at: exchange.started_at,
        finished_at: exchange.finished_at,
        answer: excerpt(&exchange.answer),
        model: exchange.model,
        input_tokens: exchange.usage.input,
        output_tokens: exchange.usage.output,
        channel: exchange.reply_to.account.channel.clone(),
    });
    let note = store.get(&note_key(&key))?.unwrap_or_default();
    let used = store.get::<SessionUsage>(&session_usage_key(&key))?.unwrap_or_default().total;
    Ok(SessionFacts { key, agent, created_at, note, opening, last, used })
}

impl Engine {
    /// Every session, in the order of their keys.
    ///
    /// # Errors
    /// What the store says.
    pub async fn sessions(&self) -> Result<Vec<Arc<SessionFacts>>, StoreError> {
        if let Some(facts) = self.0.index.at_hand() {
            return Ok(facts);
        }
        let engine = self.clone();
        self.reading(move || engine.0.index.all()).await
    }

    /// The same if it is known already, at no cost.
    pub(crate) fn sessions_at_hand(&self) -> Option<Vec<Arc<SessionFacts>>> {
        self.0.index.at_hand()
    }

    /// The sessions with messages that are not answered yet.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) fn busy_sessions(&self) -> Result<BTreeSet<SessionKey>, StoreError> {
        if self.load().waiting == 0 {
            return Ok(BTreeSet::new());
        }
        let waiting: Vec<(_, InboxRecord)> = self.0.store.scan(&Key::of(Space::Inbox))?;
        Ok(waiting.into_iter().map(|(_, record)| record.session).collect())
    }

    /// The newest `limit` exchanges of a session, oldest first.
    ///
    /// # Errors
    /// What the store says.
    pub async fn exchanges(
        &self,
        session: &SessionKey,
        limit: usize,
    ) -> Result<Vec<Exchange>, StoreError> {
        let (engine, prefix) = (self.clone(), exchange_prefix(session));
        let read = move || engine.0.store.tail::<Exchange>(&prefix, limit);
        let found = self.reading(read).await?;
        Ok(found.into_iter().map(|(_, exchange)| exchange).collect())
    }

    /// Reads the store away from the threads that serve everybody.
    async fn reading<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        tokio::task::spawn_blocking(read)
            .await
            .map_err(|error| StoreError::Database(error.to_string()))?
    }
}
