//! The directory an engine keeps its memory in: owner-only.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use telson_actors::store::{StoreError, durable};

/// Creates the directory, and makes sure that nobody else can read it.
pub(crate) fn create(dir: &Path) -> Result<(), StoreError> {
    let failed = |error: std::io::Error| StoreError::io("create", dir, &error);
    durable::create_dir(dir).map_err(failed)?;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).map_err(failed)
}
