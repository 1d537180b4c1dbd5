//! A program to be recorded: it commits numbered batches, many at a time, compacting all the while,
//! closing and opening its store now and then, and tells the world what was acknowledged.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use telson::actors::store::{Batch, CompactionPolicy, Key, Record, Space, Store};
use telson::supervision::Dice;

use super::disk::below;

/// Batches of one recording.
pub(crate) const BATCHES: u64 = 360;
/// Batches committed between two openings.
const PER_LIFE: u64 = 90;
/// Batches on their way at the same time.
pub(crate) const AT_ONCE: u64 = 6;
/// A batch goes when so many younger ones are there.
const KEPT: u64 = 60;
/// A megabyte of text, as a person may paste it.
const LARGE_BYTES: usize = 1024 * 1024;

/// The database is copied anew as often as it can be.
pub(crate) const ALWAYS: CompactionPolicy = CompactionPolicy::at_once(0, 1);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Note {
    batch: u64,
    text: String,
}

impl Record for Note {
    const VERSION: u8 = 1;
}

/// What the store holds.
pub(crate) type Held = BTreeMap<Key, Note>;

fn key(batch: u64, part: u64) -> Key {
    Key::of(Space::Transcript).text("session").number(batch).number(part)
}

/// What a batch writes; the same for everybody who asks.
fn notes(batch: u64) -> Vec<(Key, Note)> {
    let dice = Dice::seeded(batch);
    let parts = 1 + below(&dice, 5);
    (0..u64::try_from(parts).unwrap())
        .map(|part| {
            let length = match below(&dice, 60) {
                0 => LARGE_BYTES,
                1..4 => below(&dice, 60_000),
                _ => below(&dice, 900),
            };
            let text = "x".repeat(length);
            (key(batch, part), Note { batch, text })
        })
        .collect()
}

fn batch(number: u64) -> Batch {
    let mut batch = Batch::new();
    for (key, note) in notes(number) {
        batch.put(key, &note);
    }
    if let Some(old) = number.checked_sub(KEPT) {
        for (key, _) in notes(old) {
            batch.delete(key);
        }
    }
    batch
}

/// What the store holds after so many commits.
pub(crate) fn after(commits: u64) -> Held {
    (commits.saturating_sub(KEPT)..commits).flat_map(notes).collect()
}

/// After how many commits a store could hold this.
pub(crate) fn commits_in(held: &Held) -> u64 {
    held.values().map(|note| note.batch + 1).max().unwrap_or(0)
}

/// What a store holds now.
pub(crate) fn held(store: &Store) -> Held {
    store.scan::<Note>(&Key::of(Space::Transcript)).unwrap().into_iter().collect()
}

/// Does the work in `state_dir`; a line for each acknowledged batch goes to `acks`.
pub(crate) fn run(state_dir: &Path, acks: &Path) {
    let mut next = 0;
    while next < BATCHES {
        let store = Store::open(state_dir, ALWAYS).unwrap();
        let end = BATCHES.min(next + PER_LIFE);
        while next < end {
            let (told, answers) = std::sync::mpsc::channel();
            let until = end.min(next + AT_ONCE);
            for number in next..until {
                let told = told.clone();
                let done = move |result: Result<(), _>| {
                    result.unwrap();
                    told.send(number).unwrap();
                };
                store.submit(batch(number), done).unwrap();
            }
            drop(told);
            for number in answers {
                let mut file =
                    std::fs::OpenOptions::new().append(true).create(true).open(acks).unwrap();
                file.write_all(&number.to_le_bytes()).unwrap();
            }
            next = until;
        }
    }
}

/// One more batch, of a later life.
pub(crate) async fn commit_another(store: &Store) -> Note {
    let note = Note { batch: BATCHES, text: "after the power came back".into() };
    let mut batch = Batch::new();
    batch.put(key(BATCHES, 0), &note);
    store.commit(batch).await.unwrap();
    note
}
