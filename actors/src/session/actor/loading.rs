//! What a session finds in the store when its life begins.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::State;
use crate::context::summary_key;
use crate::inbox::{InboxRecord, inbox_prefix};
use crate::session::aside::aside_key;
use crate::session::chain::{ChainRecord, chain_key};
use crate::session::machine::{HISTORY_EXCHANGES_MAX, Loaded, Settings, prompt_of};
use crate::session::queue::queue_key;
use crate::session::record::{Exchange, TurnRecord, exchange_prefix, session_key, turn_key};
use crate::session::steps::{
    Opening, Resumed, StepId, StepRecord, Steps, sorted_out, step_key, step_of_key, step_prefix,
};
use crate::store::{Batch, Epoch, StoreError};

impl State {
    pub(super) async fn load(&mut self) -> Result<Loaded, StoreError> {
        let store = &self.deps.store;
        let crashed = self.deps.lives.begin(&self.key);
        if crashed {
            // What the life before submitted is on disk behind this. One that ended in order has
            // waited for its writes.
            store.commit(Batch::new()).await?;
        }
        let inbox: Vec<InboxRecord> =
            store.scan(&inbox_prefix(&self.key))?.into_iter().map(|(_, record)| record).collect();
        let history: Vec<Exchange> = store
            .tail(&exchange_prefix(&self.key), HISTORY_EXCHANGES_MAX)?
            .into_iter()
            .map(|(_, exchange)| exchange)
            .collect();
        let summary = store.get(&summary_key(&self.key))?;
        let turn: Option<TurnRecord> = store.get(&turn_key(&self.key))?;
        let queue = self.deps.store.get(&queue_key(&self.key))?.unwrap_or_default();
        let chain: Option<ChainRecord> = store.get(&chain_key(&self.key))?;
        self.aside = store.get(&aside_key(&self.key))?.map(Box::new);
        let steps = self.load_steps(&inbox)?.or_else(|| self.answered_turn(&inbox));
        self.known = store.contains(&session_key(&self.key))?;
        if crashed {
            // It may have died between the commit of an answer and telling the delivery actor.
            self.deps.outbox.reread();
        }
        let is_older = |record: &InboxRecord| Epoch(record.epoch) < store.epoch();
        let was_in_flight = turn.is_some() || inbox.iter().any(is_older);
        let after_crash = crashed || (store.was_interrupted() && was_in_flight);
        let events = self.load_events()?;
        let alone = self.with_client_tools(&inbox)?;
        Ok(Loaded {
            inbox,
            alone,
            history,
            summary,
            turn,
            steps,
            queue,
            chain,
            events,
            after_crash,
        })
    }

    /// A turn that had its answer and no time to end with it: it goes on over its own messages,
    /// whatever else waits by now, or the answer would be paid for twice.
    fn answered_turn(&self, inbox: &[InboxRecord]) -> Option<Resumed> {
        let aside = self.aside.as_deref()?;
        aside.answer.as_ref().filter(|(round, _)| *round == 0)?;
        let is_ours = |record: &&InboxRecord| aside.members.contains(&record.envelope.id);
        let opening = Opening {
            members: aside.members.clone(),
            prompt: prompt_of(inbox.iter().filter(is_ours)),
            started_at: self.deps.clock.steady(),
        };
        let turn = opening.members.iter().min()?.0;
        opening.is_among(inbox).then(|| (turn, Steps::default(), opening))
    }

    /// The recorded steps of a turn that did not end. What is left of others is removed.
    fn load_steps(
        &self,
        inbox: &[InboxRecord],
    ) -> Result<Option<(u64, Steps, Opening)>, StoreError> {
        let mut by_turn: BTreeMap<u64, Vec<(StepId, Option<StepRecord>)>> = BTreeMap::new();
        for (key, bytes) in self.deps.store.scan_raw(&step_prefix(&self.key))? {
            let Some((turn, step)) = step_of_key(&self.key, &key) else { continue };
            let record = self.deps.store.decode::<StepRecord>(&key, &bytes)?;
            by_turn.entry(turn).or_default().push((step, record));
        }
        let (resumed, leftovers) = sorted_out(by_turn, inbox);
        if !leftovers.is_empty() {
            tracing::warn!(session = %self.key, steps = leftovers.len(),
                "removing what is left of a turn without its messages");
            let mut batch = Batch::new();
            for (turn, step) in leftovers {
                batch.delete(step_key(&self.key, turn, step));
            }
            self.deps.store.submit(batch, |_| ())?;
        }
        Ok(resumed)
    }

    pub(super) fn settings(&mut self, first: Option<&InboxRecord>) -> Result<Settings, StoreError> {
        let channel = first.map_or("", |record| &record.envelope.inbound.account.channel);
        let lanes = &self.deps.lanes;
        let lane = lanes.get(channel).or_else(|| lanes.get("")).copied().unwrap_or_default();
        let (model, context) = (self.candidates()?, Arc::new(self.context_rules()));
        let (idle_max, beat) = (self.deps.idle_max, self.beat_settings());
        Ok(Settings { lane, idle_max, model, context, beat })
    }
}
