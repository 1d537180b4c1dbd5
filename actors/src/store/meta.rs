//! The store's own records, each kept twice: without them nothing else could be trusted, so one
//! damaged copy must not matter.

use super::backend::Backend;
use super::batch::Batch;
use super::codec::{Record, RecordError, decode};
use super::error::StoreError;
use super::key::{Key, Space};
use super::quarantine;

/// Writes a record, and its copy.
pub(super) fn put<R: Record>(batch: &mut Batch, name: &str, record: &R) {
    for key in keys(name) {
        batch.put(key, record);
    }
}

/// Reads a record. What is damaged is set aside with `batch`, which writes the sound copy again.
pub(super) fn get<R: Record>(
    backend: &dyn Backend,
    name: &str,
    batch: &mut Batch,
) -> Result<Option<R>, StoreError> {
    let (mut sound, mut broken) = (None, None);
    for key in keys(name) {
        let Some(value) = backend.get(&key)? else { continue };
        match decode(&key, &value) {
            Ok(record) => sound = sound.or(Some(record)),
            Err(error) => {
                if !matches!(error, RecordError::Version { .. }) {
                    quarantine::set_aside(batch, &key, &value, &error);
                }
                broken = Some(StoreError::Record { key: key.readable(), error });
            }
        }
    }
    match (sound, broken) {
        (None, Some(error)) => Err(error),
        (sound, _) => Ok(sound),
    }
}

fn keys(name: &str) -> [Key; 2] {
    [Key::of(Space::Meta).text(name), Key::of(Space::Meta).text(name).text("copy")]
}
