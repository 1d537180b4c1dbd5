//! What is written together: all of it or nothing.

use super::codec::{Record, encode};
use super::key::{Key, Space};

/// The share of the keyspace a batch belongs to. A single node has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Partition(pub u16);

impl Partition {
    /// The only partition of a single node.
    pub const SINGLE: Partition = Partition(0);
}

/// The ownership of a partition, as a number that grows with every take-over. A batch that carries
/// an older epoch comes from a former owner and is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub u64);

/// One change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Sets the value (already encoded).
    Put(Key, Vec<u8>),
    /// Removes the key, which may be absent.
    Delete(Key),
}

impl Write {
    pub(super) fn key(&self) -> &Key {
        match self {
            Write::Put(key, _) | Write::Delete(key) => key,
        }
    }

    /// Rough size in bytes, for limits.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Write::Put(key, value) => key.as_bytes().len() + value.len(),
            Write::Delete(key) => key.as_bytes().len(),
        }
    }
}

/// A condition on the state before the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// The key must not exist: this is how a second insert has no effect.
    Absent(Key),
    /// The key must exist: this is how work already finished is not finished again.
    Present(Key),
    /// The key must have this stored value: this is how a damaged record is not taken for one that
    /// has replaced it.
    Holds(Key, Vec<u8>),
}

/// Writes that become durable together, if all conditions hold when they are applied.
#[derive(Debug, Clone)]
pub struct Batch {
    pub(super) partition: Partition,
    pub(super) expects: Vec<Expect>,
    pub(super) writes: Vec<Write>,
    pub(super) tallies: Vec<(Space, i64)>,
}

impl Batch {
    /// An empty batch for the single partition.
    pub fn new() -> Self {
        Self {
            partition: Partition::SINGLE,
            expects: Vec::new(),
            writes: Vec::new(),
            tallies: Vec::new(),
        }
    }

    /// Where it belongs.
    pub fn partition(&self) -> Partition {
        self.partition
    }

    /// Sets a record.
    pub fn put<R: Record>(&mut self, key: Key, record: &R) -> &mut Self {
        let value = encode(&key, record);
        self.writes.push(Write::Put(key, value));
        self
    }

    /// Removes a key.
    pub fn delete(&mut self, key: Key) -> &mut Self {
        self.writes.push(Write::Delete(key));
        self
    }

    /// Adds a condition.
    pub fn expect(&mut self, expect: Expect) -> &mut Self {
        self.expects.push(expect);
        self
    }

    /// Says by how many records a counted space grows (or shrinks) with this batch. Removals need a
    /// condition that the record is there, or they would be counted twice.
    pub fn tally(&mut self, space: Space, change: i64) -> &mut Self {
        self.tallies.push((space, change));
        self
    }

    /// Adds everything of another batch, so that both are atomic together.
    pub fn join(&mut self, other: Batch) -> &mut Self {
        self.expects.extend(other.expects);
        self.writes.extend(other.writes);
        self.tallies.extend(other.tallies);
        self
    }

    /// Whether it would change nothing.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Rough size in bytes, for limits.
    pub fn bytes(&self) -> usize {
        self.writes.iter().map(Write::bytes).sum()
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}
