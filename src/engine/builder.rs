//! Describing an engine before it runs: its store, its rules and limits, and what it listens on. The
//! parts with many settings have rooms of their own: `agents` and `accounts`.

mod accounts;
mod agents;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use telson_actors::channel::preview::PreviewLimits;
use telson_actors::clock::Clock;
use telson_actors::context::Context;
use telson_actors::cron::CronSettings;
use telson_actors::cron::wake::SharedWake;
use telson_actors::heartbeat::BeatRules;
use telson_actors::hook::Hook;
use telson_actors::mcp::McpServer;
use telson_actors::message::AccountKey;
use telson_actors::model::Catalog;
use telson_actors::provider::Echo;
use telson_actors::router::{CodeSource, Rules};
use telson_actors::session::AgentProfile;
use telson_actors::session::lane::LaneSettings;
use telson_actors::store::{Backend, CompactionPolicy};
use telson_actors::tool::Toolbox;
use telson_actors::tool::core::CoreSettings;
use telson_actors::tool::gate::ExecMode;
use telson_supervision::Dice;

use super::spec::{AccountSpec, ProviderSpec, StoreSpec};
use crate::control::ControlSpec;
use crate::gateway::GatewaySpec;
use crate::limits::Limits;

/// Describes an engine; [`Builder::start`] starts it.
#[derive(Clone)]
pub struct Builder {
    pub(crate) store: Option<StoreSpec>,
    pub(crate) compaction: CompactionPolicy,
    pub(crate) accept_loss: bool,
    pub(crate) rules: Rules,
    pub(crate) agents: HashMap<String, AgentProfile>,
    pub(crate) providers: Vec<ProviderSpec>,
    pub(crate) catalog: Catalog,
    pub(crate) toolbox: Toolbox,
    pub(crate) mcp: Vec<(McpServer, BTreeSet<String>)>,
    pub(crate) core_tools: Option<CoreSettings>,
    pub(crate) exec_modes: BTreeMap<String, ExecMode>,
    pub(crate) context: Context,
    pub(crate) accounts: Vec<AccountSpec>,
    pub(crate) lanes: HashMap<String, LaneSettings>,
    pub(crate) prefixes: HashMap<AccountKey, String>,
    pub(crate) blocks: HashSet<AccountKey>,
    pub(crate) paragraphs: HashSet<AccountKey>,
    pub(crate) previews: HashMap<AccountKey, PreviewLimits>,
    pub(crate) names: HashMap<String, String>,
    pub(crate) hooks: Vec<Arc<dyn Hook>>,
    pub(crate) cron: Option<CronSettings>,
    pub(crate) wake: Option<SharedWake>,
    pub(crate) beats: BeatRules,
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    pub(crate) dice: Dice,
    pub(crate) codes: Option<CodeSource>,
    pub(crate) control: Option<ControlSpec>,
    pub(crate) gateway: Option<GatewaySpec>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            store: None,
            compaction: CompactionPolicy::default(),
            accept_loss: false,
            rules: Rules::default(),
            agents: HashMap::new(),
            providers: vec![ProviderSpec::single("echo", Arc::new(Echo))],
            catalog: Catalog::default(),
            toolbox: Toolbox::default(),
            mcp: Vec::new(),
            core_tools: None,
            exec_modes: BTreeMap::new(),
            context: Context::default(),
            accounts: Vec::new(),
            lanes: HashMap::new(),
            prefixes: HashMap::new(),
            blocks: HashSet::new(),
            paragraphs: HashSet::new(),
            previews: HashMap::new(),
            names: HashMap::new(),
            hooks: Vec::new(),
            cron: None,
            wake: None,
            beats: BeatRules::default(),
            limits: Limits::default(),
            clock: Clock::system(),
            dice: Dice::random(),
            codes: None,
            control: None,
            gateway: None,
        }
    }
}

impl Builder {
    /// Keeps its memory in this directory (created if absent).
    #[must_use]
    pub fn state_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.store = Some(StoreSpec::Dir(dir.into()));
        self
    }

    /// Keeps its memory behind `backend`.
    #[must_use]
    pub fn backend(mut self, backend: Arc<dyn Backend>) -> Self {
        self.store = Some(StoreSpec::Inline(backend));
        self
    }

    /// Keeps its memory behind `backend`, whose calls may block for long: a thread of its own commits.
    #[must_use]
    pub fn blocking_backend(mut self, backend: Arc<dyn Backend>) -> Self {
        self.store = Some(StoreSpec::Threaded(backend));
        self
    }

    /// Sets the routing rules besides agents and access: bindings, session scopes, groups.
    #[must_use]
    pub fn rules(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(&mut self.rules);
        self
    }

    /// Adds a hook: see [`hook`](telson_actors::hook) for the moments.
    #[must_use]
    pub fn hook(mut self, hook: Arc<dyn Hook>) -> Self {
        self.hooks.push(hook);
        self
    }

    /// Runs jobs: what wakes agents at their time. Adds [web chat](Builder::web_chat), where what they
    /// answer is kept.
    #[must_use]
    pub fn cron(mut self, settings: CronSettings) -> Self {
        self.cron = Some(settings);
        self.web_chat()
    }

    /// Sets who takes the events that jobs have for main sessions. Without it each is said at once, as
    /// a message of its own.
    #[must_use]
    pub fn wake(mut self, wake: SharedWake) -> Self {
        self.wake = Some(wake);
        self
    }

    /// Sets the limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets when the store is compacted.
    #[must_use]
    pub fn compaction(mut self, policy: CompactionPolicy) -> Self {
        self.compaction = policy;
        self
    }

    /// Whether to go on with a database that has lost something. Its damaged files are kept.
    #[must_use]
    pub fn accept_loss(mut self, accept: bool) -> Self {
        self.accept_loss = accept;
        self
    }

    /// Sets time and randomness, for tests that replay exactly.
    #[must_use]
    pub fn determined_by(mut self, clock: Clock, dice: Dice) -> Self {
        self.clock = clock;
        self.dice = dice;
        self
    }

    /// Sets the source of pairing codes; it must be hard to guess.
    #[must_use]
    pub fn codes(mut self, codes: CodeSource) -> Self {
        self.codes = Some(codes);
        self
    }

    /// Listens for commands on a local socket.
    #[must_use]
    pub fn control(mut self, control: ControlSpec) -> Self {
        self.control = Some(control);
        self
    }

    /// Serves the gateway protocol on a port.
    #[must_use]
    pub fn gateway(mut self, gateway: GatewaySpec) -> Self {
        self.gateway = Some(gateway);
        self
    }
}
