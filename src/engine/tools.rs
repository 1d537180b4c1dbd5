//! The tools of an engine: those of the embedding program and those that come along.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use telson_actors::tool::Toolbox;
use telson_actors::tool::core::{CoreDeps, exec, tools};
use telson_actors::tool::gate::PolicyGate;

use super::{Builder, StoreSpec};

/// Everything the agents of this engine can call, and who may.
pub(crate) fn toolbox(spec: &Builder, deps: &CoreDeps) -> Toolbox {
    let mut toolbox = spec.toolbox.clone();
    let Some(settings) = &spec.core_tools else { return toolbox };
    let mut settings = settings.clone();
    if let Some(StoreSpec::Dir(dir)) = &spec.store {
        add_workspaces(&mut settings.workspaces, spec, dir);
        settings.private.push(dir.clone());
        settings.exec.place = place(spec);
    }
    for tool in tools(&settings, deps) {
        toolbox.add(tool);
    }
    if !toolbox.has_gate() {
        toolbox.set_gate(Arc::new(PolicyGate { exec: spec.exec_modes.clone() }));
    }
    toolbox
}

/// Ends commands that an earlier life of this engine has left running. Nobody else can have started
/// them: the store is held by one process at a time.
pub(super) async fn end_orphans(spec: &Builder) {
    let place = place(spec);
    if spec.core_tools.is_none() && spec.cron.is_none() {
        return;
    }
    let ended = tokio::task::spawn_blocking(move || exec::end_orphans(&place)).await;
    if let Ok(ended @ 1..) = ended {
        tracing::warn!(processes = ended, "ended commands that a killed gateway had left running");
    }
}

/// What tells the commands of this engine from all others; empty where nothing outlives it.
pub(crate) fn place(spec: &Builder) -> String {
    match &spec.store {
        Some(StoreSpec::Dir(dir)) => exec::place(&place_of(dir)),
        Some(StoreSpec::Inline(_) | StoreSpec::Threaded(_)) | None => String::new(),
    }
}

/// One directory has one place, however it is written.
fn place_of(dir: &Path) -> PathBuf {
    dir.canonicalize().unwrap_or_else(|_| dir.to_owned())
}

/// Who has no folder gets one beside the store: the default agent `workspace`, others one that
/// bears their name.
fn add_workspaces(workspaces: &mut BTreeMap<String, PathBuf>, spec: &Builder, dir: &Path) {
    let default = spec.rules.agents.default.as_ref().map(telson_actors::router::AgentId::as_str);
    for id in spec.agents.keys() {
        let name = if default == Some(id) { "workspace".into() } else { format!("workspace-{id}") };
        workspaces.entry(id.clone()).or_insert_with(|| dir.join(name));
    }
}
