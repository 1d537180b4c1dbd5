//! What is tried next when a conversation does not fit: every try of a turn is shorter than the one
//! before, so there is an end to it.

use super::compaction::Job;
use super::conversation::Stage;

/// Summaries a turn may ask for.
pub const COMPACTIONS_MAX: u32 = 3;

/// How far a turn has gone to make room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Room {
    /// How much is left out.
    pub stage: Stage,
    /// The summary that is being written.
    pub job: Option<Job>,
    /// Summaries asked for.
    pub asked: u32,
    /// Whether no room for a long answer is kept free any more.
    pub is_last_try: bool,
    /// Whether summaries are given up for this turn.
    is_without_summary: bool,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Show less, as `stage` says now.
    Shorter,
    /// Have a summary written of that many of the oldest exchanges.
    Compact(usize),
    /// Nothing is left to try.
    GiveUp,
}

impl Room {
    /// A turn that only has a summary of this many exchanges written.
    pub fn compacting(exchanges: usize) -> Self {
        Self { job: Some(Job { exchanges, correction: None }), asked: 1, ..Self::default() }
    }

    /// The conversation did not fit. `exchanges` is what the next summary would stand for;
    /// `by_estimate` says that no provider has seen it.
    pub fn next(&mut self, exchanges: usize, by_estimate: bool) -> Next {
        let stage = match self.stage {
            Stage::Whole => Stage::Trimmed,
            Stage::Trimmed if self.may_compact(exchanges) => {
                self.asked += 1;
                self.job = Some(Job { exchanges, correction: None });
                return Next::Compact(exchanges);
            }
            Stage::Trimmed => Stage::Recent,
            Stage::Recent => Stage::Bare,
            Stage::Bare if by_estimate && !self.is_last_try => {
                self.is_last_try = true;
                return Next::Shorter;
            }
            Stage::Bare => return Next::GiveUp,
        };
        self.stage = stage;
        Next::Shorter
    }

    /// A summary is there: the rest is tried again as it is.
    pub fn compacted(&mut self) {
        self.job = None;
    }

    /// The text would not do: once more with what was wrong, or not at all. `true` if once more.
    pub fn correct(&mut self, wrong: String) -> bool {
        let may_repeat = self.asked < COMPACTIONS_MAX;
        if let Some(job) = self.job.as_mut().filter(|job| may_repeat && job.correction.is_none()) {
            job.correction = Some(wrong);
            self.asked += 1;
            return true;
        }
        self.without_summary();
        false
    }

    /// What was to be summed up is itself too long: half of it, or no summary. `true` if half.
    pub fn halve(&mut self) -> bool {
        let may_repeat = self.asked < COMPACTIONS_MAX;
        if let Some(job) = self.job.as_mut().filter(|job| may_repeat && job.exchanges > 1) {
            job.exchanges /= 2;
            self.asked += 1;
            return true;
        }
        self.without_summary();
        false
    }

    /// No summary for this turn: older exchanges stay out.
    pub fn without_summary(&mut self) {
        self.job = None;
        self.is_without_summary = true;
    }

    fn may_compact(&self, exchanges: usize) -> bool {
        exchanges > 0 && self.asked < COMPACTIONS_MAX && !self.is_without_summary
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // L1: whatever happens, a turn is given up after a bounded number of calls.
        #[test]
        fn making_room_comes_to_an_end(
            fates in prop::collection::vec((0u8..4, 0usize..50, any::<bool>()), 64),
        ) {
            let mut room = Room::default();
            let (mut summaries, mut tries) = (0, 0);
            let mut stage = room.stage;
            for (fate, exchanges, by_estimate) in fates {
                if room.job.is_some() {
                    match fate {
                        0 => room.compacted(),
                        1 => summaries += u32::from(room.correct("no".into())),
                        2 => summaries += u32::from(room.halve()),
                        _ => room.without_summary(),
                    }
                    continue;
                }
                tries += 1;
                match room.next(exchanges, by_estimate) {
                    Next::Shorter => {}
                    Next::Compact(_) => summaries += 1,
                    Next::GiveUp => break,
                }
                prop_assert!(room.stage >= stage, "never longer again");
                stage = room.stage;
            }
            prop_assert!(summaries <= COMPACTIONS_MAX && tries <= 9, "{summaries} {tries}");
        }
    }
}
