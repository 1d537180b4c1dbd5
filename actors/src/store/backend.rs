//! The seam between the committer and a database.

use std::path::PathBuf;

use super::batch::Write;
use super::error::StoreError;
use super::key::Key;

/// A key and its stored bytes.
pub type Pair = (Key, Vec<u8>);

/// A database behind the committer. Calls block; only one thread writes.
pub trait Backend: Send + Sync + 'static {
    /// Applies all writes atomically and returns when they are durable: after a power loss either
    /// all of them are there or none.
    fn commit(&self, writes: &[Write]) -> Result<(), StoreError>;

    /// Applies all writes atomically and returns when they can be read. They become durable with
    /// the next [`commit`](Self::commit) or [`sync`](Self::sync), behind everything before them.
    fn apply(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.commit(writes)
    }

    /// Returns when everything applied is durable.
    fn sync(&self) -> Result<(), StoreError> {
        self.commit(&[])
    }

    /// The value of a key.
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError>;

    /// Whether a key has a value.
    fn contains(&self, key: &Key) -> Result<bool, StoreError> {
        Ok(self.get(key)?.is_some())
    }

    /// Up to `limit` pairs whose keys start with `prefix` and lie behind `after`, in key order.
    fn scan(
        &self,
        prefix: &Key,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError>;

    /// The last `limit` pairs whose keys start with `prefix`, in key order.
    fn tail(&self, prefix: &Key, limit: usize) -> Result<Vec<Pair>, StoreError>;

    /// Does a small slice of upkeep (such as compaction); `true` if more is due at once. An error
    /// means that nobody knows which content is live, as after a failed commit; trouble that leaves
    /// the live content alone is none.
    fn upkeep(&self) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Damaged files that were kept beside the database.
    fn kept(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Bytes on disk.
    fn disk_bytes(&self) -> u64 {
        0
    }

    /// Bytes that can still be written where it keeps its data; `None` if nothing limits it.
    fn free_bytes(&self) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }

    /// Whether [`Backend::keep_reserve`] has something to do.
    fn wants_reserve(&self) -> bool {
        false
    }

    /// Makes sure that some space is set aside, for finishing what is under way on a full disk. It
    /// is given up by the first write that finds the disk full.
    fn keep_reserve(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
