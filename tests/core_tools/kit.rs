//! A model that does what a test says, an engine with core tools, and a disk that fails.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;
use telson::{Builder, Engine};
use telson_actors::channel::{
    Capabilities, Channel, Evidence, Outbound, SendFailure, SendOutcome, Settled,
};
use telson_actors::message::session_key::DmScope;
use telson_actors::provider::{Completion, Failure, Part, Provider, Request, TextSink, ToolCall};
use telson_actors::session::AgentProfile;
use telson_actors::store::{Backend, Key, MemoryBackend, Pair, StoreError, Write};
use telson_actors::tool::core::CoreSettings;
use telson_actors::tool::gate::ExecMode;
use telson_actors::tool::policy::{Policy, Profile, Scope};

use crate::support::{Platform, account, direct, idle, open_access};

/// What a test says a model does: from the person's text and the results so far to the next calls;
/// with none it answers with the results.
type Script = dyn Fn(&str, &[String]) -> Vec<(&'static str, Value)> + Send + Sync;

pub(crate) struct Model {
    script: Box<Script>,
    requests: Mutex<Vec<Request>>,
}

impl Model {
    pub(crate) fn new(
        script: impl Fn(&str, &[String]) -> Vec<(&'static str, Value)> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { script: Box::new(script), requests: Mutex::default() })
    }

    /// Calls these tools one after the other, whatever it is told.
    pub(crate) fn calling(calls: Vec<(&'static str, Value)>) -> Arc<Self> {
        Self::new(move |_, results| calls.get(results.len()).cloned().into_iter().collect())
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The tools the model was shown first.
    pub(crate) fn shown(&self) -> Vec<String> {
        let requests = self.requests();
        requests[0].tools.iter().map(|tool| tool.name.clone()).collect()
    }
}

impl Provider for Model {
    fn stream<'a>(
        &'a self,
        request: &'a Request,
        _: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        self.requests.lock().unwrap().push(request.clone());
        let (mut said, mut results) = (String::new(), Vec::new());
        for part in request
            .messages
            .iter()
            .flat_map(|message| message.parts.iter().map(move |part| (message.role, part)))
        {
            match part {
                (telson_actors::provider::Role::User, Part::Text(text)) => {
                    said.clone_from(text);
                    results.clear();
                }
                (_, Part::Result(result)) => results.push(result.text.clone()),
                _ => {}
            }
        }
        let calls = (self.script)(&said, &results);
        let mut completion = Completion::text(if calls.is_empty() {
            if results.is_empty() { "nothing to do".into() } else { results.join("\n+ ") }
        } else {
            String::new()
        });
        for (nth, (name, arguments)) in calls.into_iter().enumerate() {
            completion.parts.push(Part::Call(ToolCall {
                id: format!("c{}-{nth}", results.len()),
                name: name.into(),
                arguments: arguments.to_string(),
                signature: None,
            }));
        }
        Box::pin(std::future::ready(Ok(completion)))
    }
}

/// The platform, which knows for certain what it never got: a send that was cut off before it began
/// is made again at once, and not kept for a person.
struct Sure(Platform);

impl Channel for Sure {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn prepare<'a>(&'a self, part: &'a Outbound) -> BoxFuture<'a, Result<Evidence, SendFailure>> {
        self.0.prepare(part)
    }

    fn send<'a>(
        &'a self,
        part: &'a Outbound,
        evidence: &'a Evidence,
    ) -> BoxFuture<'a, SendOutcome> {
        self.0.send(part, evidence)
    }

    fn reconcile<'a>(
        &'a self,
        part: &'a Outbound,
        evidence: &'a Evidence,
    ) -> BoxFuture<'a, Settled> {
        Box::pin(async move {
            match self.0.reconcile(part, evidence).await {
                Settled::Unresolved(why) => Settled::NotSent(SendFailure::transient(why)),
                settled => settled,
            }
        })
    }
}

pub(crate) fn agent() -> AgentProfile {
    AgentProfile {
        provider: "model".into(),
        model: "m".into(),
        system: String::new(),
        output_tokens_max: 100,
    }
}

/// Core tools with these workspaces.
pub(crate) fn settings(workspace: &Path) -> CoreSettings {
    CoreSettings {
        workspaces: BTreeMap::from([("main".to_owned(), workspace.to_owned())]),
        ..CoreSettings::default()
    }
}

pub(crate) fn everything() -> Policy {
    let full = Scope { profile: Some(Profile::Full), ..Scope::default() };
    Policy::new(&full, &Scope::default())
}

/// An engine whose agent `main` may use everything.
pub(crate) fn engine(platform: &Platform, model: &Arc<Model>, settings: CoreSettings) -> Builder {
    Engine::builder()
        .channel(account(), Arc::new(Sure(platform.clone())), None, open_access())
        .rules(|rules| rules.session.dm_scope = DmScope::PerChannelPeer)
        .agent("main", agent())
        .provider("model", model.clone())
        .core_tools(settings)
        .tool_policy("main", everything())
        .exec_mode("main", ExecMode::Full)
}

/// What the platform got for one message from `anna`.
pub(crate) async fn answer_of(builder: Builder, platform: &Platform, text: &str) -> String {
    let engine = builder.backend(Arc::new(MemoryBackend::new())).start().await.unwrap();
    engine.inject(direct("1", "anna", text)).await.unwrap();
    idle(&engine).await;
    stop(engine).await;
    platform.sent_to("anna").join("\n")
}

pub(crate) async fn stop(engine: Engine) {
    engine.shutdown(Duration::from_millis(200)).await;
}

/// A disk that fails once, in its nth commit, before the write or after it.
#[derive(Clone)]
pub(crate) struct Failing {
    memory: MemoryBackend,
    commits_left: Arc<AtomicUsize>,
    after_write: bool,
}

impl Failing {
    pub(crate) fn new(memory: &MemoryBackend, commits_left: usize, after_write: bool) -> Self {
        let commits_left = Arc::new(AtomicUsize::new(commits_left));
        Self { memory: memory.clone(), commits_left, after_write }
    }

    /// Whether it has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.commits_left.load(Ordering::SeqCst) == 0
    }
}

impl Backend for Failing {
    fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
        let left = self.commits_left.load(Ordering::SeqCst);
        self.commits_left.store(left.saturating_sub(1), Ordering::SeqCst);
        if left == 1 {
            if self.after_write {
                self.memory.commit(writes)?;
            }
            return Err(StoreError::Database("the power fails".into()));
        }
        self.memory.commit(writes)
    }

    fn apply(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.memory.apply(writes)
    }

    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        self.memory.get(key)
    }

    fn scan(
        &self,
        prefix: &Key,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        self.memory.scan(prefix, after, limit)
    }

    fn tail(&self, prefix: &Key, limit: usize) -> Result<Vec<Pair>, StoreError> {
        self.memory.tail(prefix, limit)
    }
}

/// Runs `lives` until no commit is left that could fail: each time one commit later is the one that
/// fails, before or after its write, and the engine is started again on what was written.
/// `check` sees the platform after each, and where the power failed.
pub(crate) async fn at_every_commit(
    describe: impl Fn(&Platform) -> Builder,
    begin: impl AsyncFn(&Engine),
    check: impl Fn(&Platform, &str),
) {
    let mut lives = 0;
    for after_write in [false, true] {
        for nth in 1.. {
            let (platform, memory) = (Platform::new(), MemoryBackend::new());
            let prepared = describe(&platform).backend(Arc::new(memory.clone())).start().await;
            let prepared = prepared.unwrap();
            prepared.inject(direct("0", "ben", "hello")).await.unwrap();
            idle(&prepared).await;
            stop(prepared).await;
            let failing = Failing::new(&memory, nth, after_write);
            // It may fail while it starts, which is a life as well.
            if let Ok(engine) = describe(&platform).backend(Arc::new(failing.clone())).start().await
            {
                begin(&engine).await;
                let ended = async {
                    tokio::select! {
                        _ = engine.failed() => {}
                        () = idle(&engine) => {}
                    }
                };
                tokio::time::timeout(Duration::from_mins(1), ended).await.unwrap();
                stop(engine).await;
            }
            let engine = describe(&platform).backend(Arc::new(memory)).start().await.unwrap();
            // Whoever was not told offers it again.
            begin(&engine).await;
            idle(&engine).await;
            stop(engine).await;
            check(&platform, &format!("commit {nth}, after its write: {after_write}"));
            lives += 1;
            if !failing.has_failed() {
                break;
            }
        }
    }
    assert!(lives > 8, "there were commits to fail in: {lives}");
}
