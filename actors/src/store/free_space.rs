//! How much more the disk can take.

use std::path::Path;

use super::error::StoreError;

/// Bytes that this user may still write to the file system of `path`. One system call.
pub(super) fn free_bytes(path: &Path) -> Result<u64, StoreError> {
    let figures = rustix::fs::statvfs(path)
        .map_err(|error| StoreError::io("look at the space of", path, &error.into()))?;
    Ok(figures.f_bavail.saturating_mul(figures.f_frsize))
}
