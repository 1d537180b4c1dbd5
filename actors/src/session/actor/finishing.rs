//! The one commit that ends a turn with its answer: messages out of the inbox, the exchange into the
//! transcript, the answer into the outbox.

use super::{Outcome, State};
use crate::clock::Timestamp;
use crate::crash_point::crash_point;
use crate::event::JourneyStep;
use crate::heartbeat::BeatEnd;
use crate::outbox::{Draft, EntryRecord};
use crate::session::chain::chain_key;
use crate::session::machine::FinishedTurn;
use crate::session::record::{Exchange, SessionRecord, session_key, turn_key};
use crate::store::{Batch, StoreError};

/// What a turn sends.
#[derive(Default)]
struct Sent {
    /// What the gateway says before the answer.
    notice: Vec<EntryRecord>,
    /// The parts of the answer; none if nothing is sent of it.
    answer: Vec<EntryRecord>,
}

impl State {
    pub(super) async fn finish(&mut self, finished: FinishedTurn) -> Outcome {
        let now = self.deps.clock.now();
        let FinishedTurn { mut exchange, members, journalled, steps, chained, notice, usage } =
            finished;
        let turn = exchange.turn;
        exchange.date(now);
        let mut batch = Batch::new();
        self.take_out(&mut batch, &members);
        self.forget_client_tools(&mut batch, turn, &exchange.said);
        self.remove_steps(&mut batch, turn, &steps);
        if journalled {
            batch.delete(turn_key(&self.key));
        }
        if chained {
            batch.delete(chain_key(&self.key));
        }
        if !self.known {
            let (key, agent) = (self.key.clone(), self.agent.clone());
            let record = SessionRecord { key, agent, created_at: now };
            batch.put(session_key(&self.key), &record);
        }
        let blocks = self.end_aside(&mut batch);
        let mut beat = self.judged(&exchange, now)?;
        let sent = self.send(&mut batch, &exchange, notice, beat.as_mut(), now).await?;
        exchange.entries =
            blocks.into_iter().chain(sent.answer.iter().map(|entry| entry.id.0)).collect();
        let step = JourneyStep::Answered { turn, entries: exchange.entries.clone() };
        self.keep_exchange(&mut batch, &exchange, beat.as_ref());
        self.count(&mut batch, &exchange.model, usage)?;
        crash_point("finish.before_commit");
        // A conflict means that an earlier life has finished this turn: reload and see.
        self.deps.store.commit(batch).await?;
        crash_point("finish.after_commit");
        self.known = true;
        self.counted();
        self.forget_prompt();
        self.tell_answered(turn, &exchange.answer, !sent.answer.is_empty());
        self.deps.outbox.written([sent.notice, sent.answer].concat());
        self.tell_beat(beat);
        self.tell(now, step);
        Ok(())
    }

    /// Puts what is sent of an answer into the outbox, or writes down why nothing is.
    async fn send(
        &self,
        batch: &mut Batch,
        exchange: &Exchange,
        notice: Option<String>,
        beat: Option<&mut BeatEnd>,
        now: Timestamp,
    ) -> Result<Sent, StoreError> {
        let draft = match self.outgoing_of(exchange, beat.as_deref()).await {
            Ok(draft) => draft,
            Err(reason) => {
                tracing::info!(session = %self.key, turn = exchange.turn, reason);
                let mut sent = Sent::default();
                // Whose client goes on in silence is told all the same what it goes on with.
                if let Some(text) = notice.filter(|_| beat.is_none() && is_blank(exchange)) {
                    let (session, to) = (self.key.clone(), exchange.reply_to.clone());
                    let draft = Draft { session, turn: exchange.turn, to, text, speaker: None };
                    sent.notice = self.deps.outbox.add(batch, &draft, now)?;
                }
                Self::note_kept(batch, (exchange.turn, now), &reason, beat);
                return Ok(sent);
            }
        };
        let mut sent = Sent::default();
        if let Some(text) = notice {
            let notice = Draft { text, speaker: None, ..draft.clone() };
            sent.notice = self.deps.outbox.add(batch, &notice, now)?;
        }
        sent.answer = self.deps.outbox.add(batch, &draft, now)?;
        Ok(sent)
    }
}

/// Whether nothing is said: the answer is calls for its client to make.
fn is_blank(exchange: &Exchange) -> bool {
    exchange.answer.trim().is_empty()
}
