//! The disk of the world: a `MemoryBackend` for what a life sees, and one for what survives it.

use std::sync::{Arc, Mutex};

use telson_actors::store::{Backend, Key, MemoryBackend, Pair, Space, StoreError, Write};

use super::plan::DiskFate;
use super::planted::Planted;
use super::switch::Switch;
use super::world::{State, World, distinct};

/// How long a full disk stays full, in milliseconds.
const FULL_FOR: u64 = 90_000;

/// What is on the platter.
#[derive(Clone)]
pub(crate) struct Disk(Arc<Mutex<MemoryBackend>>);

impl Disk {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(MemoryBackend::new())))
    }

    /// The disk as one life holds it: with what is synced, and only that, to begin with.
    pub(crate) fn mounted(&self, world: &Arc<World>, life: &Arc<Switch>) -> Mounted {
        let seen = copy_of(&self.0.lock().unwrap());
        let unsynced = Mutex::default();
        Mounted { disk: self.clone(), seen, unsynced, world: world.clone(), life: life.clone() }
    }

    /// A synced value.
    pub(crate) fn synced(&self, key: &Key) -> Option<Vec<u8>> {
        self.0.lock().unwrap().get(key).unwrap()
    }

    fn sync(&self, writes: &[Write]) {
        self.0.lock().unwrap().commit(writes).unwrap();
    }
}

fn copy_of(backend: &MemoryBackend) -> MemoryBackend {
    let all = backend.scan(&Key::from_bytes(&[]), None, usize::MAX).unwrap();
    let writes: Vec<Write> = all.into_iter().map(|(key, value)| Write::Put(key, value)).collect();
    let copy = MemoryBackend::new();
    copy.commit(&writes).unwrap();
    copy
}

/// The backend of one life.
pub(crate) struct Mounted {
    disk: Disk,
    seen: MemoryBackend,
    /// What can be read and is forgotten if the life ends now.
    unsynced: Mutex<Vec<Write>>,
    world: Arc<World>,
    life: Arc<Switch>,
}

impl Mounted {
    fn write(&self, writes: &[Write]) -> Result<(), StoreError> {
        let fate = {
            let mut state = self.world.state();
            let is_full = state.now() < state.full_until;
            if is_full { DiskFate::Full } else { state.fate(|weather| &weather.disk) }
        };
        self.world.state().is_disturbed |= fate != DiskFate::Write;
        match fate {
            DiskFate::Write => {
                self.seen.commit(writes)?;
                self.keep(writes);
                Ok(())
            }
            DiskFate::FailFlush(is_kept) => {
                self.seen.commit(writes)?;
                self.world.state().note(|| format!("flush fails, kept: {is_kept}"));
                if is_kept {
                    self.keep(writes);
                }
                Err(StoreError::Database("flush failed (simulated)".into()))
            }
            DiskFate::Full => {
                let mut state = self.world.state();
                if state.now() >= state.full_until {
                    state.full_until = state.now() + state.chance.below(FULL_FOR);
                }
                state.note(|| "disk is full".into());
                Err(StoreError::Database("no space left on device (simulated)".into()))
            }
        }
    }

    /// From now on it is there after every restart, with everything applied before; so the world
    /// takes note of what it means.
    fn keep(&self, writes: &[Write]) {
        let mut all = std::mem::take(&mut *self.unsynced.lock().unwrap());
        all.extend_from_slice(writes);
        self.keep_all(&all);
    }

    fn keep_all(&self, writes: &[Write]) {
        let kept = match self.world.planted {
            Some(Planted::TornBatch) => self.torn(writes),
            _ => writes,
        };
        self.disk.sync(kept);
        let mut state = self.world.state();
        state.note(|| format!("commit {}", shape(writes)));
        for write in writes {
            if let Write::Put(key, value) = write {
                learn(&mut state, key, value);
            }
        }
    }

    /// Keeps only the first half of a batch that ends a turn.
    fn torn<'a>(&self, writes: &'a [Write]) -> &'a [Write] {
        let ends_turn = |write: &Write| matches!(write, Write::Put(key, _) if space(key) == Space::Transcript as u8);
        let is_hit = writes.iter().any(ends_turn) && self.world.state().chance.one_in(2);
        if is_hit { &writes[..writes.len() / 2] } else { writes }
    }
}

fn space(key: &Key) -> u8 {
    key.as_bytes()[0]
}

fn learn(state: &mut State, key: &Key, value: &[u8]) {
    let tokens = distinct(value);
    match space(key) {
        s if s == Space::Inbox as u8 => {
            for token in tokens {
                if !state.admitted.contains(&token) {
                    state.admitted.push(token);
                }
            }
        }
        s if s == Space::Transcript as u8 => {
            for token in tokens {
                if !state.transcribed.insert(token) {
                    state.complain(format!("D7: {token} was answered twice"));
                }
            }
        }
        s if s == Space::DeadLetter as u8 => state.lettered.extend(tokens),
        _ => {}
    }
}

/// A batch in a few characters: `+20 -30` puts an inbox record and removes an outbox entry.
fn shape(writes: &[Write]) -> String {
    let words: Vec<String> = writes
        .iter()
        .map(|write| match write {
            Write::Put(key, value) => format!("+{:02x}({})", space(key), value.len()),
            Write::Delete(key) => format!("-{:02x}", space(key)),
        })
        .collect();
    words.join(" ")
}

impl Backend for Mounted {
    fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.life.effect(|| self.write(writes)).unwrap_or(Err(StoreError::Closed))
    }

    fn apply(&self, writes: &[Write]) -> Result<(), StoreError> {
        let apply = || {
            self.unsynced.lock().unwrap().extend_from_slice(writes);
            self.seen.commit(writes)
        };
        self.life.effect(apply).unwrap_or(Err(StoreError::Closed))
    }

    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        self.seen.get(key)
    }

    fn scan(
        &self,
        prefix: &Key,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        self.seen.scan(prefix, after, limit)
    }

    fn tail(&self, prefix: &Key, limit: usize) -> Result<Vec<Pair>, StoreError> {
        self.seen.tail(prefix, limit)
    }
}
