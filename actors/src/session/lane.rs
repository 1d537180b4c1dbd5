//! The lane of one session: what waits for a turn, and which of it the next turn takes.
//!
//! What holds at all times:
//! * Messages of one destination leave in the order they came.
//! * Each pushed message leaves exactly once: in one batch, or as [`Pushed::Dropped`].
//! * At most `cap` messages wait in full for longer than the patience, at most [`BURST_MAX`] for
//!   less; folded ones wait beside them, at most [`FOLDED_MAX`]. Those that take a turn alone can't be
//!   folded, nor what came behind them: they wait in full, at most [`BURST_MAX`] with the others.
//! * [`Next::Idle`] means that the lane is empty; [`Next::WaitUntil`] lies in the future and, with
//!   nothing pushed, ends in a turn.
//!
//! One turn at a time is the caller's part: it asks for the next batch when no turn is in flight.

mod boundary;
mod render;

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::message::{Destination, EnvelopeId};

pub use render::{FOLDED_TEXT_MAX_CHARS, render};

/// Quiet time before a collecting lane starts: people send one thought as several messages.
pub const QUIET_DEFAULT: Duration = Duration::from_millis(500);

/// Messages that wait in full. More than this is a flood, and is folded or dropped.
pub const CAP_DEFAULT: usize = 20;

/// Quiet windows after which a collecting lane starts anyway: someone who never pauses is answered
/// all the same.
pub const QUIET_WINDOWS_MAX: u32 = 10;

/// Folded messages per lane. One batch must stay small enough to be journalled and read; beyond it
/// the oldest is dropped, for the caller to report.
pub const FOLDED_MAX: usize = 1_000;

/// A burst is not a backlog: overflow is folded only once the oldest message has waited this long,
/// so that messages a quick agent gets through anyway are each answered by themselves.
pub const PATIENCE_DEFAULT: Duration = Duration::from_secs(2);

/// Messages that a burst may add up to. Beyond it overflow gives way at once.
pub const BURST_MAX: usize = 1_000;

/// Ids of messages that have left, kept to recognise a repeated push. A repeat comes from a router
/// or session that has just restarted, so it concerns recent messages only.
pub const LEFT_MAX: usize = 2_048;

/// How waiting messages become turns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// One turn per message.
    #[default]
    Followup,
    /// One turn for all messages of one destination, once it is quiet.
    Collect,
    /// Into the running turn at its next boundary, so that its answer answers them too; else like
    /// [`Mode::Followup`].
    Steer,
    /// The running turn ends unanswered, and one turn takes all that wait for its destination.
    Interrupt,
}

/// What gives way when the lane is full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DropPolicy {
    /// The oldest message is folded into the next batch for its destination.
    #[default]
    Summarize,
    /// The oldest message is dropped.
    Old,
    /// The newest message is dropped.
    New,
}

/// How one lane behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneSettings {
    /// How waiting messages become turns.
    pub mode: Mode,
    /// How long it must be quiet before a collecting lane starts.
    pub quiet: Duration,
    /// How many messages wait in full; at least one.
    pub cap: usize,
    /// What gives way beyond that.
    pub drop: DropPolicy,
    /// How long the oldest message waits before overflow is folded.
    pub patience: Duration,
}

impl Default for LaneSettings {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            quiet: QUIET_DEFAULT,
            cap: CAP_DEFAULT,
            drop: DropPolicy::default(),
            patience: PATIENCE_DEFAULT,
        }
    }
}

/// One message that waits for its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its number in the journal.
    pub id: EnvelopeId,
    /// Where the answer goes.
    pub reply_to: Destination,
    /// Who wrote it.
    pub sender: String,
    /// What it says.
    pub text: String,
    /// When it was admitted. A time ahead of the clock (which may step back) is moved back to it.
    pub at: Timestamp,
    /// How it becomes a turn, where it says so itself.
    pub mode: Option<Mode>,
    /// Whether it takes a turn for itself: nothing joins it, and it joins nothing.
    pub is_alone: bool,
}

/// What became of a pushed message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Pushed {
    /// It waits.
    Queued,
    /// It waits, and this older one was folded to make room.
    Folded(EnvelopeId),
    /// It is known already: nothing has changed.
    Duplicate,
    /// The lane was full: this message (the pushed or an older one) leaves without a turn, and has
    /// to be recorded as a dead letter.
    Dropped(Waiting),
}

/// What one turn answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The messages in full, oldest first. Never empty.
    pub members: Vec<Waiting>,
    /// Older messages that overflowed, oldest first. This turn answers them too.
    pub folded: Vec<Waiting>,
    /// Where the answer goes: the same for all of them.
    pub reply_to: Destination,
}

impl Batch {
    /// The ids of everything this turn answers, oldest first.
    pub fn ids(&self) -> impl Iterator<Item = EnvelopeId> {
        self.folded.iter().chain(&self.members).map(|waiting| waiting.id)
    }
}

/// What the lane wants next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Next {
    /// Start this turn.
    Turn(Batch),
    /// Ask again at this time, or after the next push.
    WaitUntil(Timestamp),
    /// Nothing waits.
    Idle,
}

/// The waiting messages of one session.
#[derive(Debug, Clone, Default)]
pub struct Lane {
    settings: LaneSettings,
    waiting: VecDeque<Waiting>,
    /// Overflow, oldest first; of each destination older than everything in `waiting`.
    folded: VecDeque<Waiting>,
    left: VecDeque<EnvelopeId>,
}

impl Lane {
    /// An empty lane.
    pub fn new(settings: LaneSettings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// Adds a message at the end.
    pub fn push(&mut self, message: Waiting) -> Pushed {
        if self.knows(message.id) {
            return Pushed::Duplicate;
        }
        if self.waiting.len() < self.cap() || self.is_burst(message.at) {
            self.waiting.push_back(message);
            return Pushed::Queued;
        }
        if self.settings.drop == DropPolicy::New {
            return self.dropped(message);
        }
        self.waiting.push_back(message);
        let is_folded = self.settings.drop == DropPolicy::Summarize;
        if is_folded && let Some(oldest) = self.take_foldable() {
            return self.fold(oldest);
        }
        if is_folded && self.waiting.len() <= BURST_MAX {
            return Pushed::Queued;
        }
        match self.waiting.pop_front() {
            Some(oldest) => self.dropped(oldest),
            None => Pushed::Queued,
        }
    }

    /// Adds a message that was accepted in an earlier life, whatever the lane holds: a restart is no
    /// reason to drop what would have been answered without it.
    pub fn restore(&mut self, message: Waiting) -> Pushed {
        if self.knows(message.id) {
            return Pushed::Duplicate;
        }
        self.waiting.push_back(message);
        Pushed::Queued
    }

    /// Notes that a turn already owns this message, so that a repeated push does nothing.
    pub fn mark_left(&mut self, id: EnvelopeId) {
        if self.left.contains(&id) {
            return;
        }
        if self.left.len() >= LEFT_MAX {
            self.left.pop_front();
        }
        self.left.push_back(id);
    }

    /// Takes the next batch, if its time has come. Must not be asked while a turn is in flight.
    pub fn next(&mut self, now: Timestamp) -> Next {
        self.fold_backlog(now);
        let mut soonest: Option<Timestamp> = None;
        for reply_to in self.destinations() {
            match self.ready_at(&reply_to, now) {
                Some(at) if at > now => soonest = Some(soonest.map_or(at, |s| s.min(at))),
                _ => return Next::Turn(self.take(reply_to)),
            }
        }
        soonest.map_or(Next::Idle, Next::WaitUntil)
    }

    /// How many messages wait, folded ones included.
    pub fn len(&self) -> usize {
        self.waiting.len() + self.folded.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.folded.is_empty()
    }

    fn dropped(&mut self, message: Waiting) -> Pushed {
        self.mark_left(message.id);
        Pushed::Dropped(message)
    }

    fn fold(&mut self, oldest: Waiting) -> Pushed {
        let id = oldest.id;
        self.folded.push_back(oldest);
        if self.folded.len() > FOLDED_MAX
            && let Some(first) = self.folded.pop_front()
        {
            return self.dropped(first);
        }
        Pushed::Folded(id)
    }

    fn cap(&self) -> usize {
        self.settings.cap.max(1)
    }

    /// Whether overflow at this moment is only a burst.
    fn is_burst(&self, now: Timestamp) -> bool {
        let is_young = |oldest: &Waiting| now.since(oldest.at) < self.settings.patience;
        self.settings.drop == DropPolicy::Summarize
            && self.waiting.len() < BURST_MAX
            && self.waiting.front().is_some_and(is_young)
    }

    /// A burst that has waited too long is a backlog: its oldest messages are folded.
    fn fold_backlog(&mut self, now: Timestamp) {
        while self.waiting.len() > self.cap()
            && self.folded.len() < FOLDED_MAX
            && !self.is_burst(now)
            && let Some(oldest) = self.take_foldable()
        {
            self.folded.push_back(oldest);
        }
    }

    /// Takes out the oldest message that can be folded: none that takes a turn alone, and none behind
    /// such a one of its destination, whose order it would lose.
    fn take_foldable(&mut self) -> Option<Waiting> {
        let mut held: Vec<&Destination> = Vec::new();
        let at = self.waiting.iter().position(|message| {
            let is_held = held.contains(&&message.reply_to);
            if message.is_alone && !is_held {
                held.push(&message.reply_to);
            }
            !message.is_alone && !is_held
        })?;
        self.waiting.remove(at)
    }

    /// Everywhere something waits for, the one that has waited longest first.
    fn destinations(&self) -> Vec<Destination> {
        let mut all: Vec<Destination> = Vec::new();
        let mut messages: Vec<&Waiting> = self.folded.iter().chain(&self.waiting).collect();
        if !messages.is_sorted_by_key(|message| message.id) {
            // What could not be folded, or only later, is older than what was.
            messages.sort_by_key(|message| message.id);
        }
        for message in messages {
            if !all.contains(&message.reply_to) {
                all.push(message.reply_to.clone());
            }
        }
        all
    }

    /// When the batch for this destination may start; `None` means at once.
    fn ready_at(&mut self, reply_to: &Destination, now: Timestamp) -> Option<Timestamp> {
        let overflowed = self.folded.iter().any(|message| message.reply_to == *reply_to);
        if overflowed { None } else { self.quiet_at(reply_to, now) }
    }

    fn take(&mut self, reply_to: Destination) -> Batch {
        let mut folded = take_where(&mut self.folded, usize::MAX, &reply_to);
        let joins = |mode| matches!(mode, Mode::Collect | Mode::Interrupt);
        let next = self.waiting.iter().find(|message| message.reply_to == reply_to);
        let limit = if !folded.is_empty() && next.is_some_and(|next| next.is_alone) {
            // What has overflowed is older, and is answered without it.
            0
        } else {
            self.leading(&reply_to, joins).max(1)
        };
        let mut members = take_where(&mut self.waiting, limit, &reply_to);
        if members.is_empty() {
            // The whole destination has overflowed: its newest message is the one to answer.
            members.extend(folded.pop());
        }
        let batch = Batch { members, folded, reply_to };
        for id in batch.ids() {
            self.mark_left(id);
        }
        batch
    }
}

/// Takes up to `limit` messages for one destination out of the queue, in order.
fn take_where(queue: &mut VecDeque<Waiting>, limit: usize, to: &Destination) -> Vec<Waiting> {
    let mut taken = Vec::new();
    // Without room for anything yet: mostly nothing is kept.
    let mut kept = VecDeque::new();
    for message in queue.drain(..) {
        if taken.len() < limit && message.reply_to == *to {
            taken.push(message);
        } else {
            kept.push_back(message);
        }
    }
    *queue = kept;
    taken
}

#[cfg(test)]
mod tests;
