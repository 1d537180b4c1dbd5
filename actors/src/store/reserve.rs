//! Space set aside while there is some: a file that is removed when the disk is full.
//!
//! What is under way on a full disk needs commits to end. This is the room for them.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::error::StoreError;

/// Four segments of the database: opening it and ending several thousand turns takes less.
const RESERVE_BYTES: u64 = 16 * 1024 * 1024;
const NAME: &str = "reserve";

/// Whether the reserve is there.
pub(super) fn is_whole(dir: &Path) -> bool {
    fs::metadata(dir.join(NAME)).is_ok_and(|meta| meta.len() == RESERVE_BYTES)
}

/// Makes sure that the reserve is there, whole. That it could be made proves that there is space,
/// also where quotas count and free blocks do not.
pub(super) fn keep(dir: &Path) -> Result<(), StoreError> {
    let path = dir.join(NAME);
    if is_whole(dir) {
        return Ok(());
    }
    make(&path).map_err(|error| {
        release(dir);
        StoreError::io("set space aside in", &path, &error)
    })
}

/// Gives it up; `true` if there was one.
pub(super) fn release(dir: &Path) -> bool {
    let released = fs::remove_file(dir.join(NAME));
    match &released {
        Ok(()) => tracing::warn!("the reserve is used: what is under way can be finished"),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(%error, "the reserve cannot be used"),
    }
    released.is_ok()
}

fn make(path: &Path) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    match fallocate(&file, FallocateFlags::empty(), 0, RESERVE_BYTES) {
        Ok(()) => {}
        // A file system without a way to ask for blocks.
        Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => zeros(&mut file)?,
        Err(error) => return Err(error.into()),
    }
    file.sync_all()
}

fn zeros(file: &mut File) -> std::io::Result<()> {
    let block = vec![0; 64 * 1024];
    for _ in 0..RESERVE_BYTES / block.len() as u64 {
        file.write_all(&block)?;
    }
    Ok(())
}
