//! Which child was used longest ago: it is the first to be asked for its place.
//!
//! One look over all children is good for many requests: with thousands of children, a look for each
//! would cost more than the work they do.

use std::collections::VecDeque;

/// Children found unused by one look over all of them.
const STALE_MAX: usize = 256;

/// Counts uses, and remembers what the last look has found.
#[derive(Debug)]
pub(super) struct Uses<K> {
    count: u64,
    /// The children that had been unused for longest, and when each was used last.
    stale: VecDeque<(K, u64)>,
}

impl<K: Clone> Uses<K> {
    /// Nothing was used yet.
    pub(super) fn new() -> Self {
        Self { count: 0, stale: VecDeque::new() }
    }

    /// One more use.
    pub(super) fn count(&mut self) {
        self.count += 1;
    }

    /// The number of the last use.
    pub(super) fn now(&self) -> u64 {
        self.count
    }

    /// The child that was used longest ago. `last_use` tells of a child that may be asked when it was
    /// used last; `all` lists all of these.
    pub(super) fn oldest<'a, I>(
        &mut self,
        last_use: impl Fn(&K) -> Option<u64>,
        all: impl Fn() -> I,
    ) -> Option<K>
    where
        K: 'a,
        I: Iterator<Item = (u64, &'a K)>,
    {
        loop {
            while let Some((key, used)) = self.stale.pop_front() {
                if last_use(&key) == Some(used) {
                    return Some(key);
                }
            }
            let mut by_use: Vec<(u64, &K)> = all().collect();
            if by_use.is_empty() {
                return None;
            }
            if by_use.len() > STALE_MAX {
                by_use.select_nth_unstable_by_key(STALE_MAX, |(used, _)| *used);
                by_use.truncate(STALE_MAX);
            }
            by_use.sort_unstable_by_key(|(used, _)| *used);
            self.stale = by_use.into_iter().map(|(used, key)| (key.clone(), used)).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeMap;

    use super::*;

    fn oldest(
        uses: &mut Uses<u32>,
        children: &BTreeMap<u32, u64>,
        looks: &Cell<u32>,
    ) -> Option<u32> {
        let all = || {
            looks.set(looks.get() + 1);
            children.iter().map(|(key, used)| (*used, key))
        };
        uses.oldest(|key| children.get(key).copied(), all)
    }

    #[test]
    fn the_one_used_longest_ago_is_found_and_one_look_serves_many() {
        let (mut uses, looks) = (Uses::new(), Cell::new(0));
        // Used in the order of their keys, backwards.
        let mut children: BTreeMap<u32, u64> =
            (0..1_000).map(|key| (key, u64::from(1_000 - key))).collect();
        for expected in (900..1_000).rev() {
            assert_eq!(oldest(&mut uses, &children, &looks), Some(expected));
            children.remove(&expected);
        }
        assert_eq!(looks.get(), 1);
    }

    #[test]
    fn a_child_that_was_used_since_the_look_is_passed_over() {
        let (mut uses, looks) = (Uses::new(), Cell::new(0));
        let mut children = BTreeMap::from([(1, 1), (2, 2), (3, 3)]);
        assert_eq!(oldest(&mut uses, &children, &looks), Some(1));
        children.insert(2, 4);
        assert_eq!(oldest(&mut uses, &children, &looks), Some(3));
        assert_eq!(oldest(&mut uses, &children, &looks), Some(1), "a second look finds them again");
        children.clear();
        assert_eq!(oldest(&mut uses, &children, &looks), None);
    }
}
