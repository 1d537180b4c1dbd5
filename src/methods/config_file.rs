//! The config file as it is on the disk.

use std::io::ErrorKind;
use std::path::PathBuf;

use super::{Call, ErrorBody};
use crate::gateway::own_key;

/// The file, whether it is there or not.
pub(super) struct File {
    /// Where it is.
    pub(super) path: PathBuf,
    /// What it says.
    pub(super) text: Option<String>,
    /// A name for exactly this text, which whoever changes it has to know.
    pub(super) hash: Option<String>,
}

/// Reads it.
pub(super) fn read_file(call: &Call) -> Result<File, ErrorBody> {
    let Some(path) = call.host.config_path.clone() else {
        return Err(ErrorBody::unavailable("an embedded engine has no config file"));
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => {
            return Err(ErrorBody::unavailable(format!("{}: {error}", path.display())));
        }
    };
    let hash = text.as_deref().map(own_key::hash);
    Ok(File { path, text, hash })
}
