//! Which entry may be sent now: first in, first out per lane, at most one attempt per lane, at most
//! so many per account. A retrying or doubtful head is never overtaken (D3, D4).

use std::collections::{BTreeMap, VecDeque};

use super::record::{EntryId, EntryRecord, EntryState};
use crate::channel::Evidence;
use crate::clock::Timestamp;
use crate::message::Destination;

/// What to do about the head of a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Make an attempt.
    Send(EntryRecord),
    /// Ask the platform what became of the last one.
    Settle(EntryRecord, Evidence),
}

/// What the lanes want next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// To be started at once.
    pub starts: Vec<Start>,
    /// When to ask again if nothing happens before.
    pub wake_at: Option<Timestamp>,
}

/// All lanes of one account.
#[derive(Debug)]
pub struct Lanes {
    by_destination: BTreeMap<Destination, Lane>,
    sends_max: usize,
    /// Entries in all lanes.
    count: usize,
}

#[derive(Debug, Default)]
struct Lane {
    entries: VecDeque<EntryRecord>,
    busy: Option<Busy>,
    /// When to look again at a doubtful head.
    look_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Busy {
    Sending,
    Settling,
}

impl Lanes {
    /// No entries; at most `sends_max` attempts at once over all lanes.
    pub fn new(sends_max: usize) -> Self {
        Self { by_destination: BTreeMap::new(), sends_max: sends_max.max(1), count: 0 }
    }

    /// Adds an entry behind its lane's others. An entry already there is ignored.
    pub fn push(&mut self, entry: EntryRecord) {
        let lane = self.by_destination.entry(entry.to.clone()).or_default();
        if lane.entries.iter().any(|known| known.id == entry.id) {
            return;
        }
        // Entries are written in order but told by different sessions: keep them in order.
        let at = lane.entries.partition_point(|known| known.id < entry.id);
        // The head that is being worked on stays the head.
        let at = if lane.busy.is_some() { at.max(1) } else { at };
        lane.entries.insert(at, entry);
        self.count += 1;
    }

    /// What may be started at `now`. Started heads count as busy until [`Lanes::finish`] or
    /// [`Lanes::replace`].
    pub fn plan(&mut self, now: Timestamp) -> Plan {
        let mut free = self.sends_max.saturating_sub(self.sending());
        let (mut starts, mut wake_at) = (Vec::new(), None::<Timestamp>);
        for lane in self.by_destination.values_mut().filter(|lane| lane.busy.is_none()) {
            let Some(head) = lane.entries.front() else { continue };
            let due = match &head.state {
                EntryState::Pending { not_before } => *not_before,
                EntryState::Sending { .. } => lane.look_at,
            };
            if due > now {
                wake_at = Some(wake_at.map_or(due, |at| at.min(due)));
                continue;
            }
            match &head.state {
                EntryState::Sending { evidence, .. } => {
                    starts.push(Start::Settle(head.clone(), evidence.clone()));
                    lane.busy = Some(Busy::Settling);
                }
                EntryState::Pending { .. } if free > 0 => {
                    free -= 1;
                    starts.push(Start::Send(head.clone()));
                    lane.busy = Some(Busy::Sending);
                }
                EntryState::Pending { .. } => {}
            }
        }
        Plan { starts, wake_at }
    }

    /// The head of a lane is done with: delivered or given up.
    pub fn finish(&mut self, to: &Destination, id: EntryId) {
        if let Some(lane) = self.by_destination.get_mut(to) {
            let before = lane.entries.len();
            lane.entries.retain(|entry| entry.id != id);
            self.count -= before - lane.entries.len();
            lane.busy = None;
            if lane.entries.is_empty() {
                self.by_destination.remove(to);
            }
        }
    }

    /// The head of a lane has changed; look at it again not before `look_at`.
    pub fn replace(&mut self, entry: EntryRecord, look_at: Timestamp) {
        if let Some(lane) = self.by_destination.get_mut(&entry.to) {
            lane.busy = None;
            lane.look_at = look_at;
            if let Some(known) = lane.entries.iter_mut().find(|known| known.id == entry.id) {
                *known = entry;
            }
        }
    }

    /// The head of a lane is as it was; look at it again not before `look_at`.
    pub fn look_again(&mut self, to: &Destination, look_at: Timestamp) {
        if let Some(lane) = self.by_destination.get_mut(to) {
            lane.busy = None;
            lane.look_at = look_at;
        }
    }

    /// When an entry was written, by today's clock.
    pub fn created_at(&self, to: &Destination, id: EntryId) -> Option<Timestamp> {
        let mut entries = self.by_destination.get(to)?.entries.iter();
        entries.find(|entry| entry.id == id).map(|entry| entry.created_at)
    }

    /// The clock was set by so many milliseconds, or the machine slept for so long: what was noted
    /// before moves along, so that no pause becomes shorter or longer and nobody ages.
    pub fn clock_stepped(&mut self, by_ms: i64) {
        for lane in self.by_destination.values_mut() {
            lane.look_at = lane.look_at.stepped(by_ms);
            for entry in &mut lane.entries {
                entry.created_at = entry.created_at.stepped(by_ms);
                match &mut entry.state {
                    EntryState::Pending { not_before: time }
                    | EntryState::Sending { since: time, .. } => *time = time.stepped(by_ms),
                }
            }
        }
    }

    /// Entries waiting or being worked on.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.by_destination.is_empty()
    }

    /// Attempts in flight.
    pub fn sending(&self) -> usize {
        self.by_destination.values().filter(|lane| lane.busy == Some(Busy::Sending)).count()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::{AccountKey, SessionKey};

    fn entry(id: u64, lane: u8) -> EntryRecord {
        EntryRecord {
            id: EntryId(id),
            session: SessionKey::main("main", "main").unwrap(),
            turn: id,
            part: 0,
            to: Destination {
                account: AccountKey::new("fake", "default"),
                target: format!("lane{lane}"),
                thread: None,
            },
            text: String::new(),
            created_at: Timestamp(0),
            attempts: 0,
            state: EntryState::Pending { not_before: Timestamp(0) },
            notes: vec![],
        }
    }

    #[derive(Debug, Clone)]
    enum Move {
        Push(u8),
        Deliver(usize),
        Retry(usize, i64),
        Doubt(usize, i64),
        Wait(i64),
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let one = prop_oneof![
            (0u8..4).prop_map(Move::Push),
            (0usize..4).prop_map(Move::Deliver),
            (0usize..4, 0i64..50).prop_map(|(i, pause)| Move::Retry(i, pause)),
            (0usize..4, 0i64..50).prop_map(|(i, pause)| Move::Doubt(i, pause)),
            (0i64..60).prop_map(Move::Wait),
        ];
        prop::collection::vec(one, 0..200)
    }

    proptest! {
        // D3 and D4: never two at once in a lane, and entries of a lane finish in order.
        #[test]
        fn lanes_keep_order_and_single_flight(moves in moves(), sends_max in 1usize..4) {
            let mut lanes = Lanes::new(sends_max);
            let (mut next_id, mut now) = (1, Timestamp(0));
            let mut working: Vec<EntryRecord> = vec![];
            let mut last_done: BTreeMap<Destination, u64> = BTreeMap::new();
            for step in moves {
                match step {
                    Move::Push(lane) => {
                        lanes.push(entry(next_id, lane));
                        next_id += 1;
                    }
                    Move::Wait(millis) => now = Timestamp(now.0 + millis),
                    Move::Deliver(i) if i < working.len() => {
                        let done = working.remove(i);
                        let last = last_done.insert(done.to.clone(), done.id.0).unwrap_or(0);
                        prop_assert!(last < done.id.0, "out of order");
                        lanes.finish(&done.to, done.id);
                    }
                    Move::Retry(i, pause) if i < working.len() => {
                        let mut again = working.remove(i);
                        again.state = EntryState::Pending { not_before: Timestamp(now.0 + pause) };
                        lanes.replace(again, now);
                    }
                    Move::Doubt(i, pause) if i < working.len() => {
                        let mut again = working.remove(i);
                        again.state = EntryState::Sending { since: now, evidence: Evidence::default() };
                        lanes.replace(again, Timestamp(now.0 + pause));
                    }
                    Move::Deliver(_) | Move::Retry(..) | Move::Doubt(..) => {}
                }
                for start in lanes.plan(now).starts {
                    let (Start::Send(entry) | Start::Settle(entry, _)) = start;
                    prop_assert!(working.iter().all(|other| other.to != entry.to), "two in a lane");
                    working.push(entry);
                }
                prop_assert!(lanes.sending() <= sends_max);
                let counted = lanes.len();
                let kept: usize = lanes.by_destination.values().map(|lane| lane.entries.len()).sum();
                prop_assert_eq!(counted, kept);
            }
            // Everything can be finished: no lane is stuck.
            for _ in 0..1000 {
                for done in working.drain(..) {
                    lanes.finish(&done.to, done.id);
                }
                now = Timestamp(now.0 + 100);
                for start in lanes.plan(now).starts {
                    let (Start::Send(entry) | Start::Settle(entry, _)) = start;
                    working.push(entry);
                }
                if working.is_empty() { break }
            }
            prop_assert!(lanes.is_empty());
        }
    }
}
