//! Writing a file so that it is either the old one or the new one, whenever the power fails.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Puts `bytes` in place of the file. A link is replaced, not followed.
///
/// # Errors
/// What the system says; the old file is as it was.
pub(crate) fn put(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let draft = draft(path, bytes, mode)?;
    replace(&draft, path)
}

/// Writes the new file beside the old one.
///
/// # Errors
/// What the system says; nothing is left behind.
pub(crate) fn draft(path: &Path, bytes: &[u8], mode: u32) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{:016x}", u64::from_ne_bytes(random)));
    let mut options = OpenOptions::new();
    let written =
        options.create_new(true).write(true).mode(mode).open(&draft).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
    written.inspect_err(|_| drop(std::fs::remove_file(&draft)))?;
    Ok(draft)
}

/// Puts a draft in place.
///
/// # Errors
/// What the system says; the draft is removed then.
pub(crate) fn replace(draft: &Path, path: &Path) -> io::Result<()> {
    std::fs::rename(draft, path).inspect_err(|_| drop(std::fs::remove_file(draft)))?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
