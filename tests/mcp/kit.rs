//! A model that follows a script of tool calls, and servers that run under the installed Node.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;
use telson::{Builder, Engine};
use telson_actors::mcp::{McpServer, Transport};
use telson_actors::provider::{
    Completion, Failure, Part, Provider, Request, Secret, TextSink, ToolCall, ToolSpec,
};
use telson_actors::session::AgentProfile;
use telson_actors::store::MemoryBackend;

use super::support::{Platform, builder, direct, idle};

/// How long anything may take before the test fails; far above what is normal.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Where `tests/tools_install` installs.
pub(crate) fn tools() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("test-tools");
    assert!(
        dir.join("node").exists(),
        "run tests/tools_install (tests/run does): {} is not there",
        dir.display()
    );
    dir
}

/// The Node that runs them.
pub(crate) fn node() -> String {
    tools().join("node").to_string_lossy().into_owned()
}

/// A server of the protocol's own organisation.
pub(crate) fn published(package: &str) -> String {
    let path = tools().join("node_modules/@modelcontextprotocol").join(package);
    path.join("dist/index.js").to_string_lossy().into_owned()
}

/// A server under Node.
pub(crate) fn stdio(name: &str, args: &[&str], env: &[(&str, &str)]) -> McpServer {
    let path = std::env::var("PATH").unwrap();
    let env = env.iter().copied().chain([("PATH", path.as_str())]);
    let env = env.map(|(name, value)| (name.to_owned(), Secret::new(value))).collect();
    let args = args.iter().map(ToString::to_string).collect();
    McpServer::new(name, Transport::Stdio { program: node(), args, env, cwd: Some(tools()) })
}

/// The server with moods and its ledger.
pub(crate) struct Moody {
    dir: tempfile::TempDir,
}

impl Moody {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn server(&self, name: &str) -> McpServer {
        let ledger = self.path("ledger").to_string_lossy().into_owned();
        let code = include_str!("tools/moody.mjs");
        stdio(name, &["--input-type=module", "-e", code], &[("LEDGER", &ledger)])
    }

    pub(crate) fn ledger_path(&self) -> PathBuf {
        self.path("ledger")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The calls that reached the server, in order.
    pub(crate) fn ledger(&self) -> Vec<String> {
        lines(&self.path("ledger"))
    }

    /// The process ids it has had.
    pub(crate) fn pids(&self) -> Vec<String> {
        lines(&self.path("ledger.pids"))
    }

    /// Puts the harmless tools into their mood, or takes them out of it.
    pub(crate) fn mood(&self, on: bool) {
        let mood = self.path("ledger.mood");
        if on { fs::write(mood, "").unwrap() } else { fs::remove_file(mood).unwrap() }
    }
}

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Whether a process lives; one that has ended and waits to be collected does not.
pub(crate) fn lives(pid: &str) -> bool {
    let state = std::process::Command::new("ps").args(["-o", "stat=", "-p", pid]).output().unwrap();
    let state = String::from_utf8(state.stdout).unwrap();
    !state.trim().is_empty() && !state.trim_start().starts_with('Z')
}

/// Looks until there is something to see.
pub(crate) async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let seen = async {
        loop {
            if let Some(seen) = look() {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, seen).await {
        Ok(seen) => seen,
        Err(late) => panic!("still waiting: {what} ({late})"),
    }
}

/// A model that asks for the calls of a person's message, one round for each line
/// `<tool> <arguments>`, and answers with their results, one for each line.
#[derive(Default)]
pub(crate) struct Model {
    shown: Mutex<VecDeque<Vec<ToolSpec>>>,
}

impl Model {
    /// The tools that the latest request offered.
    pub(crate) fn offered(&self) -> Vec<ToolSpec> {
        self.shown.lock().unwrap().back().cloned().unwrap_or_default()
    }

    pub(crate) fn offered_names(&self) -> Vec<String> {
        self.offered().into_iter().map(|spec| spec.name).collect()
    }
}

impl Provider for Model {
    fn stream<'a>(
        &'a self,
        request: &'a Request,
        _: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        self.shown.lock().unwrap().push_back(request.tools.clone());
        let asked = request.messages.iter().rposition(|message| {
            message.parts.iter().any(|part| matches!(part, Part::Text(text) if text.contains('!')))
        });
        let turn = &request.messages[asked.unwrap()..];
        let script = turn[0].plain();
        let lines: Vec<&str> =
            script.lines().filter_map(|line| line.split_once('!')).map(|(_, line)| line).collect();
        let results: Vec<&str> = turn
            .iter()
            .flat_map(|message| &message.parts)
            .filter_map(|part| match part {
                Part::Result(result) => Some(result.text.as_str()),
                _ => None,
            })
            .collect();
        let completion = match lines.get(results.len()) {
            Some(line) => {
                let (name, arguments) = line.trim().split_once(' ').unwrap_or((line.trim(), "{}"));
                let call = ToolCall {
                    id: format!("c{}", results.len()),
                    name: name.into(),
                    arguments: arguments.into(),
                    signature: None,
                };
                let mut completion = Completion::text("");
                completion.parts = vec![Part::Call(call)];
                completion
            }
            None => Completion::text(results.join("\n")),
        };
        Box::pin(std::future::ready(Ok(completion)))
    }
}

/// An engine over a platform, with a model that follows scripts.
pub(crate) struct Rig {
    pub(crate) platform: Platform,
    pub(crate) model: Arc<Model>,
    pub(crate) engine: Engine,
    turns: Mutex<usize>,
}

/// The engine that rigs are made of, without a store.
pub(crate) fn plan(platform: &Platform, model: &Arc<Model>, servers: &[McpServer]) -> Builder {
    let profile = AgentProfile {
        provider: "model".into(),
        model: "m".into(),
        system: String::new(),
        output_tokens_max: 100,
    };
    let plan = builder(platform).agent("main", profile).provider("model", model.clone());
    servers.iter().fold(plan, |plan, server| plan.mcp_server(server.clone(), &["main"]))
}

impl Rig {
    pub(crate) async fn new(servers: &[McpServer]) -> Self {
        let (platform, model) = (Platform::new(), Arc::new(Model::default()));
        let backend = Arc::new(MemoryBackend::new());
        let engine = plan(&platform, &model, servers).backend(backend).start().await.unwrap();
        Self { platform, model, engine, turns: Mutex::new(0) }
    }

    /// One turn; returns what the person reads.
    pub(crate) async fn turn(&self, calls: &[&str]) -> String {
        let turn = {
            let mut turns = self.turns.lock().unwrap();
            *turns += 1;
            *turns
        };
        let script: Vec<String> = calls.iter().map(|call| format!("!{call}")).collect();
        let script = if script.is_empty() { "!".into() } else { script.join("\n") };
        let sender = format!("person{turn}");
        self.engine.inject(direct(&turn.to_string(), &sender, &script)).await.unwrap();
        idle(&self.engine).await;
        self.platform.sent_to(&sender).join("\n")
    }

    /// The note of a server in the tree.
    pub(crate) fn note(&self, server: &str) -> String {
        note(&self.engine, server)
    }

    pub(crate) async fn stop(self) {
        self.engine.shutdown(Duration::from_secs(5)).await;
    }
}

/// The note of a server in the tree.
pub(crate) fn note(engine: &Engine, server: &str) -> String {
    let tree = serde_json::to_value(engine.tree()).unwrap();
    let mut node = &tree;
    for name in ["core", "mcp", server] {
        let children = node["children"].as_array().unwrap();
        node = children.iter().find(|child| child["id"] == *name).unwrap_or(&Value::Null);
    }
    node["note"].as_str().unwrap_or_default().to_owned()
}
