//! What a node says while it does something, put in order. Pure.
//!
//! Invariant: L1 (what came too early is bounded).

use std::collections::BTreeMap;

/// Pieces that wait for one before them: of 16 KiB each, as the protocol has it.
const EARLY_MAX: usize = 16;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    next: u64,
    early: BTreeMap<u64, String>,
}

impl Pieces {
    /// Takes one; answers those that may be told now, with their numbers. `None` if it came before,
    /// or too far ahead of one that is missing.
    pub(super) fn take(&mut self, seq: u64, piece: String) -> Option<Vec<(u64, String)>> {
        let is_full = self.early.len() >= EARLY_MAX && seq != self.next;
        if seq < self.next || self.early.contains_key(&seq) || is_full {
            return None;
        }
        self.early.insert(seq, piece);
        let mut ready = Vec::new();
        while let Some(piece) = self.early.remove(&self.next) {
            ready.push((self.next, piece));
            self.next = self.next.saturating_add(1);
        }
        Some(ready)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_are_told_in_order_and_once(order in Just((0..16_u64).collect::<Vec<_>>()).prop_shuffle()) {
            let (mut pieces, mut told) = (Pieces::default(), Vec::new());
            for seq in order {
                told.extend(pieces.take(seq, seq.to_string()).unwrap());
                prop_assert_eq!(pieces.take(seq, "again".into()), None);
            }
            let expected: Vec<_> = (0..16).map(|seq: u64| (seq, seq.to_string())).collect();
            prop_assert_eq!(told, expected);
        }
    }

    // L1
    #[test]
    fn what_is_missing_holds_up_no_more_than_so_many() {
        let mut pieces = Pieces::default();
        let held = (1..1000).filter(|seq| pieces.take(*seq, "x".into()).is_some()).count();
        assert_eq!(held, EARLY_MAX);
        let ready = pieces.take(0, "the first".into()).unwrap();
        assert_eq!(ready.len(), EARLY_MAX + 1);
        assert_eq!(pieces.take(u64::MAX, "far away".into()), Some(Vec::new()));
    }
}
