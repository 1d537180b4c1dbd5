//! The files of an agent's workspace that are part of its system prompt. They are read anew for
//! every turn, so a change is seen by the next message; a file that can't be read is named in the
//! prompt and in the log, and stops nothing.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use telson_actors::context::{PromptFile, PromptLimits, PromptSource, system_prompt};
use telson_actors::heartbeat::BeatFile;

use crate::config::{Config, Lookup};

/// The files, in their order in the prompt, and whether a workspace is expected to have them.
pub(crate) const FILES: [(&str, bool); 7] = [
    ("AGENTS.md", true),
    ("SOUL.md", true),
    ("TOOLS.md", true),
    ("IDENTITY.md", true),
    ("USER.md", true),
    ("BOOTSTRAP.md", false),
    ("MEMORY.md", false),
];
/// What an agent looks after at its heartbeats.
const HEARTBEAT_FILE: &str = "HEARTBEAT.md";
/// Largest file that is read, in bytes: beyond it something else than a prompt stands there.
pub(crate) const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Longest wait for a disk: a turn goes on without its files after it.
const READ_MAX: Duration = Duration::from_secs(5);

/// A workspace, and how much of it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Workspace {
    dir: PathBuf,
    limits: PromptLimits,
}

/// The workspaces of all agents: the configured folder, else `workspace` in the state directory for
/// the default agent and `workspace-<id>` for any other.
pub(crate) fn workspaces(
    config: &Config,
    state_dir: &Path,
    env: &Lookup<'_>,
) -> BTreeMap<String, Workspace> {
    let (defaults, default) = (&config.agents.defaults, config.default_agent());
    let place = |id: &str, own: Option<&String>| {
        let is_default = default.as_deref() == Some(id);
        let shared = defaults.workspace.as_ref().filter(|_| is_default);
        match own.or(shared) {
            Some(dir) => state_dir.join(expanded(dir, env)),
            None if is_default => state_dir.join("workspace"),
            None => state_dir.join(format!("workspace-{id}")),
        }
    };
    let chars = |limit: Option<u64>, or: usize| {
        limit.map_or(or, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
    };
    let standard = PromptLimits::default();
    let workspace = |(id, agent): (String, crate::config::AgentEntry)| {
        let file = agent.bootstrap_max_chars.or(defaults.bootstrap_max_chars);
        let total = agent.bootstrap_total_max_chars.or(defaults.bootstrap_total_max_chars);
        let limits = PromptLimits {
            file_chars: chars(file, standard.file_chars),
            total_chars: chars(total, standard.total_chars),
        };
        let dir = place(&id, agent.workspace.as_ref());
        (id, Workspace { dir, limits })
    };
    config.agents_map().into_iter().map(workspace).collect()
}

/// Reads workspaces for sessions.
pub(crate) fn source(workspaces: BTreeMap<String, Workspace>) -> PromptSource {
    let workspaces: HashMap<String, Arc<Workspace>> =
        workspaces.into_iter().map(|(id, workspace)| (id, Arc::new(workspace))).collect();
    Arc::new(move |agent| {
        let workspace = workspaces.get(agent).cloned();
        Box::pin(async move {
            let Some(workspace) = workspace else { return String::new() };
            let dir = workspace.dir.clone();
            // Files may lie on a disk that has gone away.
            let reading = tokio::task::spawn_blocking(move || workspace.read());
            if let Ok(Ok(text)) = tokio::time::timeout(READ_MAX, reading).await {
                return text;
            }
            tracing::warn!(workspace = %dir.display(), "not read within {READ_MAX:?}; this turn \
                goes without it");
            format!("[The files of your workspace could not be read within {READ_MAX:?}.]")
        })
    })
}

/// Reads the `HEARTBEAT.md` of workspaces, anew for every heartbeat.
pub(crate) fn heartbeat_file(workspaces: &BTreeMap<String, Workspace>) -> BeatFile {
    let files: HashMap<String, PathBuf> = workspaces
        .iter()
        .map(|(id, workspace)| (id.clone(), workspace.dir.join(HEARTBEAT_FILE)))
        .collect();
    Arc::new(move |agent| {
        let path = files.get(agent).cloned();
        Box::pin(async move {
            let Some(path) = path else { return Ok(None) };
            let reading = tokio::task::spawn_blocking(move || read(&path));
            match tokio::time::timeout(READ_MAX, reading).await {
                Ok(Ok(text)) => text,
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(format!("not read within {READ_MAX:?}")),
            }
        })
    })
}

impl Workspace {
    /// Its folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What its files say.
    fn read(&self) -> String {
        let file = |(name, is_expected): &(&str, bool)| {
            let path = self.dir.join(name);
            let text = read(&path);
            if let Err(why) = &text {
                tracing::warn!(file = %path.display(), "not readable, left out: {why}");
            }
            PromptFile { name: (*name).to_owned(), text, is_expected: *is_expected }
        };
        let files: Vec<PromptFile> = FILES.iter().map(file).collect();
        system_prompt(&files, self.limits)
    }
}

/// The text of a file, if there is one. Bytes that are no text are replaced.
pub(crate) fn read(path: &Path) -> Result<Option<String>, String> {
    // A pipe would be waited for, a device would never end.
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => return Err("not a file".into()),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    }
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        return Err(format!("larger than {} KiB", FILE_BYTES_MAX / 1024));
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// `~` at the beginning is the home of whoever runs the service.
fn expanded(dir: &str, env: &Lookup<'_>) -> PathBuf {
    match (dir.strip_prefix("~/"), env("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(dir),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    #[test]
    fn every_agent_has_a_folder_of_its_own() {
        let text = "{agents: {defaults: {bootstrapMaxChars: 10},
            entries: {home: {default: true}, work: {}, far: {workspace: '~/far', \
            bootstrapMaxChars: 20}}}}";
        let config =
            parse(text, "c.json", &|_| None).map(|loaded| loaded.config).unwrap_or_default();
        let env = |name: &str| (name == "HOME").then(|| "/home/anna".to_owned());
        let found = workspaces(&config, Path::new("/state"), &env);
        let dirs: Vec<_> = found.values().map(|found| found.dir.to_string_lossy()).collect();
        assert_eq!(dirs, ["/home/anna/far", "/state/workspace", "/state/workspace-work"]);
        let chars: Vec<_> = found.values().map(|found| found.limits.file_chars).collect();
        assert_eq!(chars, [20, 10, 10]);
    }
}
