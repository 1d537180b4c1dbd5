//! What a session does with system events: it reads what waits before a turn may begin, and writes
//! down what the turn was told.

use super::State;
use crate::clock::Timestamp;
use crate::crash_point::crash_point;
use crate::heartbeat::retry_pause;
use crate::session::machine::Hearing;
use crate::store::{Batch, StoreError};
use crate::system_event::{Heard, RetryRecord, ToldRecord, retry_key, told_key};

/// Failures of heartbeats that were told the same before nobody is woken for it any more: with the
/// pauses between them, a day.
const RETRIES_MAX: u32 = 27;

impl State {
    /// What a session finds of events when its life begins.
    pub(super) fn load_events(&mut self) -> Result<Hearing, StoreError> {
        let told: Option<ToldRecord> = self.deps.store.get(&told_key(&self.key))?;
        self.told = told.is_some();
        Ok(Hearing::new(told.map(|told| told.text), self.heard()?))
    }

    /// Reads what waits, if anything may: the next step may begin a turn.
    pub(super) fn hear(&mut self) -> Result<(), StoreError> {
        let heard = self.heard()?;
        if let (Some(heard), Some(session)) = (heard, &mut self.session) {
            session.hear(heard);
        }
        Ok(())
    }

    fn heard(&self) -> Result<Option<Heard>, StoreError> {
        let events = &self.deps.events;
        if events.has(&self.key) { events.heard(&self.key).map(Some) } else { Ok(None) }
    }

    /// A turn begins with events: they leave the queue and become what the turn was told, in one
    /// commit. A life that ends behind it tells the same; one that ends before it finds them waiting.
    pub(super) async fn tell_events(&mut self, heard: &Heard) -> Result<(), StoreError> {
        let (at, text) = (self.deps.clock.now(), heard.text.clone());
        let mut batch = Batch::new();
        self.deps.events.take(&mut batch, &self.key, &heard.numbers);
        batch.put(told_key(&self.key), &ToldRecord { at, text });
        crash_point("event.before_told");
        self.deps.store.commit(batch).await?;
        crash_point("event.after_told");
        self.told = true;
        Ok(())
    }

    /// What the turn was told ends with it.
    pub(super) fn end_told(&mut self, batch: &mut Batch) {
        if std::mem::take(&mut self.told) {
            batch.delete(told_key(&self.key)).delete(retry_key(&self.key));
        }
    }

    /// A heartbeat has failed and its session keeps what it was told. Nobody else may ever come to
    /// hear it, so the session is woken again: at the moment this answers. After a day of failures
    /// nobody is woken for it any more, and it waits for the next turn.
    pub(super) fn retry_told(
        &self,
        batch: &mut Batch,
        text: String,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        batch.put(told_key(&self.key), &ToldRecord { at: now, text });
        let before = self.deps.events.retry(&self.key)?.map_or(0, |retry| retry.failures);
        let failures = before.saturating_add(1);
        if failures > RETRIES_MAX {
            tracing::error!(session = %self.key, failures,
                "what a heartbeat is told waits for the next turn: nobody is woken for it any more");
            batch.delete(retry_key(&self.key));
            return Ok(None);
        }
        let at = now.plus(retry_pause(failures));
        batch.put(retry_key(&self.key), &RetryRecord { at, failures });
        Ok(Some(at))
    }
}
