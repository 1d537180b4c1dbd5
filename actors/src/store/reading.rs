//! Reading records: one by its key, or those under a prefix in key order. Damaged ones are set aside on
//! the way.

use super::backend::Pair;
use super::codec::Record;
use super::error::StoreError;
use super::handle::Store;
use super::key::Key;

/// Pairs read per step of a full scan.
const SCAN_STEP: usize = 1024;

impl Store {
    /// The record of a key.
    ///
    /// # Errors
    /// A newer record, named with its key. A damaged one is set aside, and then there is none; ask
    /// [`Store::is_set_aside`] where that makes a difference.
    pub fn get<R: Record>(&self, key: &Key) -> Result<Option<R>, StoreError> {
        self.backend().get(key)?.map_or(Ok(None), |bytes| self.checked(key, &bytes))
    }

    /// The record of a key, and its value as it is stored: for [`Expect::Holds`](super::Expect::Holds).
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn get_as_stored<R: Record>(&self, key: &Key) -> Result<Option<(R, Vec<u8>)>, StoreError> {
        let Some(bytes) = self.backend().get(key)? else { return Ok(None) };
        Ok(self.checked(key, &bytes)?.map(|record| (record, bytes)))
    }

    /// A value read raw, as the record it should be; nothing for a damaged one, which is set aside.
    ///
    /// # Errors
    /// A newer record, named with its key.
    pub fn decode<R: Record>(&self, key: &Key, bytes: &[u8]) -> Result<Option<R>, StoreError> {
        self.checked(key, bytes)
    }

    /// Whether a key exists, or did until its record was found damaged.
    ///
    /// # Errors
    /// What the database says.
    pub fn contains(&self, key: &Key) -> Result<bool, StoreError> {
        Ok(self.contains_raw(key)? || self.is_set_aside(key)?)
    }

    pub(super) fn contains_raw(&self, key: &Key) -> Result<bool, StoreError> {
        Ok(self.backend().get(key)?.is_some())
    }

    /// All records under a prefix, in key order: the ordered replay of a room's journal. Damaged
    /// ones are set aside.
    ///
    /// # Errors
    /// The first newer record.
    pub fn scan<R: Record>(&self, prefix: &Key) -> Result<Vec<(Key, R)>, StoreError> {
        self.checked_pairs(self.scan_raw(prefix)?)
    }

    fn checked_pairs<R: Record>(&self, pairs: Vec<Pair>) -> Result<Vec<(Key, R)>, StoreError> {
        let mut records = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            if let Some(record) = self.checked(&key, &value)? {
                records.push((key, record));
            }
        }
        Ok(records)
    }

    pub(super) fn scan_step(
        &self,
        prefix: &Key,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        self.backend().scan(prefix, after, limit)
    }

    /// The first `limit` records under a prefix behind `after`, in key order, without the damaged
    /// ones among them.
    ///
    /// # Errors
    /// The first newer record.
    pub fn page<R: Record>(
        &self,
        prefix: &Key,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, R)>, StoreError> {
        self.checked_pairs(self.backend().scan(prefix, after, limit)?)
    }

    /// The last `limit` records under a prefix, in key order, without the damaged ones among them.
    ///
    /// # Errors
    /// The first newer record.
    pub fn tail<R: Record>(&self, prefix: &Key, limit: usize) -> Result<Vec<(Key, R)>, StoreError> {
        self.checked_pairs(self.backend().tail(prefix, limit)?)
    }

    /// All keys and raw values under a prefix.
    pub fn scan_raw(&self, prefix: &Key) -> Result<Vec<(Key, Vec<u8>)>, StoreError> {
        let mut pairs = Vec::new();
        loop {
            let after = pairs.last().map(|(key, _): &(Key, Vec<u8>)| key.clone());
            let step = self.backend().scan(prefix, after.as_ref(), SCAN_STEP)?;
            let last = step.len() < SCAN_STEP;
            pairs.extend(step);
            if last {
                return Ok(pairs);
            }
        }
    }
}
