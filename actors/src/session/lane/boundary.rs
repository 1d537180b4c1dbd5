//! What leaves the lane besides its own turns: steered into the running turn, or cleared by a stop.

use super::{Batch, Lane, LaneSettings, Mode, Waiting, take_where};
use crate::clock::Timestamp;
use crate::message::{Destination, EnvelopeId};

impl Lane {
    /// Goes on with other settings; what waits stays.
    pub fn set(&mut self, settings: LaneSettings) {
        self.settings = settings;
    }

    /// How it behaves.
    pub fn settings(&self) -> LaneSettings {
        self.settings
    }

    /// How this message becomes a turn: as it says itself, else as the lane does.
    pub fn mode_of(&self, message: &Waiting) -> Mode {
        if message.is_alone {
            return Mode::Followup;
        }
        message.mode.unwrap_or(self.settings.mode)
    }

    /// Takes what a running turn for `reply_to` is to be told at its next boundary. Only from the
    /// front: a message never overtakes an older one of its destination.
    pub fn steer(&mut self, reply_to: &Destination) -> Option<Batch> {
        let steered = self.leading(reply_to, |mode| mode == Mode::Steer);
        if steered == 0 {
            return None;
        }
        let folded = take_where(&mut self.folded, usize::MAX, reply_to);
        let members = take_where(&mut self.waiting, steered, reply_to);
        let batch = Batch { members, folded, reply_to: reply_to.clone() };
        for id in batch.ids() {
            self.mark_left(id);
        }
        Some(batch)
    }

    /// Takes everything, oldest first of each destination.
    pub fn clear(&mut self) -> Vec<Waiting> {
        let cleared: Vec<Waiting> = self.folded.drain(..).chain(self.waiting.drain(..)).collect();
        for message in &cleared {
            self.mark_left(message.id);
        }
        cleared
    }

    /// Takes one message that waits; nothing if it does not.
    pub fn remove(&mut self, id: EnvelopeId) -> Option<Waiting> {
        let queue = [&mut self.folded, &mut self.waiting]
            .into_iter()
            .find(|queue| queue.iter().any(|message| message.id == id))?;
        let at = queue.iter().position(|message| message.id == id)?;
        let removed = queue.remove(at);
        self.mark_left(id);
        removed
    }

    /// Whether a message is here, or was not long ago.
    pub fn knows(&self, id: EnvelopeId) -> bool {
        self.waiting.iter().chain(&self.folded).any(|waiting| waiting.id == id)
            || self.left.contains(&id)
    }

    /// How many of the first waiting messages of a destination have such a mode.
    pub(super) fn leading(&self, to: &Destination, is_wanted: impl Fn(Mode) -> bool) -> usize {
        let of_it = self.waiting.iter().filter(|message| message.reply_to == *to);
        of_it.take_while(|message| is_wanted(self.mode_of(message))).count()
    }

    /// When the messages that are gathered for a destination have been quiet; nothing if its first
    /// one does not wait for others.
    pub(super) fn quiet_at(&mut self, to: &Destination, now: Timestamp) -> Option<Timestamp> {
        let gathered = self.leading(to, |mode| mode == Mode::Collect);
        let LaneSettings { quiet, .. } = self.settings;
        let of_it = self.waiting.iter_mut().filter(|message| message.reply_to == *to);
        let mut times = Vec::new();
        for message in of_it.take(gathered) {
            // The clock may have stepped back: waiting for a time far ahead would be a hang.
            message.at = message.at.min(now);
            times.push(message.at);
        }
        let (oldest, newest) = (*times.iter().min()?, *times.iter().max()?);
        Some(newest.plus(quiet).min(oldest.plus(quiet * super::QUIET_WINDOWS_MAX)))
    }
}
