//! Describing an engine before it runs.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ractor::SpawnErr;
use telson_actors::channel::imessage::ImessageConfig;
use telson_actors::channel::preview::PreviewLimits;
use telson_actors::channel::webchat::WebChat;
use telson_actors::channel::webhook::{self, WebhookSettings, Webhooks};
use telson_actors::channel::{Channel, Receiver};
use telson_actors::clock::Clock;
use telson_actors::context::Context;
use telson_actors::cron::wake::SharedWake;
use telson_actors::cron::{CronEvents, CronSettings};
use telson_actors::dead_letter::DeadLetters;
use telson_actors::disk::DiskSpace;
use telson_actors::event::Journal;
use telson_actors::heartbeat::{BeatRules, Heartbeats};
use telson_actors::hook::{Hook, HookEvent, Hooks, Moment};
use telson_actors::mcp::{self, McpServer};
use telson_actors::message::AccountKey;
use telson_actors::model::{Catalog, ModelRef};
use telson_actors::outbox::UnsettledSends;
use telson_actors::provider::profile::Keyring;
use telson_actors::provider::{Echo, Provider};
use telson_actors::router::{Access, Admissions, AgentId, CodeSource, Rules};
use telson_actors::session::lane::LaneSettings;
use telson_actors::session::{AgentProfile, SESSIONS};
use telson_actors::store::{Backend, CompactionPolicy, Store};
use telson_actors::stream::Streams;
use telson_actors::system_event::SystemEvents;
use telson_actors::tool::core::CoreSettings;
use telson_actors::tool::gate::{ExecMode, Gate};
use telson_actors::tool::policy::Policy;
use telson_actors::tool::{TOOLS, Tool, Toolbox};
use telson_supervision::{Dice, Registry, Tree};

use super::keys::Desk;
use super::sessions::SessionIndex;
use super::sight::Sight;
use super::spec::{AccountSpec, ProviderSpec, StartError, StoreSpec};
use super::{Engine, Inner, LateEngine};
use crate::control::ControlSpec;
use crate::gateway::GatewaySpec;
use crate::limits::Limits;
use crate::tree::{Wiring, tree};

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

    /// Adds an agent; the first one added is the default agent.
    #[must_use]
    pub fn agent(mut self, id: &str, profile: AgentProfile) -> Self {
        self.agents.insert(id.to_owned(), profile);
        let id = AgentId::new(id);
        self.rules.agents.default.get_or_insert_with(|| id.clone());
        self.rules.agents.ids.push(id);
        self
    }

    /// Adds a provider. `echo` is there already.
    #[must_use]
    pub fn provider(self, name: &str, client: Arc<dyn Provider>) -> Self {
        let spec = ProviderSpec::single(name, client);
        self.keyring(name, spec.keys)
    }

    /// Adds a provider with several keys, of which one stands in for another.
    #[must_use]
    pub fn keyring(mut self, name: &str, keys: Keyring) -> Self {
        self.providers.retain(|provider| provider.name != name);
        self.providers.push(ProviderSpec { name: name.to_owned(), keys });
        self
    }

    /// Sets which models step in for an agent's own when it fails, in order. Without any, an agent
    /// asks its own model only.
    #[must_use]
    pub fn fallbacks(mut self, agent: &str, models: Vec<ModelRef>) -> Self {
        self.catalog.fallbacks.insert(agent.to_owned(), models);
        self
    }

    /// Sets what models are called, and which of them sessions may choose.
    #[must_use]
    pub fn models(mut self, change: impl FnOnce(&mut Catalog)) -> Self {
        change(&mut self.catalog);
        self
    }

    /// Adds a tool and lets these agents use it.
    #[must_use]
    pub fn tool(mut self, tool: Arc<dyn Tool>, agents: &[&str]) -> Self {
        let name = tool.spec().name;
        self.toolbox.add(tool);
        for agent in agents {
            self.toolbox.grant(agent, &name);
        }
        self
    }

    /// Adds an MCP server and lets these agents use its tools; one of the same name is replaced.
    #[must_use]
    pub fn mcp_server(mut self, server: McpServer, agents: &[&str]) -> Self {
        self.mcp.retain(|(known, _)| known.name != server.name);
        self.mcp.push((server, agents.iter().map(ToString::to_string).collect()));
        self
    }

    /// Adds the tools that come with the program. Who may use them is said by policies alone.
    #[must_use]
    pub fn core_tools(mut self, settings: CoreSettings) -> Self {
        self.core_tools = Some(settings);
        self
    }

    /// Sets what an agent may use besides the tools that it was given one by one.
    #[must_use]
    pub fn tool_policy(mut self, agent: &str, policy: Policy) -> Self {
        self.toolbox.set_policy(agent, policy);
        self
    }

    /// Sets whether an agent runs commands. Without it none is run.
    #[must_use]
    pub fn exec_mode(mut self, agent: &str, mode: ExecMode) -> Self {
        self.exec_modes.insert(agent.to_owned(), mode);
        self
    }

    /// Sets who judges each call, in place of the policy alone.
    #[must_use]
    pub fn gate(mut self, gate: Arc<dyn Gate>) -> Self {
        self.toolbox.set_gate(gate);
        self
    }

    /// Sets what models are shown (windows, workspaces) and what they may cost (prices, budgets).
    #[must_use]
    pub fn context(mut self, change: impl FnOnce(&mut Context)) -> Self {
        change(&mut self.context);
        self
    }

    /// Adds an account of a channel of your own, and who may speak on it.
    #[must_use]
    pub fn channel(
        mut self,
        account: AccountKey,
        channel: Arc<dyn Channel>,
        receiver: Option<Arc<dyn Receiver>>,
        access: Access,
    ) -> Self {
        self.rules.access.insert(account.clone(), access);
        let unsettled = UnsettledSends::default();
        self.accounts.push(AccountSpec::Own { account, channel, receiver, unsettled });
        self
    }

    /// Adds web chat: conversations with whoever is connected to the gateway, and the way in for what
    /// has no platform of its own.
    #[must_use]
    pub fn web_chat(mut self) -> Self {
        if !self.accounts.iter().any(|account| matches!(account, AccountSpec::WebChat)) {
            self.accounts.push(AccountSpec::WebChat);
        }
        self
    }

    /// Sets what becomes of sends nobody can settle, on an account added before.
    #[must_use]
    pub fn unsettled(mut self, of: &AccountKey, sends: UnsettledSends) -> Self {
        for added in &mut self.accounts {
            match added {
                AccountSpec::Own { account, unsettled, .. } if account == of => *unsettled = sends,
                AccountSpec::Imessage(config, unsettled) if config.account == *of => {
                    *unsettled = sends;
                }
                AccountSpec::Own { .. } | AccountSpec::Imessage(..) | AccountSpec::WebChat => {}
            }
        }
        self
    }

    /// Adds an iMessage account, and who may speak on it.
    #[must_use]
    pub fn imessage(
        mut self,
        config: ImessageConfig,
        unsettled: UnsettledSends,
        access: Access,
    ) -> Self {
        self.rules.access.insert(config.account.clone(), access);
        self.accounts.push(AccountSpec::Imessage(Box::new(config), unsettled));
        self
    }

    /// Sets the routing rules besides agents and access: bindings, session scopes, groups.
    #[must_use]
    pub fn rules(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(&mut self.rules);
        self
    }

    /// Sets how lanes queue: for one channel, or for all with an empty name.
    #[must_use]
    pub fn lane(mut self, channel: &str, settings: LaneSettings) -> Self {
        self.lanes.insert(channel.to_owned(), settings);
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

    /// Posts what jobs come to, where they say so, to the addresses of programs.
    #[must_use]
    pub fn webhooks(mut self, settings: WebhookSettings, unsettled: UnsettledSends) -> Self {
        let account = webhook::account();
        let channel = Arc::new(Webhooks::new(settings));
        self.accounts.push(AccountSpec::Own { account, channel, receiver: None, unsettled });
        self
    }

    /// Sets who takes the events that jobs have for main sessions. Without it each is said at once, as
    /// a message of its own.
    #[must_use]
    pub fn wake(mut self, wake: SharedWake) -> Self {
        self.wake = Some(wake);
        self
    }

    /// Sets the name an agent answers to, for `{identity.name}` in a prefix.
    #[must_use]
    pub fn name(mut self, agent: &str, name: &str) -> Self {
        self.names.insert(agent.to_owned(), name.to_owned());
        self
    }

    /// Lets an account send what an agent says between its tool calls as messages of their own,
    /// instead of its last answer only.
    #[must_use]
    pub fn blocks(mut self, account: AccountKey) -> Self {
        self.blocks.insert(account);
        self
    }

    /// Lets an account send each paragraph of an answer as a message of its own.
    #[must_use]
    pub fn paragraphs(mut self, account: AccountKey) -> Self {
        self.paragraphs.insert(account);
        self
    }

    /// Shows answers of an account while they are made, where its channel can. An account that sends
    /// blocks shows none: the same text would be seen twice.
    #[must_use]
    pub fn previews(mut self, account: AccountKey, limits: PreviewLimits) -> Self {
        self.previews.insert(account, limits);
        self
    }

    /// Sets what is put before every answer on an account. It may name `{model}`, `{modelFull}`,
    /// `{provider}` and `{identity.name}`.
    #[must_use]
    pub fn prefix(mut self, account: AccountKey, prefix: &str) -> Self {
        self.prefixes.insert(account, prefix.to_owned());
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

    /// Opens the store, then starts the tree over it.
    ///
    /// # Errors
    /// A store that can't be opened, a missing provider, or an actor that does not start; nothing
    /// is left running.
    pub async fn start(mut self) -> Result<Engine, StartError> {
        self.add_default_agent();
        self.context.files.get_or_insert_with(crate::media::source);
        self.check_providers()?;
        self.catalog.providers = self.providers.iter().map(|it| it.name.clone()).collect();
        let store = self.open_store().await?;
        // Only now: who holds the state directory's lock has the port and the token file, too.
        if let Some(gateway) = &self.gateway {
            gateway.open().await.map_err(StartError::Gateway)?;
        }
        super::tools::end_orphans(&self).await;
        let registry = Registry::new();
        let catalogs = self.add_catalogs(&registry);
        let zone = self.beats.zone.clone();
        let events = SystemEvents::new(store.clone(), self.clock, zone)?;
        let beats = Heartbeats::new(self.beat_rules(), store.clone(), &registry)?;
        let wiring = Wiring {
            journal: Journal::new(),
            hooks: Hooks::new(self.hooks.clone(), registry.clone()),
            streams: Streams::default(),
            registry,
            catalogs,
            admitting: Arc::new(AtomicBool::new(true)),
            disk: DiskSpace::default(),
            web_chat: WebChat::new(store.clone()),
            cron_events: CronEvents::new(),
            events,
            beats,
            tools: Arc::default(),
            store: store.clone(),
            engine: LateEngine::default(),
            spec: self,
        };
        let (tree, outbox) = tree(&wiring);
        let tree = Tree::start(tree).await.map_err(|error| match (error, store.failure()) {
            (_, Some(failure)) => StartError::Store(failure),
            (SpawnErr::StartupFailed(reason), None) => StartError::Tree(reason.to_string()),
            (other, None) => StartError::Tree(other.to_string()),
        })?;
        let engine = Engine(Arc::new(Inner {
            tree,
            clock: wiring.spec.clock,
            journal: wiring.journal.clone(),
            admissions: Admissions::new(&wiring.registry),
            sessions: wiring.registry.via(SESSIONS),
            tools: wiring.registry.via(TOOLS),
            catalog: wiring.spec.catalog.clone(),
            sight: Sight::of(&wiring.spec),
            desk: Desk {
                rings: wiring.spec.providers.iter().map(ProviderSpec::named).collect(),
                budgets: wiring.spec.context.budgets,
                registry: wiring.registry.clone(),
            },
            dead_letters: DeadLetters::new(store.clone(), &wiring.registry),
            pairings: wiring.pairings(),
            outbox,
            admitting: wiring.admitting.clone(),
            disk: wiring.disk.clone(),
            hooks: wiring.hooks.clone(),
            streams: wiring.streams.clone(),
            web_chat: wiring.web_chat.clone(),
            cron: wiring.cron_handle(),
            cron_events: wiring.cron_events.clone(),
            events: wiring.events.clone(),
            beats: wiring.beats.clone(),
            index: SessionIndex::new(store.clone(), wiring.journal.clone()),
            toolbox: wiring.tools.clone(),
            started: tokio::time::Instant::now(),
            store,
        }));
        wiring.engine.set(&engine);
        engine.0.hooks.tell(Moment::GatewayStart, || HookEvent::GatewayStart);
        Ok(engine)
    }

    /// Without an agent there is one that answers with `echo`.
    fn add_default_agent(&mut self) {
        if self.agents.is_empty() {
            *self = self.clone().agent("main", crate::defaults::echo_agent());
        }
    }

    /// What the servers offer is learned anew by each engine.
    fn add_catalogs(&mut self, registry: &Registry) -> Vec<mcp::Catalog> {
        let servers = self.mcp.iter().map(|(server, agents)| {
            let catalog = mcp::Catalog::new(server.clone(), registry);
            self.toolbox.add_source(Arc::new(catalog.clone()), agents.clone());
            catalog
        });
        servers.collect()
    }

    fn check_providers(&self) -> Result<(), StartError> {
        let known = |name: &str| self.providers.iter().any(|provider| provider.name == name);
        let own = self.agents.iter().map(|(id, agent)| (id, &agent.provider));
        let steps_in = self.catalog.fallbacks.iter();
        let steps_in =
            steps_in.flat_map(|(id, models)| models.iter().map(move |model| (id, &model.provider)));
        let summaries = self.context.agents.iter().filter_map(|(id, rules)| {
            rules.summary_model.as_ref().map(|(provider, _)| (id, provider))
        });
        let beats = self.beats.agents.iter();
        let beats = beats.filter_map(|(id, beat)| Some((id, &beat.model.as_ref()?.provider)));
        match own
            .chain(steps_in)
            .chain(summaries)
            .chain(beats)
            .find(|(_, provider)| !known(provider))
        {
            Some((agent, provider)) => {
                let (agent, provider) = (agent.clone(), provider.clone());
                Err(StartError::NoProvider { agent, provider })
            }
            None => Ok(()),
        }
    }

    async fn open_store(&self) -> Result<Store, StartError> {
        match self.store.clone().ok_or(StartError::NoStore)? {
            StoreSpec::Inline(backend) => Ok(Store::inline(backend)?),
            StoreSpec::Threaded(backend) => Ok(Store::threaded(backend, None)?),
            StoreSpec::Dir(dir) => {
                let (compaction, accept_loss) = (self.compaction, self.accept_loss);
                // Opening reads the database and may recover it: not on a runtime thread.
                let opened = tokio::task::spawn_blocking(move || {
                    crate::state_dir::create(&dir)?;
                    Store::open_with(&dir, compaction, accept_loss)
                });
                Ok(opened.await.map_err(|error| StartError::Tree(error.to_string()))??)
            }
        }
    }
}
