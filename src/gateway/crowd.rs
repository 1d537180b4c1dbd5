//! How many are here, and how many of them have not said who they are.
//!
//! Who knocks and says nothing takes a place, and so does who has asked something over HTTP and
//! keeps the connection. Beyond a number of such, of one address or of all, the one that has waited
//! longest has to leave: somebody honest says who he is within moments, and a kept connection is
//! opened again when it is needed, so a flood only pushes out itself. While a request is answered
//! nobody is pushed out; how many an address may have answered at once has a limit of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::network::neighbourhood;

/// How many at once.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "limits are named so everywhere")]
pub struct Room {
    /// Connections altogether.
    pub total_max: usize,
    /// Those of one address that have not said who they are, while they are answered or not.
    pub unknown_per_address_max: usize,
    /// Those of one address that wait: for their first word, or with nothing asked.
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
    unknown: BTreeMap<u64, Stranger>,
    /// Who waits, by the order in which it has begun to.
    silent: BTreeMap<u64, u64>,
    by_address: BTreeMap<IpAddr, Same>,
}

/// One that has not said who it is.
#[derive(Debug)]
struct Stranger {
    address: IpAddr,
    /// Its place in the order of those who wait; `None` while it is answered.
    waits: Option<u64>,
}

/// Those of one address.
#[derive(Debug, Default)]
struct Same {
    unknown: usize,
    silent: BTreeSet<u64>,
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
        Self {
            room,
            next: 0,
            total: 0,
            unknown: BTreeMap::new(),
            silent: BTreeMap::new(),
            by_address: BTreeMap::new(),
        }
    }

    /// Somebody comes; `None` if there is no place for it. `is_proxy` says that many people stand
    /// behind this one address.
    pub(super) fn enter(&mut self, address: IpAddr, is_proxy: bool) -> Option<Entered> {
        if self.total >= self.room.total_max {
            return None;
        }
        let address = neighbourhood(address);
        let same = self.by_address.get(&address);
        let is_full = same.is_some_and(|same| {
            same.unknown >= self.room.unknown_per_address_max && same.silent.is_empty()
        });
        if is_full && !is_proxy {
            return None;
        }
        let number = self.turn();
        self.total += 1;
        self.unknown.insert(number, Stranger { address, waits: None });
        self.by_address.entry(address).or_default().unknown += 1;
        let leaves = self.waits(number, is_proxy);
        Some(Entered { number, leaves })
    }

    /// It is answered: nobody pushes it out meanwhile.
    pub(super) fn asks(&mut self, number: u64) {
        let Some(stranger) = self.unknown.get_mut(&number) else { return };
        let Some(order) = stranger.waits.take() else { return };
        self.silent.remove(&order);
        if let Some(same) = self.by_address.get_mut(&stranger.address) {
            same.silent.remove(&order);
        }
    }

    /// It waits, from now on; who has to leave for that.
    pub(super) fn waits(&mut self, number: u64, is_proxy: bool) -> Option<u64> {
        let order = self.turn();
        let stranger = self.unknown.get_mut(&number)?;
        if stranger.waits.is_some() {
            return None;
        }
        stranger.waits = Some(order);
        self.silent.insert(order, number);
        let same = self.by_address.entry(stranger.address).or_default();
        same.silent.insert(order);
        let is_crowded = same.silent.len() > self.room.silent_per_address_max
            || (same.unknown > self.room.unknown_per_address_max && !is_proxy);
        let leaves = if is_crowded {
            same.silent.first().copied()
        } else if self.silent.len() > self.room.silent_max {
            self.silent.first_key_value().map(|(order, _)| *order)
        } else {
            None
        };
        let leaves = leaves.and_then(|order| self.silent.get(&order).copied())?;
        self.spoke(leaves);
        Some(leaves)
    }

    /// It has said who it is, or has been told to leave.
    pub(super) fn spoke(&mut self, number: u64) {
        self.asks(number);
        let Some(stranger) = self.unknown.remove(&number) else { return };
        if let Some(same) = self.by_address.get_mut(&stranger.address) {
            same.unknown = same.unknown.saturating_sub(1);
            if same.unknown == 0 {
                self.by_address.remove(&stranger.address);
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

    fn turn(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROOM: Room = Room {
        total_max: 50,
        unknown_per_address_max: 8,
        silent_per_address_max: 4,
        silent_max: 10,
    };
    const NEAR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    #[test]
    fn the_silent_push_out_each_other_and_nobody_else() {
        let mut crowd = Crowd::new(ROOM);
        let honest = crowd.enter(NEAR, false).unwrap().number;
        crowd.spoke(honest);
        let came: Vec<_> = (0..9).map(|_| crowd.enter(NEAR, false).unwrap()).collect();
        let left: Vec<_> = came.iter().map(|it| it.leaves).collect();
        assert_eq!(left[..4], [None; 4]);
        let first: Vec<_> = came[..5].iter().map(|it| Some(it.number)).collect();
        assert_eq!(left[4..], first);
    }

    #[test]
    fn who_keeps_a_connection_waits_like_everybody_else() {
        let mut crowd = Crowd::new(ROOM);
        let numbers: Vec<u64> = (0..4).map(|_| crowd.enter(NEAR, false).unwrap().number).collect();
        crowd.asks(numbers[0]);
        assert_eq!(crowd.waits(numbers[0], false), None);
        // It was answered last, so another one has waited longest.
        assert_eq!(crowd.enter(NEAR, false).unwrap().leaves, Some(numbers[1]));
        crowd.asks(numbers[2]);
        assert_eq!(crowd.enter(NEAR, false).unwrap().leaves, None);
        let back = crowd.waits(numbers[2], false);
        assert_eq!(back, Some(numbers[3]), "coming back pushes out, too");
    }

    #[test]
    fn one_address_is_not_answered_without_end_unless_it_is_a_proxy() {
        let mut crowd = Crowd::new(ROOM);
        for _ in 0..ROOM.unknown_per_address_max {
            let number = crowd.enter(NEAR, false).unwrap().number;
            crowd.asks(number);
        }
        assert_eq!(crowd.enter(NEAR, false), None);
        assert!(crowd.enter([10, 0, 0, 2].into(), false).is_some(), "others are let in");
        assert!(crowd.enter(NEAR, true).is_some());
    }

    proptest! {
        // L1
        #[test]
        fn it_never_holds_more_than_it_may(steps: Vec<(u8, u8)>) {
            let mut crowd = Crowd::new(ROOM);
            let mut here: Vec<u64> = Vec::new();
            for (kind, which) in steps {
                let pick = (!here.is_empty()).then(|| usize::from(which) % here.len().max(1));
                match (kind % 5, pick) {
                    (0, _) => {
                        if let Some(entered) = crowd.enter([10, 0, 0, which % 8].into(), false) {
                            here.push(entered.number);
                        }
                    }
                    (1, Some(pick)) => crowd.spoke(here[pick]),
                    (2, Some(pick)) => crowd.asks(here[pick]),
                    (3, Some(pick)) => drop(crowd.waits(here[pick], false)),
                    (_, Some(pick)) => crowd.left(here.swap_remove(pick)),
                    (_, None) => {}
                }
                prop_assert_eq!(crowd.total(), here.len());
                prop_assert!(crowd.total() <= ROOM.total_max);
                prop_assert!(crowd.silent.len() <= ROOM.silent_max);
                for same in crowd.by_address.values() {
                    prop_assert!(same.silent.len() <= ROOM.silent_per_address_max);
                    prop_assert!(same.unknown <= ROOM.unknown_per_address_max);
                }
                let waiting = crowd.unknown.values().filter(|it| it.waits.is_some()).count();
                prop_assert_eq!(waiting, crowd.silent.len());
            }
            for number in here {
                crowd.left(number);
            }
            prop_assert!(crowd.total == 0 && crowd.silent.is_empty());
            prop_assert!(crowd.unknown.is_empty() && crowd.by_address.is_empty());
        }
    }
}
