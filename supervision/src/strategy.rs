//! Which siblings share the fate of a failed child.

use std::ops::Range;

use serde::Serialize;

/// How far the restart of one child reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Only the failed child: siblings do not depend on each other.
    OneForOne,
    /// Every child: siblings make no sense without each other.
    OneForAll,
    /// The failed child and those started after it: later ones depend on earlier ones.
    RestForOne,
}

impl Strategy {
    /// The indices, in start order, of the children to restart when child `failed` of `count` ends.
    ///
    /// Always contains `failed` when `failed < count`; empty otherwise.
    pub fn affected(self, failed: usize, count: usize) -> Range<usize> {
        if failed >= count {
            return 0..0;
        }
        match self {
            Strategy::OneForOne => failed..failed + 1,
            Strategy::OneForAll => 0..count,
            Strategy::RestForOne => failed..count,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Strategy;

    proptest! {
        #[test]
        fn the_affected_set_holds_the_failed_child(failed in 0usize..50, more in 1usize..50) {
            let count = failed + more;
            for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
                let set = strategy.affected(failed, count);
                prop_assert!(set.contains(&failed));
                prop_assert!(set.end <= count);
            }
            prop_assert_eq!(Strategy::OneForOne.affected(failed, count).len(), 1);
            prop_assert_eq!(Strategy::OneForAll.affected(failed, count).len(), count);
            prop_assert_eq!(Strategy::RestForOne.affected(failed, count), failed..count);
        }

        #[test]
        fn a_child_that_is_not_there_affects_nobody(count in 0usize..50, beyond in 0usize..50) {
            for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
                prop_assert!(strategy.affected(count + beyond, count).is_empty());
            }
        }
    }
}
