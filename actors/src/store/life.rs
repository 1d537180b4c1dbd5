//! The lives of a store: each opening is counted and takes over from the life before; one that ends in
//! order says so.

use serde::{Deserialize, Serialize};

use super::backend::Backend;
use super::batch::{Batch, Epoch};
use super::codec::Record;
use super::error::StoreError;
use super::meta;
use super::sequence::{self, ReservedTo, Sequence};
use crate::crash_point::crash_point;

/// The stored format this program writes. Grows with every incompatible change.
const FORMAT: u32 = 1;
/// The name of the record of openings.
const OPENED: &str = "opened";
/// The name of the record of the last orderly end.
const ENDED: &str = "ended";
/// The name of the record of how many lives did not end in order.
const INTERRUPTED: &str = "interrupted";

#[derive(Debug, Serialize, Deserialize)]
struct Opened {
    format: u32,
    epoch: u64,
}

/// How many lives did not end in order.
#[derive(Debug, Serialize, Deserialize)]
struct Interrupted(u64);

impl Record for Interrupted {
    const VERSION: u8 = 1;
}

/// The last life that ended in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Ended {
    epoch: u64,
}

impl Record for Ended {
    const VERSION: u8 = 1;
}

impl Record for Opened {
    const VERSION: u8 = 1;
}

/// What is known when a store has been taken over.
pub(super) struct Begun {
    pub(super) epoch: Epoch,
    pub(super) sequence: Sequence,
    /// Whether the life before did not end in order.
    pub(super) was_interrupted: bool,
    /// How many did not.
    pub(super) interrupted: u64,
}

/// Checks the format and takes over: the epoch grows, and the sequence continues behind every
/// number ever reserved.
pub(super) fn begin(backend: &dyn Backend) -> Result<Begun, StoreError> {
    let mut batch = Batch::new();
    let before: Option<Opened> = meta::get(backend, OPENED, &mut batch)?;
    if let Some(Opened { format, .. }) = before
        && format > FORMAT
    {
        return Err(StoreError::Newer { found: format, known: FORMAT });
    }
    let reserved: Option<ReservedTo> = meta::get(backend, sequence::NAME, &mut batch)?;
    let ended: Option<Ended> = meta::get(backend, ENDED, &mut batch)?;
    let was_interrupted =
        before.as_ref().is_some_and(|opened| ended != Some(Ended { epoch: opened.epoch }));
    let epoch = before.map_or(1, |opened| opened.epoch + 1);
    let interrupted: Option<Interrupted> = meta::get(backend, INTERRUPTED, &mut batch)?;
    let interrupted = interrupted.map_or(0, |lives| lives.0) + u64::from(was_interrupted);
    if interrupted > 0 {
        meta::put(&mut batch, INTERRUPTED, &Interrupted(interrupted));
    }
    meta::put(&mut batch, OPENED, &Opened { format: FORMAT, epoch });
    if let Some(reserved) = reserved {
        meta::put(&mut batch, sequence::NAME, &reserved);
    }
    crash_point("open.before_epoch");
    backend.commit(&batch.writes)?;
    crash_point("open.after_epoch");
    let sequence = Sequence::new(reserved.map_or(1, |reserved| reserved.0));
    Ok(Begun { epoch: Epoch(epoch), sequence, was_interrupted, interrupted })
}

/// The word that a life ends in order.
pub(super) fn ending(epoch: Epoch) -> Batch {
    let mut batch = Batch::new();
    meta::put(&mut batch, ENDED, &Ended { epoch: epoch.0 });
    batch
}
