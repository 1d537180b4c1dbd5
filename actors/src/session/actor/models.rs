//! Which models a session's turns ask: its agent's own, or the one its person has chosen, and where a
//! turn has got to among those that step in.

use std::time::Duration;

use super::State;
use crate::event::{AttemptFailed, JourneyStep};
use crate::model::{Candidates, Choice, ModelRef, choice_key};
use crate::session::chain::{Attempt, ChainRecord, chain_key};
use crate::session::machine::Event;
use crate::store::{Batch, StoreError};

impl State {
    /// An event with what the store knows about it.
    pub(super) fn informed(&mut self, event: Event) -> Result<Event, StoreError> {
        let Event::Chosen(_) = event else { return Ok(event) };
        Ok(Event::Chosen(Some(Box::new(self.candidates()?))))
    }

    /// The models its turns ask, as the store and the config have it now.
    pub(super) fn candidates(&mut self) -> Result<Candidates, StoreError> {
        let own = self.profile().map(|agent| ModelRef::new(&*agent.provider, &*agent.model));
        let own = own.unwrap_or_else(|| ModelRef::new("", ""));
        let choice: Option<Choice> = self.deps.store.get(&choice_key(&self.key))?;
        let catalog = &self.deps.catalog;
        let choice = choice.filter(|choice| {
            let is_there = catalog.providers.contains(&choice.model.provider);
            if !is_there {
                tracing::warn!(session = %self.key, model = %choice.model,
                    "the chosen model's provider is no longer configured; the agent's own is asked");
            }
            is_there
        });
        let candidates = catalog.candidates(&self.agent, own, choice.as_ref());
        self.pinned = choice.and_then(|choice| choice.profile);
        Ok(candidates)
    }

    pub(super) async fn journal_chain(
        &self,
        record: &ChainRecord,
        pause: Duration,
    ) -> Result<(), StoreError> {
        if let Some(Attempt { model, times, class, message, .. }) = record.attempts.last() {
            tracing::warn!(session = %self.key, turn = record.turn, failed = %model, ?class, times,
                reason = %message, next = %record.model, "a model failed, another try follows");
            let models = (model.to_string(), record.model.to_string());
            let failed = AttemptFailed::new(record.turn, models, (class.name(), message), pause);
            self.tell(self.deps.clock.now(), JourneyStep::AttemptFailed(failed));
        }
        let mut batch = Batch::new();
        batch.put(chain_key(&self.key), record);
        self.deps.store.commit(batch).await
    }
}
