//! Performing the end of messages that have no answer of the agent, and stopping what runs for them.

use std::collections::BTreeSet;

use super::beat::are_beats;
use super::{Outcome, State};
use crate::crash_point::crash_point;
use crate::dead_letter::{self, DeadLetter, DeadLetterId, DoneBefore, Item, Reason, done_key};
use crate::event::JourneyStep;
use crate::inbox::{InboxRecord, inbox_key};
use crate::message::EnvelopeId;
use crate::outbox::Draft;
use crate::provider::{ProviderMessage, provider_name};
use crate::session::chain::chain_key;
use crate::session::ending::{Ended, EndedTurn};
use crate::session::queue::{QueueChoice, queue_key};
use crate::session::record::{exchange_key, turn_key};
use crate::session::steps::{StepId, StepRecord, Steps, step_key};
use crate::store::{Batch, Expect, Space, StoreError};
use crate::tool::{TOOLS, ToolMessage};

impl State {
    /// One commit: messages out of the inbox and into the transcript, what people are told into the
    /// outbox, the turn's journal gone. Only then is stopped what still runs.
    pub(super) async fn end(&mut self, ended: Ended) -> Outcome {
        self.end_with(Batch::new(), ended).await
    }

    /// The same, with what else belongs to it.
    pub(super) async fn end_with(&mut self, mut batch: Batch, ended: Ended) -> Outcome {
        let now = self.deps.clock.now();
        let Ended { mut exchange, members, turn, is_clean, notices, queue } = ended;
        exchange.date(now);
        self.take_out(&mut batch, &members);
        let mut blocks = Vec::new();
        if is_clean {
            blocks = self.end_aside(&mut batch);
            batch.delete(turn_key(&self.key)).delete(chain_key(&self.key));
            self.forget_prompt();
        }
        if let Some(EndedTurn { turn, steps, .. }) = &turn {
            self.remove_steps(&mut batch, *turn, steps);
        }
        if let Some(queue) = queue {
            self.keep_choice(queue, &mut batch);
        }
        let mut entries = Vec::new();
        for notice in notices {
            let draft = Draft {
                session: self.key.clone(),
                turn: exchange.turn,
                to: notice.to,
                text: notice.text,
                speaker: None,
            };
            entries.extend(self.deps.outbox.add(&mut batch, &draft, now)?);
        }
        exchange.entries = blocks.into_iter().chain(entries.iter().map(|e| e.id.0)).collect();
        let step = JourneyStep::Ended { turn: exchange.turn, reason: exchange.answer.clone() };
        batch.put(exchange_key(&self.key, exchange.turn), &exchange);
        // A conflict means that an earlier life has ended this: reload and see.
        self.deps.store.commit(batch).await?;
        self.deps.outbox.written(entries);
        if let Some(turn) = turn {
            self.tell_failed(turn.turn, &exchange.answer);
            self.stop_calls(&turn);
        }
        self.tell(now, step);
        Ok(())
    }

    /// Messages nobody will answer become dead letters, visibly.
    pub(super) async fn dead_letter(
        &mut self,
        records: Vec<InboxRecord>,
        reason: Reason,
        notice: Option<String>,
        (turn, told): (Option<(u64, Vec<StepId>)>, Option<String>),
    ) -> Outcome {
        if are_beats(&records) {
            return self.beat_failed(records, &reason, turn, told).await;
        }
        let now = self.deps.clock.now();
        let mut batch = Batch::new();
        let mut steps = Vec::new();
        let mut entries = Vec::new();
        if let (Some(text), Some(first)) = (notice, records.first()) {
            let draft = Draft {
                session: self.key.clone(),
                turn: first.envelope.id.0,
                to: first.envelope.inbound.reply_to.clone(),
                text,
                speaker: None,
            };
            entries = self.deps.outbox.add(&mut batch, &draft, now)?;
        }
        let members: Vec<EnvelopeId> = records.iter().map(|record| record.envelope.id).collect();
        self.take_out(&mut batch, &members);
        let done = self.done_before(turn.as_ref())?;
        for record in records {
            let id = DeadLetterId(self.deps.store.next_id()?);
            tracing::warn!(session = %self.key, message = %record.envelope.id, %reason,
                "message became dead letter {id}: see `telson dead-letters show {id}`");
            steps.push(JourneyStep::DeadLettered { dead_letter: id.0, reason: reason.to_string() });
            if !done.calls.is_empty() {
                batch.put(done_key(id), &done);
            }
            let item = Item::Inbound(Box::new(record));
            dead_letter::add(&mut batch, &DeadLetter { id, at: now, reason: reason.clone(), item });
        }
        let failed = turn.as_ref().map(|(turn, _)| *turn);
        if let Some((turn, steps)) = turn {
            self.end_aside(&mut batch);
            self.forget_turn(&mut batch, turn, &steps);
        }
        crash_point("dead_letter.before_message");
        self.deps.store.commit(batch).await?;
        crash_point("dead_letter.after_message");
        if let Some(turn) = failed {
            self.tell_failed(turn, &reason.to_string());
            // A life before may have left a call behind that nobody waits for now.
            self.forget(turn, &self.deps.catalog.providers);
        }
        self.deps.outbox.written(entries);
        for step in steps {
            self.tell(now, step);
        }
        Ok(())
    }

    /// What a turn that ends has done, as its journal has it.
    fn done_before(&self, turn: Option<&(u64, Vec<StepId>)>) -> Result<DoneBefore, StoreError> {
        let Some((turn, ids)) = turn else { return Ok(DoneBefore::default()) };
        let mut records = Vec::with_capacity(ids.len());
        for id in ids {
            let record: Option<StepRecord> =
                self.deps.store.get(&step_key(&self.key, *turn, *id))?;
            records.extend(record.map(|record| (*id, record)));
        }
        let messages = Steps::read(records).map(|(steps, _)| steps.messages());
        Ok(DoneBefore::of(&messages.unwrap_or_default(), |name| {
            let tool = self.deps.toolbox.get(&self.agent, name);
            tool.is_some_and(|tool| tool.traits().is_idempotent)
        }))
    }

    /// Messages leave the inbox with this batch, and only once: a conflict means that an earlier life
    /// has ended them.
    pub(super) fn take_out(&self, batch: &mut Batch, members: &[EnvelopeId]) {
        for id in members {
            let key = inbox_key(&self.key, *id);
            batch.expect(Expect::Present(key.clone())).delete(key);
        }
        batch.tally(Space::Inbox, -i64::try_from(members.len()).unwrap_or(i64::MAX));
    }

    /// What is journalled of a turn that has failed goes with it.
    pub(super) fn forget_turn(&mut self, batch: &mut Batch, turn: u64, steps: &[StepId]) {
        self.forget_prompt();
        batch.delete(turn_key(&self.key)).delete(chain_key(&self.key));
        self.remove_steps(batch, turn, steps);
    }

    pub(super) fn remove_steps(&self, batch: &mut Batch, turn: u64, steps: &[StepId]) {
        for step in steps {
            batch.delete(step_key(&self.key, turn, *step));
        }
    }

    fn keep_choice(&self, queue: QueueChoice, batch: &mut Batch) {
        if queue.is_empty() {
            batch.delete(queue_key(&self.key));
        } else {
            batch.put(queue_key(&self.key), &queue);
        }
    }

    /// Nobody waits for these calls any more. One that is on its way to be made regardless would
    /// report to nobody: the machine knows its turn no longer.
    fn stop_calls(&self, turn: &EndedTurn) {
        let summaries = self.context_rules().summary_model.map(|(provider, _)| provider);
        let providers = [Some(turn.model.provider.clone()), summaries];
        self.forget(turn.turn, &providers.into_iter().flatten().collect());
    }

    fn forget(&self, turn: u64, providers: &BTreeSet<String>) {
        for provider in providers {
            let message = ProviderMessage::Forget { session: self.key.as_str().to_owned(), turn };
            if self.deps.registry.via(provider_name(provider)).cast(message).is_err() {
                tracing::debug!(session = %self.key, "the provider restarts: its calls are gone");
            }
        }
        let message = ToolMessage::Forget { session: self.key.clone(), turn };
        if self.deps.registry.via(TOOLS).cast(message).is_err() {
            tracing::debug!(session = %self.key, "the tools restart: their calls are gone");
        }
    }
}
