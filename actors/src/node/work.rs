//! What a node is to be asked once it comes: one piece of each kind, handed over once.
//!
//! A piece says what is wanted, not what is to be done: asked for twice, it is wanted once.
//! Invariant: L1 (as many pieces as there are kinds, for a day at most).

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::store::{Key, Record, Space};

/// What is wanted of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkKind {
    /// How it is.
    Status,
    /// Where it is.
    Location,
}

/// One piece.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkItem {
    /// Names it.
    pub id: String,
    /// What is wanted.
    pub kind: WorkKind,
    /// Whether it comes before those that are not.
    pub is_urgent: bool,
    /// Since when it is wanted.
    pub at: Timestamp,
    /// When nobody wants it any more.
    pub until: Timestamp,
}

/// All that waits for a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeWork {
    /// Grows with every change, until all of it is forgotten.
    pub revision: u64,
    /// What waits, the oldest first.
    pub items: Vec<WorkItem>,
}

/// What is handed over at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    /// The most urgent first, of those the oldest.
    pub items: Vec<WorkItem>,
    /// Whether more waits.
    pub has_more: bool,
}

impl Record for NodeWork {
    const VERSION: u8 = 1;
}

/// Where the work of a node lives.
pub fn work_key(id: &str) -> Key {
    Key::of(Space::NodeWork).text(id)
}

impl NodeWork {
    /// Drops what nobody wants any more; `true` if that changed anything.
    pub fn prune(&mut self, now: Timestamp) -> bool {
        let before = self.items.len();
        self.items.retain(|item| item.until > now);
        let is_changed = self.items.len() < before;
        self.revision += u64::from(is_changed);
        is_changed
    }

    /// Adds a piece; where one of its kind waits already, that stays and the new one is not needed.
    /// Answers the one that waits.
    pub fn add(&mut self, item: WorkItem) -> WorkItem {
        if let Some(known) = self.items.iter().find(|known| known.kind == item.kind) {
            return known.clone();
        }
        self.items.push(item.clone());
        self.revision += 1;
        item
    }

    /// Takes out at most so many.
    pub fn hand_over(&mut self, max: usize) -> Handed {
        // Stable: of the same urgency the oldest first.
        self.items.sort_by_key(|item| (!item.is_urgent, item.at));
        let rest = self.items.split_off(max.min(self.items.len()));
        let items = std::mem::replace(&mut self.items, rest);
        self.revision += u64::from(!items.is_empty());
        Handed { items, has_more: !self.items.is_empty() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn item(id: &str, kind: WorkKind, is_urgent: bool, at: i64, until: i64) -> WorkItem {
        let (at, until) = (Timestamp(at), Timestamp(until));
        WorkItem { id: id.into(), kind, is_urgent, at, until }
    }

    #[test]
    fn what_is_wanted_twice_waits_once_and_is_handed_over_once() {
        let mut work = NodeWork::default();
        let first = work.add(item("a", WorkKind::Status, false, 1, 10));
        assert_eq!(work.add(item("b", WorkKind::Status, true, 2, 20)), first);
        let urgent = work.add(item("c", WorkKind::Location, true, 3, 20));
        assert_eq!((work.revision, work.items.len()), (2, 2));
        assert_eq!(work.hand_over(1), Handed { items: vec![urgent], has_more: true });
        assert_eq!(work.hand_over(9), Handed { items: vec![first], has_more: false });
        let nothing = Handed { items: Vec::new(), has_more: false };
        assert_eq!((work.hand_over(9), work.revision), (nothing, 4));
    }

    #[test]
    fn what_nobody_wants_any_more_is_dropped() {
        let mut work = NodeWork::default();
        work.add(item("a", WorkKind::Status, false, 1, 10));
        assert!(!work.prune(Timestamp(9)));
        assert!(work.prune(Timestamp(10)));
        assert_eq!((work.revision, work.items.len()), (2, 0));
        let newer = work.add(item("b", WorkKind::Status, false, 11, 20));
        assert_eq!(newer.id, "b");
    }

    proptest! {
        // L1
        #[test]
        fn there_is_one_of_each_kind_and_the_revision_only_grows(
            steps in proptest::collection::vec((any::<bool>(), any::<bool>(), 0_i64..50, 0_usize..3), 0..30),
        ) {
            let mut work = NodeWork::default();
            for (now, (is_status, is_urgent, life, taken)) in steps.into_iter().enumerate() {
                let (now, before) = (i64::try_from(now).unwrap(), work.clone());
                work.prune(Timestamp(now));
                let kind = if is_status { WorkKind::Status } else { WorkKind::Location };
                work.add(item(&now.to_string(), kind, is_urgent, now, now + life));
                if taken > 0 {
                    work.hand_over(taken);
                }
                prop_assert!(work.items.len() <= 2);
                prop_assert!(work.revision >= before.revision);
                prop_assert!(work == before || work.revision > before.revision);
            }
        }
    }
}
