//! Putting away the folder of an agent that was deleted, and nothing else: whoever names the folder
//! of an agent may be mistaken, or mean harm.

use std::path::{Component, Path, PathBuf};

/// The folder in the state directory for what people have deleted.
const TRASH: &str = "trash";
/// What else lies in the state directory, by the beginning of its name.
const RESERVED: [&str; 12] = [
    "store",
    "gateway",
    "lock",
    "telson.",
    "openclaw.",
    "media",
    "skills",
    "logs",
    TRASH,
    "sled",
    "cron",
    "sessions",
];

/// A folder that may be put away, and what it must not touch.
pub(super) struct Folder<'a> {
    pub(super) dir: &'a Path,
    pub(super) state: Option<&'a Path>,
    /// What stays: the workspaces of other agents, the config.
    pub(super) others: &'a [PathBuf],
}

/// Moves a folder into the trash; says what became of it.
pub(super) fn put_away(folder: &Folder<'_>, now: i64) -> Result<&'static str, String> {
    let elsewhere = "it lies outside the state directory; remove it by hand";
    if folder.dir.components().any(|part| part == Component::ParentDir) {
        return Err("its path has \"..\" in it; remove it by hand".into());
    }
    let state = folder.state.ok_or(elsewhere)?;
    if !folder.dir.exists() {
        return Ok("missing");
    }
    let (state, dir) = (real(state)?, real(folder.dir)?);
    let inside = dir.strip_prefix(&state).map_err(|_| elsewhere)?;
    let first = inside.components().next().map(|part| part.as_os_str().to_string_lossy());
    let Some(first) = first else { return Err("it is the state directory itself".into()) };
    if first.starts_with('.') || RESERVED.iter().any(|name| first.starts_with(name)) {
        return Err(format!("{first} in the state directory belongs to the gateway itself"));
    }
    for other in folder.others {
        // One that is not there yet has no other name.
        let other = other.canonicalize().unwrap_or_else(|_| other.clone());
        if other.starts_with(&dir) || dir.starts_with(&other) {
            return Err(format!("it shares files with {}, which stays", other.display()));
        }
    }
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let trash = state.join(TRASH);
    std::fs::create_dir_all(&trash)
        .and_then(|()| std::fs::rename(&dir, trash.join(format!("{name}-{now}"))))
        .map(|()| "trash")
        .map_err(|error| error.to_string())
}

/// Without links: where it really is counts.
fn real(path: &Path) -> Result<PathBuf, String> {
    path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_folder_of_its_own_is_put_away() {
        let root = tempfile::tempdir().unwrap();
        let (state, outside) = (root.path().join("state"), root.path().join("project"));
        for dir in ["work/notes", "other", "group/one", "store", "gateway/tls", "trash/old"] {
            std::fs::create_dir_all(state.join(dir)).unwrap();
        }
        std::fs::create_dir_all(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, state.join("link")).unwrap();
        std::os::unix::fs::symlink(state.join("other"), state.join("alias")).unwrap();
        let others = [state.join("other"), state.join("group/one"), state.join("not-yet/deep")];
        let away = |dir: &str| {
            let dir = state.join(dir);
            put_away(&Folder { dir: &dir, state: Some(&state), others: &others }, 7)
        };
        for dir in [
            "",
            "store",
            "gateway",
            "gateway/tls",
            "trash/old",
            "other",
            "other/sub",
            "alias",
            "group",
            "link",
            "work/../other",
            "group/../work",
            "../project",
        ] {
            std::fs::create_dir_all(state.join("other/sub")).unwrap();
            let refused = away(dir);
            assert!(refused.is_err(), "{dir}: {refused:?}");
            assert!(state.join(dir).exists(), "{dir}");
        }
        assert_eq!(away("gone"), Ok("missing"));
        assert_eq!(away("work"), Ok("trash"));
        assert!(state.join("trash/work-7/notes").exists());
    }
}
