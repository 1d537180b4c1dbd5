//! Files and names that survive a power loss.
//!
//! A file's content is durable after a sync of the file, its name after a sync of the directory it
//! is in, and so on upwards: nothing else is promised by a file system.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// Syncs a file, or the names in a directory.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Creates a directory for its owner alone and makes its name durable, and the names above it that were missing.
pub fn create_dir(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent
        && !parent.exists()
    {
        create_dir(parent)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        // An earlier life may have died between creating it and syncing its name.
        Ok(()) | Err(_) => {}
    }
    sync(parent.unwrap_or(Path::new(".")))
}

/// Puts a file in place whole: written aside and synced, to be renamed then.
pub(super) fn write_aside(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Copies the files of a directory whose names `wanted` accepts, one level of directories deep, and
/// makes the copy durable.
pub(super) fn copy_dir(from: &Path, to: &Path, wanted: &dyn Fn(&str) -> bool) -> io::Result<()> {
    create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if !wanted(&name.to_string_lossy()) {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target, wanted)?;
        } else {
            // Read and written, never cloned: where the disk is in doubt, every byte goes there anew.
            let mut file = File::create(&target)?;
            io::copy(&mut Opaque(File::open(entry.path())?), &mut file)?;
            file.sync_all()?;
        }
    }
    sync(to)
}

/// Hides what the reader is, so that `io::copy` can't ask the file system to share blocks.
struct Opaque(File);

impl io::Read for Opaque {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}
