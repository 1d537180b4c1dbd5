//! An agent's folder, entered name by name and never through a symbolic link.
//!
//! Each name is opened relative to the folder before it and refused where it is a link. So there is
//! no moment between a check and a use in which somebody could put a link in the way.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::path::steps;

/// The agents' workspaces.
#[derive(Debug)]
pub(in crate::tool::core) struct Workspaces {
    folders: BTreeMap<String, PathBuf>,
    private: Vec<PathBuf>,
}

impl Workspaces {
    pub(in crate::tool::core) fn new(
        folders: BTreeMap<String, PathBuf>,
        private: Vec<PathBuf>,
    ) -> Self {
        Self { folders, private }
    }

    /// The workspace of an agent.
    pub(in crate::tool::core) fn of(&self, agent: &str) -> Result<Workspace, String> {
        let folder = self.folders.get(agent).ok_or("this agent has no workspace")?;
        Ok(Workspace { folder: folder.clone(), private: self.private.clone() })
    }
}

/// One agent's workspace.
#[derive(Debug, Clone)]
pub(in crate::tool::core) struct Workspace {
    folder: PathBuf,
    private: Vec<PathBuf>,
}

/// Where something is: an open folder, and the last name inside it.
struct Place {
    folder: OwnedFd,
    name: String,
}

impl Workspace {
    /// The real path of the workspace, which is made if it is not there.
    pub(in crate::tool::core) fn root(&self) -> Result<PathBuf, String> {
        let failed = |error: std::io::Error| format!("the workspace can't be used: {error}");
        std::fs::create_dir_all(&self.folder).map_err(failed)?;
        std::fs::canonicalize(&self.folder).map_err(failed)
    }

    /// The real path of a folder below it.
    pub(in crate::tool::core) fn folder(&self, written: &str) -> Result<PathBuf, String> {
        let (root, names) = self.walk(written)?;
        enter(&root, &names, false).map_err(|error| said(written, error))?;
        Ok(names.iter().fold(root, |path, name| path.join(name)))
    }

    /// The names in a folder, sorted; nothing if it is not a folder.
    pub(super) fn list(&self, written: &str) -> Result<Option<Vec<String>>, String> {
        let (root, names) = self.walk(written)?;
        let folder = match enter(&root, &names, false) {
            Ok(folder) => folder,
            Err(Errno::NOTDIR) => return Ok(None),
            Err(error) => return Err(said(written, error)),
        };
        let mut found = Vec::new();
        for entry in Dir::read_from(folder).map_err(|error| said(written, error))? {
            let entry = entry.map_err(|error| said(written, error))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                let mark = if entry.file_type() == FileType::Directory { "/" } else { "" };
                found.push(format!("{name}{mark}"));
            }
        }
        found.sort();
        Ok(Some(found))
    }

    /// The text of a file of at most `bytes_max` bytes.
    pub(super) fn read(&self, written: &str, bytes_max: u64) -> Result<String, String> {
        let place = self.place(written, false)?;
        let open = || {
            // A pipe that nobody writes to must not hold us.
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            rustix::fs::openat(&place.folder, place.name.as_str(), flags, Mode::empty())
        };
        let file = open().map_err(|error| said(written, error))?;
        let found = rustix::fs::fstat(&file).map_err(|error| said(written, error))?;
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return Err(format!("{written:?} is not a file"));
        }
        let mut bytes = Vec::new();
        let read = File::from(file).take(bytes_max + 1).read_to_end(&mut bytes);
        read.map_err(|error| format!("{written:?} can't be read: {error}"))?;
        if bytes.len() as u64 > bytes_max {
            return Err(format!("{written:?} is larger than {bytes_max} bytes"));
        }
        if bytes.contains(&0) {
            return Err(format!("{written:?} is not a text file"));
        }
        String::from_utf8(bytes).map_err(|_| format!("{written:?} is not a text file in UTF-8"))
    }

    /// Puts a file there, whole or not at all; what stood there before keeps its permissions.
    pub(super) fn write(&self, written: &str, content: &[u8]) -> Result<(), String> {
        let place = self.place(written, true)?;
        let mode = mode_at(&place).map_err(|error| said(written, error))?;
        let Some(mode) = mode else {
            return Err(format!("{written:?} is there and is not a file; it was not touched"));
        };
        // Left behind by a crash it is simply taken over; links and folders of that name are not.
        let beside = format!(".{:.200}.telson-new", place.name);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        clear(&place, &beside);
        let file =
            rustix::fs::openat(&place.folder, beside.as_str(), flags | OFlags::CLOEXEC, mode)
                .map_err(|error| said(written, error))?;
        let mut file = File::from(file);
        rustix::fs::fchmod(&file, mode).map_err(|error| said(written, error))?;
        let full = file.write_all(content).and_then(|()| file.sync_all());
        let put =
            full.map_err(|error| format!("{written:?} can't be written: {error}")).and_then(|()| {
                let name = place.name.as_str();
                rustix::fs::renameat(&place.folder, beside.as_str(), &place.folder, name)
                    .and_then(|()| rustix::fs::fsync(&place.folder))
                    .map_err(|error| said(written, error))
            });
        if put.is_err() {
            clear(&place, &beside);
        }
        put
    }

    /// The folder that holds what is meant, and its name there.
    fn place(&self, written: &str, make: bool) -> Result<Place, String> {
        let (root, mut names) = self.walk(written)?;
        let name = names.pop().ok_or_else(|| format!("{written:?} is a folder"))?;
        let folder = enter(&root, &names, make).map_err(|error| said(written, error))?;
        Ok(Place { folder, name })
    }

    fn walk(&self, written: &str) -> Result<(PathBuf, Vec<String>), String> {
        let root = self.root()?;
        // People name the folder as they configured it; links above it are theirs.
        let names = steps(&root, written).or_else(|error| {
            if Path::new(written).is_absolute() { steps(&self.folder, written) } else { Err(error) }
        })?;
        let whole = names.iter().fold(root.clone(), |path, name| path.join(name));
        let is_private = |private: &PathBuf| {
            let private = std::fs::canonicalize(private).unwrap_or_else(|_| private.clone());
            // Some systems take capital letters for small ones.
            let [whole, private, root] = [&whole, &private, &root]
                .map(|path| PathBuf::from(path.to_string_lossy().to_lowercase()));
            whole.starts_with(&private) && !root.starts_with(&private)
        };
        if self.private.iter().any(is_private) {
            return Err(format!("{written:?} belongs to the gateway itself"));
        }
        Ok((root, names))
    }
}

/// Walks along names, none of which may be a link.
fn enter(root: &Path, names: &[String], make: bool) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut folder = rustix::fs::open(root, flags, Mode::empty())?;
    for name in names {
        let name = name.as_str();
        let opened = rustix::fs::openat(&folder, name, flags, Mode::empty());
        folder = match opened {
            Err(Errno::NOENT) if make => {
                match rustix::fs::mkdirat(&folder, name, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error),
                }
                rustix::fs::openat(&folder, name, flags, Mode::empty())?
            }
            Err(error) => return Err(told_apart(&folder, name, error)),
            Ok(opened) => opened,
        };
    }
    Ok(folder)
}

/// Systems answer the same for a link and for a file where a folder is wanted.
fn told_apart(folder: &OwnedFd, name: &str, error: Errno) -> Errno {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) if FileType::from_raw_mode(found.st_mode) == FileType::Symlink => Errno::LOOP,
        Ok(_) | Err(_) => error,
    }
}

/// Removes what an interrupted write has left.
fn clear(place: &Place, name: &str) {
    match rustix::fs::unlinkat(&place.folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => tracing::warn!(%error, name, "a half-written file can't be removed"),
    }
}

/// The permissions of the file that is there, or those of a new one; nothing if something else is
/// there.
fn mode_at(place: &Place) -> Result<Option<Mode>, Errno> {
    match rustix::fs::statat(&place.folder, place.name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => {
            let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
            Ok(is_file.then(|| Mode::from_raw_mode(found.st_mode & 0o777)))
        }
        Err(Errno::NOENT) => Ok(Some(Mode::from_raw_mode(0o644))),
        Err(error) => Err(error),
    }
}

fn said(written: &str, error: Errno) -> String {
    match error {
        Errno::NOENT => format!("{written:?} is not there"),
        Errno::LOOP => {
            format!("{written:?} leads through a symbolic link, which tools do not follow")
        }
        Errno::NOTDIR => format!("{written:?} leads through a file as if it were a folder"),
        error => format!("{written:?}: {}", std::io::Error::from(error)),
    }
}

#[cfg(test)]
mod tests;
