//! Counting: each session adds its own calls to its own records, and all of them to the day's sum,
//! which is kept in memory and read back from the records when the engine starts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::budget::Budgets;
use super::day::Day;
use super::price::Price;
use super::record::{
    DayUsage, Refused, SessionUsage, day_key, model_day_key, session_day_key, session_usage_key,
};
use super::tally::Tally;
use crate::clock::Timestamp;
use crate::message::SessionKey;
use crate::provider::Usage;
use crate::store::{Batch, Store, StoreError};

/// The sum of the present day over all sessions of an engine. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct DayMeter(Arc<Mutex<Option<(Day, Tally)>>>);

impl DayMeter {
    /// What has been used on this day, as far as it is durable.
    fn read(&self, store: &Store, day: Day) -> Result<Tally, StoreError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, tally)) = *known
            && of == day
        {
            return Ok(tally);
        }
        let records = store.scan::<DayUsage>(&day_key(day))?;
        let tally =
            records.iter().fold(Tally::default(), |sum, (_, record)| sum.plus(record.tally));
        *known = Some((day, tally));
        Ok(tally)
    }

    fn add(&self, day: Day, call: Tally) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, tally)) = known.as_mut()
            && *of == day
        {
            *tally = tally.plus(call);
        }
    }
}

/// One answered call.
#[derive(Debug, Clone, Copy)]
pub struct Metered<'a> {
    /// The model, as `provider/model`.
    pub model: &'a str,
    /// What it has used.
    pub usage: Usage,
    /// What its tokens cost, if that is known.
    pub price: Option<Price>,
}

/// A session's own count.
#[derive(Debug)]
pub struct SessionMeter {
    session: SessionKey,
    agent: String,
    usage: SessionUsage,
    day: Day,
    models: BTreeMap<String, Tally>,
    /// What has been put into a batch that is not durable yet.
    pending: Option<(Day, Tally)>,
    all: DayMeter,
}

impl SessionMeter {
    /// A session's count as the store has it.
    ///
    /// # Errors
    /// What the store says.
    pub fn load(
        store: &Store,
        (session, agent): (&SessionKey, &str),
        now: Timestamp,
        all: DayMeter,
    ) -> Result<Self, StoreError> {
        let usage = store.get(&session_usage_key(session))?.unwrap_or_default();
        let day = Day::of(now);
        let models = models_of(store, day, session)?;
        let (session, agent) = (session.clone(), agent.to_owned());
        Ok(Self { session, agent, usage, day, models, pending: None, all })
    }

    /// What the session has used and learnt since it began.
    pub fn usage(&self) -> &SessionUsage {
        &self.usage
    }

    /// What an answered call of so many estimated tokens has taught: how the estimate relates to the
    /// provider's tokens, and whether that many are refused after all. Durable with its count.
    pub fn answered(&mut self, tokens: u64, scale: u32) {
        self.usage.scale = scale;
        self.usage.refused.take_if(|refused| refused.tokens <= tokens);
    }

    /// Notes that a model has refused a request as too long; durable with the next call.
    pub fn refused(&mut self, model: &str, tokens: u64) {
        self.usage.refused = Some(Refused { model: model.to_owned(), tokens });
    }

    /// Adds a call to the records, in the batch that makes its answer durable.
    ///
    /// # Errors
    /// What the store says.
    pub fn count(
        &mut self,
        store: &Store,
        batch: &mut Batch,
        call: Metered<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.turn_to(store, now)?;
        // Read before this call is durable, or it would be counted twice.
        self.all.read(store, self.day)?;
        let one = Tally::of(call.usage, call.price);
        self.usage.total = self.usage.total.plus(one);
        let tally = self.models.entry(call.model.to_owned()).or_default();
        *tally = tally.plus(one);
        let record = DayUsage {
            session: self.session.clone(),
            agent: self.agent.clone(),
            model: call.model.to_owned(),
            tally: *tally,
            at: now,
        };
        batch.put(model_day_key(self.day, &self.session, call.model), &record);
        batch.put(session_usage_key(&self.session), &self.usage);
        self.pending = Some((self.day, one));
        Ok(())
    }

    /// The batch of the last call is durable.
    pub fn written(&mut self) {
        if let Some((day, call)) = self.pending.take() {
            self.all.add(day, call);
        }
    }

    /// What the session has used since it began, and on the present day.
    ///
    /// # Errors
    /// What the store says.
    pub fn used(&mut self, store: &Store, now: Timestamp) -> Result<(Tally, Tally), StoreError> {
        self.turn_to(store, now)?;
        let today = self.models.values().fold(Tally::default(), |sum, tally| sum.plus(*tally));
        Ok((self.usage.total, today))
    }

    /// Why the next call must not be made; nothing if it may.
    ///
    /// # Errors
    /// What the store says.
    pub fn refusal(
        &mut self,
        store: &Store,
        budgets: &Budgets,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        if !budgets.is_any() {
            return Ok(None);
        }
        self.turn_to(store, now)?;
        let own = self.models.values().fold(Tally::default(), |sum, tally| sum.plus(*tally));
        Ok(budgets.refusal(&self.all.read(store, self.day)?, &own))
    }

    /// A clock that is set back counts on where that day had ended.
    fn turn_to(&mut self, store: &Store, now: Timestamp) -> Result<(), StoreError> {
        let day = Day::of(now);
        if day != self.day {
            self.models = models_of(store, day, &self.session)?;
            self.day = day;
        }
        Ok(())
    }
}

fn models_of(
    store: &Store,
    day: Day,
    session: &SessionKey,
) -> Result<BTreeMap<String, Tally>, StoreError> {
    let records = store.scan::<DayUsage>(&session_day_key(day, session))?;
    Ok(records.into_iter().map(|(_, record)| (record.model, record.tally)).collect())
}
