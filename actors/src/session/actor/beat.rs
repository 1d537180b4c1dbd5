//! The end of a heartbeat's turn: its answer is judged, and what came of it is told.

use super::asides::Outgoing;
use super::{Outcome, State};
use crate::clock::Timestamp;
use crate::dead_letter::Reason;
use crate::event::JourneyStep;
use crate::heartbeat::{self, BeatEnd, Heartbeats, is_beat, is_beat_turn, stripped};
use crate::inbox::InboxRecord;
use crate::message::EnvelopeId;
use crate::model::Candidates;
use crate::outbox::Draft;
use crate::session::machine::{BeatSettings, keeps_told, says_nothing};
use crate::session::record::{Exchange, exchange_key};
use crate::session::steps::StepId;
use crate::store::{Batch, StoreError};

/// Whether all of these are heartbeats.
pub(super) fn are_beats(records: &[InboxRecord]) -> bool {
    !records.is_empty() && records.iter().all(|record| is_beat(&record.envelope.inbound))
}

/// An answer to a person without a heartbeat's token, which agents sometimes say by habit.
pub(super) fn without_ok(said: &str) -> Result<&str, String> {
    match stripped(said) {
        ("", true) => Err(format!("the agent answered {}: nothing was sent", heartbeat::OK_TOKEN)),
        (rest, true) => Ok(rest),
        (_, false) => Ok(said),
    }
}

impl State {
    pub(super) fn beat_settings(&self) -> BeatSettings {
        let Some(beat) = self.deps.beats.beat(&self.agent) else { return BeatSettings::default() };
        let models = beat.model.clone().map(Candidates::strict);
        BeatSettings { ok_chars: beat.ok_chars, models, is_isolated: beat.is_isolated }
    }

    /// Whether the turn in flight is a heartbeat that goes without the files of the workspace.
    pub(super) fn is_light_beat(&self) -> bool {
        let is_light = self.deps.beats.beat(&self.agent).is_some_and(|beat| beat.is_light);
        is_light && self.session.as_ref().is_some_and(super::Session::is_beat_turn)
    }

    /// What becomes of a heartbeat's answer; nothing if people wrote, too.
    pub(super) fn judged(
        &self,
        exchange: &Exchange,
        now: Timestamp,
    ) -> Result<Option<BeatEnd>, StoreError> {
        if !is_beat_turn(&exchange.said) {
            return Ok(None);
        }
        self.deps.beats.judge(&self.key, &self.agent, exchange, now).map(Some)
    }

    /// What is sent of an answer: to where its messages came from, or what a heartbeat has to say.
    pub(super) async fn outgoing_of(
        &self,
        exchange: &Exchange,
        beat: Option<&BeatEnd>,
    ) -> Outgoing {
        let said = exchange.answer.as_str();
        let (to, said) = match beat {
            Some(beat) => beat.sending()?,
            None => (&exchange.reply_to, said),
        };
        if beat.is_some_and(BeatEnd::says_ok) {
            let (session, turn) = (self.key.clone(), exchange.turn);
            let (to, text) = (to.clone(), said.to_owned());
            return Ok(Draft { session, turn, to, text, speaker: None });
        }
        self.outgoing(exchange.turn, to, (said, &exchange.model)).await
    }

    /// Keeps an exchange in the transcript, unless it is a heartbeat that found nothing.
    pub(super) fn keep_exchange(
        &self,
        batch: &mut Batch,
        exchange: &Exchange,
        beat: Option<&BeatEnd>,
    ) {
        if let Some(beat) = beat {
            beat.write(batch, &self.key);
        }
        if !beat.is_some_and(|beat| beat.is_quiet) {
            batch.put(exchange_key(&self.key, exchange.turn), exchange);
        }
    }

    /// Notes why an answer is not sent, where anybody can ask: with an exchange in the transcript.
    pub(super) fn note_kept(
        batch: &mut Batch,
        (turn, now): (u64, Timestamp),
        reason: &str,
        beat: Option<&mut BeatEnd>,
    ) {
        if !beat.as_ref().is_some_and(|beat| beat.is_quiet) {
            Self::note_unsent(batch, turn, now, reason);
        }
        if let Some(beat) = beat {
            beat.unsent(reason);
        }
    }

    pub(super) fn tell_beat(&self, beat: Option<BeatEnd>) {
        if let Some(beat) = beat {
            self.deps.beats.tell(beat.status());
        }
    }

    /// A heartbeat that could not be asked ends without a dead letter: nobody wrote it, and the next
    /// one asks the same. What it was told waits for that.
    pub(super) async fn beat_failed(
        &mut self,
        records: Vec<InboxRecord>,
        reason: &Reason,
        turn: Option<(u64, Vec<StepId>)>,
        told: Option<String>,
    ) -> Outcome {
        let now = self.deps.clock.now();
        let mut batch = Batch::new();
        let members: Vec<EnvelopeId> = records.iter().map(|record| record.envelope.id).collect();
        self.take_out(&mut batch, &members);
        let failed = turn.as_ref().map(|(turn, _)| *turn);
        let mut retry = None;
        if let Some((turn, steps)) = turn {
            let told = told.filter(|_| self.told && keeps_told(&records, reason));
            self.told &= told.is_none();
            self.end_aside(&mut batch);
            self.told = told.is_some();
            if let Some(text) = told {
                retry = self.retry_told(&mut batch, text, now)?;
            }
            self.forget_turn(&mut batch, turn, &steps);
        }
        let mut text = reason.to_string();
        let mut outcome = heartbeat::Outcome::Failed;
        if says_nothing(reason) {
            (outcome, text) = (heartbeat::Outcome::OkEmpty, "ok-empty".into());
        }
        let status = self.deps.beats.ended(&self.agent, outcome, text.clone(), None, now);
        Heartbeats::keep(&mut batch, &status);
        self.deps.store.commit(batch).await?;
        tracing::warn!(session = %self.key, reason = text, "a heartbeat has failed");
        if let Some(turn) = failed {
            self.tell_failed(turn, &text);
        }
        self.deps.beats.tell(status);
        if let Some(at) = retry {
            self.deps.beats.retry(&self.key, at);
        }
        for record in records {
            let turn = record.envelope.id.0;
            self.tell(now, JourneyStep::Ended { turn, reason: text.clone() });
        }
        Ok(())
    }
}
