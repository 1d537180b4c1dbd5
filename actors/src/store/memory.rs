//! The in-memory twin: the same seam, faults on demand, everything unsynced forgotten on a "crash".

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::backend::{Backend, Pair};
use super::batch::Write;
use super::error::StoreError;
use super::key::Key;

/// A fault of the next commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryFault {
    /// Nothing is written, the flush fails.
    FailedFlush,
    /// The flush fails after everything was written: durable, but nobody is told.
    FailedAfterWrite,
    /// The disk is full; the commit after it works again.
    DiskFull,
}

/// A backend in memory. Clones share their content, so a "restarted" store finds it again.
#[derive(Debug, Clone, Default)]
pub struct MemoryBackend(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    data: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What was there before writes that are not synced yet, oldest first.
    undo: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    fault: Option<MemoryFault>,
    commits: u64,
    free_bytes: Option<u64>,
}

impl Inner {
    fn apply(&mut self, writes: &[Write]) {
        for write in writes {
            let key = write.key().as_bytes().to_vec();
            let before = match write {
                Write::Put(_, value) => self.data.insert(key.clone(), value.clone()),
                Write::Delete(_) => self.data.remove(&key),
            };
            self.undo.push((key, before));
        }
    }
}

impl MemoryBackend {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the next commit fail.
    pub fn fail_next(&self, fault: MemoryFault) {
        self.inner().fault = Some(fault);
    }

    /// Forgets what was not synced, as the end of a process does.
    pub fn crash(&self) {
        let mut inner = self.inner();
        for (key, before) in std::mem::take(&mut inner.undo).into_iter().rev() {
            match before {
                Some(value) => inner.data.insert(key, value),
                None => inner.data.remove(&key),
            };
        }
    }

    /// Successful commits so far.
    pub fn commits(&self) -> u64 {
        self.inner().commits
    }

    /// Says how much more it will claim to hold; without limit if nobody says.
    pub fn set_free_bytes(&self, free: Option<u64>) {
        self.inner().free_bytes = free;
    }

    /// Flips one bit of a stored value.
    pub fn damage(&self, key: &Key) {
        if let Some(value) = self.inner().data.get_mut(key.as_bytes())
            && let Some(last) = value.last_mut()
        {
            *last ^= 1;
        }
    }

    /// Flips a bit of a stored value, `step` of `steps` through its length; answers the damaged
    /// value, or nothing if there is none.
    pub fn flip(&self, key: &Key, step: usize, steps: usize) -> Option<Vec<u8>> {
        let mut inner = self.inner();
        let value = inner.data.get_mut(key.as_bytes()).filter(|value| !value.is_empty())?;
        let bit = (value.len() * 8 - 1) * step / steps.max(2).saturating_sub(1);
        *value.get_mut(bit / 8)? ^= 1 << (bit % 8);
        Some(value.clone())
    }

    /// Another backend with the same content, which goes its own way.
    #[must_use]
    pub fn fork(&self) -> Self {
        let data = self.inner().data.clone();
        Self(Arc::new(Mutex::new(Inner { data, ..Inner::default() })))
    }

    /// Every key that is stored.
    pub fn keys(&self) -> Vec<Key> {
        self.inner().data.keys().map(|key| Key::from_bytes(key)).collect()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for MemoryBackend {
    fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
        let mut inner = self.inner();
        let fault = inner.fault.take();
        match fault {
            Some(MemoryFault::FailedFlush) => {
                return Err(StoreError::Database("flush failed (injected)".into()));
            }
            Some(MemoryFault::DiskFull) => {
                return Err(StoreError::DiskFull("no space left on device (injected)".into()));
            }
            Some(MemoryFault::FailedAfterWrite) | None => {}
        }
        inner.apply(writes);
        inner.undo.clear();
        if fault.is_some() {
            return Err(StoreError::Database("flush failed after the write (injected)".into()));
        }
        inner.commits += 1;
        Ok(())
    }

    fn apply(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.inner().apply(writes);
        Ok(())
    }

    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.inner().data.get(key.as_bytes()).cloned())
    }

    fn scan(
        &self,
        prefix: &Key,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        let start = after.map_or(prefix.as_bytes(), Key::as_bytes).to_vec();
        let inner = self.inner();
        let pairs = inner
            .data
            .range(start..)
            .filter(|(key, _)| after.is_none_or(|after| key.as_slice() != after.as_bytes()))
            .take_while(|(key, _)| key.starts_with(prefix.as_bytes()))
            .take(limit)
            .map(|(key, value)| (Key::from_bytes(key), value.clone()))
            .collect();
        Ok(pairs)
    }

    fn free_bytes(&self) -> Result<Option<u64>, StoreError> {
        Ok(self.inner().free_bytes)
    }

    fn tail(&self, prefix: &Key, limit: usize) -> Result<Vec<Pair>, StoreError> {
        let inner = self.inner();
        let mut pairs: Vec<Pair> = inner
            .data
            .range(prefix.as_bytes().to_vec()..)
            .take_while(|(key, _)| key.starts_with(prefix.as_bytes()))
            .map(|(key, value)| (Key::from_bytes(key), value.clone()))
            .collect();
        Ok(pairs.split_off(pairs.len().saturating_sub(limit)))
    }
}
