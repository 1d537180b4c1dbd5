//! What waits for one subscriber: a short queue that forgets its oldest and says how many. Pure.

use std::collections::VecDeque;

/// What a subscriber gets next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next<T> {
    /// So many were forgotten before this point.
    Gap(u64),
    /// The next one.
    One(T),
}

/// A queue that never refuses: the newest is always in it, because an end counts more than a
/// beginning.
#[derive(Debug)]
pub(super) struct Queue<T> {
    waiting: VecDeque<T>,
    missed: u64,
    max: usize,
}

impl<T> Queue<T> {
    /// One for at most `max` (at least 1).
    pub(super) fn new(max: usize) -> Self {
        Self { waiting: VecDeque::new(), missed: 0, max: max.max(1) }
    }

    /// Adds one, in place of the oldest if there is no room.
    pub(super) fn push(&mut self, one: T) {
        if self.waiting.len() >= self.max {
            self.waiting.pop_front();
            self.missed = self.missed.saturating_add(1);
        }
        self.waiting.push_back(one);
    }

    /// Takes the oldest; first the gap before it, if there is one.
    pub(super) fn pop(&mut self) -> Option<Next<T>> {
        match std::mem::take(&mut self.missed) {
            0 => self.waiting.pop_front().map(Next::One),
            missed => Some(Next::Gap(missed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // L1: bounded; and everything is either handed over in order or counted as missed.
        #[test]
        fn nothing_vanishes_without_being_counted(
            moves in prop::collection::vec(any::<bool>(), 0..300), max in 1usize..8,
        ) {
            let mut queue = Queue::new(max);
            let (mut pushed, mut next) = (0u64, 0u64);
            let mut take = |queue: &mut Queue<u64>| -> Result<bool, TestCaseError> {
                match queue.pop() {
                    Some(Next::Gap(missed)) => next += missed,
                    Some(Next::One(one)) => {
                        prop_assert_eq!(one, next);
                        next += 1;
                    }
                    None => return Ok(false),
                }
                Ok(true)
            };
            for push in moves {
                if push {
                    queue.push(pushed);
                    pushed += 1;
                    prop_assert!(queue.waiting.len() <= max);
                    prop_assert_eq!(queue.waiting.back(), Some(&(pushed - 1)), "the newest stays");
                } else {
                    take(&mut queue)?;
                }
            }
            while take(&mut queue)? {}
            prop_assert_eq!(next, pushed);
        }
    }
}
