//! How many are here, and how many of them have not said who they are.
//!
//! Who knocks and says nothing takes a place. Beyond a number of such, of one address or of all, the
//! one that has waited longest has to leave: somebody honest says who he is within moments, so a
//! flood of silent ones only pushes out itself.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::network::neighbourhood;

/// How many at once.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "limits are named so everywhere")]
pub struct Room {
    /// Connections altogether.
    pub total_max: usize,
    /// Those of one address that have not said who they are.
    pub silent_per_address_max: usize,
    /// Those of all.
    pub silent_max: usize,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Crowd {
    room: Room,
    next: u64,
    total: usize,
    silent: BTreeMap<u64, IpAddr>,
    by_address: BTreeMap<IpAddr, BTreeSet<u64>>,
}

/// One that came in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entered {
    /// Its number.
    pub number: u64,
    /// Who has to leave for it.
    pub leaves: Option<u64>,
}

impl Crowd {
    /// An empty one.
    pub(super) fn new(room: Room) -> Self {
        let (silent, by_address) = (BTreeMap::new(), BTreeMap::new());
        Self { room, next: 0, total: 0, silent, by_address }
    }

    /// Somebody comes; `None` if there is no place at all.
    pub(super) fn enter(&mut self, address: IpAddr) -> Option<Entered> {
        if self.total >= self.room.total_max {
            return None;
        }
        let address = neighbourhood(address);
        let number = self.next;
        self.next += 1;
        self.total += 1;
        self.silent.insert(number, address);
        let same = self.by_address.entry(address).or_default();
        same.insert(number);
        let crowded = same.len() > self.room.silent_per_address_max;
        let leaves = if crowded {
            same.first().copied()
        } else if self.silent.len() > self.room.silent_max {
            self.silent.first_key_value().map(|(number, _)| *number)
        } else {
            None
        };
        if let Some(leaves) = leaves {
            self.spoke(leaves);
        }
        Some(Entered { number, leaves })
    }

    /// It has said who it is, or need not.
    pub(super) fn spoke(&mut self, number: u64) {
        let Some(address) = self.silent.remove(&number) else { return };
        if let Some(same) = self.by_address.get_mut(&address) {
            same.remove(&number);
            if same.is_empty() {
                self.by_address.remove(&address);
            }
        }
    }

    /// It is gone.
    pub(super) fn left(&mut self, number: u64) {
        self.spoke(number);
        self.total = self.total.saturating_sub(1);
    }

    /// How many are here.
    pub(super) fn total(&self) -> usize {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROOM: Room = Room { total_max: 50, silent_per_address_max: 4, silent_max: 10 };

    #[test]
    fn the_silent_push_out_each_other_and_nobody_else() {
        let mut crowd = Crowd::new(ROOM);
        let honest = crowd.enter([10, 0, 0, 1].into()).unwrap().number;
        crowd.spoke(honest);
        let left: Vec<_> =
            (0..9).map(|_| crowd.enter([10, 0, 0, 1].into()).unwrap().leaves).collect();
        assert_eq!(left[..4], [None; 4]);
        assert_eq!(left[4..], [Some(1), Some(2), Some(3), Some(4), Some(5)]);
    }

    proptest! {
        // L1
        #[test]
        fn it_never_holds_more_than_it_may(steps: Vec<(u8, u8)>) {
            let mut crowd = Crowd::new(ROOM);
            let mut here: Vec<u64> = Vec::new();
            for (kind, which) in steps {
                match kind % 3 {
                    0 => {
                        if let Some(entered) = crowd.enter([10, 0, 0, which % 8].into()) {
                            here.push(entered.number);
                        } else {
                            prop_assert_eq!(here.len(), ROOM.total_max);
                        }
                    }
                    1 if !here.is_empty() => crowd.spoke(here[usize::from(which) % here.len()]),
                    _ if !here.is_empty() => {
                        let gone = here.swap_remove(usize::from(which) % here.len());
                        crowd.left(gone);
                    }
                    _ => {}
                }
                prop_assert_eq!(crowd.total(), here.len());
                prop_assert!(crowd.silent.len() <= ROOM.silent_max);
                let most = crowd.by_address.values().map(BTreeSet::len).max().unwrap_or(0);
                prop_assert!(most <= ROOM.silent_per_address_max);
            }
            for number in here {
                crowd.left(number);
            }
            prop_assert!(crowd.total == 0 && crowd.silent.is_empty() && crowd.by_address.is_empty());
        }
    }
}
