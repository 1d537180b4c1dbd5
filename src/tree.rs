//! The whole supervision tree, in start order, on one screen. Stop order is the reverse.
//!
//! ```text
//! engine                rest_for_one   core falls => edge restarts, never the other way round
//! +- core               one_for_one
//! |  +- hooks                          runs hooks for everybody below
//! |  +- janitor                        sweeps old records
//! |  +- disk                           looks at the free space
//! |  +- providers       one_for_one    one actor per client
//! |  +- mcp             one_for_one    half-open: one actor per MCP server, named after it
//! |  +- tools                          calls tools for sessions
//! |  +- conversation    rest_for_one   the router finds sessions to hand messages to
//! |  |  +- sessions     dynamic        one actor per key
//! |  |  +- router
//! |  |  +- dead_letters
//! |  +- heartbeat                      wakes agents, through the router
//! |  +- cron            rest_for_one   jobs, where there are any
//! |     +- runs         dynamic        one actor per job that runs
//! |     +- scheduler                   holds every job, with one timer
//! +- edge               one_for_one
//!    +- <account>       one_for_one    half-open: an account burns only its own budget
//!    |  +- delivery
//!    |  +- typing                      where the platform can show it
//!    |  +- previews                    shows answers while they are made, where wanted
//!    |  +- the channel's own actors (imsg, watcher; or a receiver)
//!    +- control                        the local socket the command line asks
//!    +- narrator                       tells clients how runs go on
//!    +- gateway                        the port of clients, apps and pages
//! ```

mod cron;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use telson_actors::channel::typing::{Leaser, TypingActor, TypingDeps};
use telson_actors::channel::webchat::{self, WebChat};
use telson_actors::channel::{Channel, Receiver, imessage, preview};
use telson_actors::context::{Context, Prompts};
use telson_actors::cron::{Cron, CronEvents};
use telson_actors::dead_letter::{DeadLetterActor, DeadLetterDeps};
use telson_actors::disk::{DiskActor, DiskDeps, DiskSpace, Watermark};
use telson_actors::event::Journal;
use telson_actors::heartbeat::{HeartbeatActor, HeartbeatDeps, Heartbeats};
use telson_actors::hook::{HookActor, HookDeps, Hooks};
use telson_actors::inbox::InboxRecord;
use telson_actors::janitor::{JanitorActor, JanitorDeps};
use telson_actors::mcp::{Catalog, McpActor, McpDeps};
use telson_actors::message::AccountKey;
use telson_actors::outbox::{DeliveryActor, DeliveryDeps, Outbox, Style, UnsettledSends};
use telson_actors::provider::{ProviderActor, ProviderDeps};
use telson_actors::router::{Admissions, CodeSource, Pairings, RouterActor, RouterDeps};
use telson_actors::session::machine::Event as SessionEvent;
use telson_actors::session::{
    Lives, SESSIONS, SessionDeps, SessionMessage, Sessions, sessions_child,
};
use telson_actors::store::Store;
use telson_actors::stream::Streams;
use telson_actors::system_event::SystemEvents;
use telson_actors::tool::core::CoreDeps;
use telson_actors::tool::{ToolActor, ToolDeps, Toolbox};
use telson_actors::usage::DayMeter;
use telson_supervision::dynamic::DynamicMessage;
use telson_supervision::{
    ChildSpec, Events, Health, OnExceeded, Registry, Shutdown, Strategy, SupervisorSpec, task,
};

use crate::engine::{AccountSpec, Builder, LateEngine, ProviderSpec, toolbox};
use crate::gateway::narrator::NarratorDeps;
use crate::host::Host;

const MINUTE: Duration = Duration::from_mins(1);

/// Everything the tree is built from.
pub(crate) struct Wiring {
    pub(crate) spec: Builder,
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    pub(crate) journal: Journal,
    pub(crate) hooks: Hooks,
    pub(crate) streams: Streams,
    pub(crate) admitting: Arc<AtomicBool>,
    pub(crate) disk: DiskSpace,
    pub(crate) engine: LateEngine,
    /// The tools of each MCP server.
    pub(crate) catalogs: Vec<Catalog>,
    pub(crate) web_chat: WebChat,
    pub(crate) cron_events: CronEvents,
    pub(crate) events: SystemEvents,
    pub(crate) beats: Heartbeats,
    /// What agents can call, once the tree is built.
    pub(crate) tools: Arc<OnceLock<Arc<Toolbox>>>,
}

/// An account, taken apart: what sends, and which actors receive.
struct Account {
    key: AccountKey,
    channel: Arc<dyn Channel>,
    unsettled: UnsettledSends,
    children: Vec<ChildSpec>,
}

/// The tree, and the outbox its deliveries work on.
pub(crate) fn tree(wiring: &Wiring) -> (SupervisorSpec, Outbox) {
    let events = Events::new();
    let branch = |path: &str, strategy, restarts_max| SupervisorSpec {
        events: events.clone(),
        dice: wiring.spec.dice.clone(),
        ..SupervisorSpec::new(path, strategy, restarts_max, MINUTE)
    };
    let accounts: Vec<Account> =
        wiring.spec.accounts.iter().map(|account| wiring.account(account)).collect();
    let outbox = wiring.outbox(&accounts);
    let toolbox = wiring.toolbox(&outbox);

    // Providers do not know each other.
    let providers = wiring
        .spec
        .providers
        .iter()
        .fold(branch("engine/core/providers", Strategy::OneForOne, 20), |branch, provider| {
            branch.child(wiring.provider(provider))
        });
    // Servers do not know each other. Without one there is no branch either.
    let mut mcp = branch("engine/core/mcp", Strategy::OneForOne, 20);
    mcp.on_exceeded = OnExceeded::HalfOpen(wiring.spec.limits.account_rest);
    let mcp = wiring.catalogs.iter().fold(mcp, |mcp, catalog| mcp.child(wiring.mcp(catalog)));
    let mcp = (!wiring.catalogs.is_empty()).then(|| mcp.into_child("mcp", wiring.stop()));
    // A router that starts finds unanswered messages and needs sessions to hand them to; so new
    // sessions need a new router, and not the other way round.
    let conversation = branch("engine/core/conversation", Strategy::RestForOne, 10)
        .child(wiring.sessions(&outbox, &toolbox, &events))
        .child(wiring.router(&outbox))
        .child(wiring.dead_letters(&outbox));
    // These do not know each other: a broken provider must not restart conversations. The disk is
    // looked at before the first message is admitted.
    // Hooks are told of the end of everything else, so they stop last.
    let core = branch("engine/core", Strategy::OneForOne, 10)
        .child(wiring.hooks())
        .child(wiring.janitor())
        .child(wiring.disk())
        .child(providers.into_child("providers", wiring.stop()));
    // Before those who call them, so that they end after them.
    let core = mcp
        .into_iter()
        .fold(core, SupervisorSpec::child)
        .child(wiring.tools(&toolbox))
        .child(conversation.into_child("conversation", wiring.stop()))
        .child(wiring.heartbeat());
    // It wakes sessions, through the router.
    let cron = wiring.spec.cron.as_ref().map(|settings| {
        let branch = branch("engine/core/cron", Strategy::RestForOne, 10);
        wiring.cron(settings, branch, &outbox, &events)
    });
    let core = cron.into_iter().fold(core, SupervisorSpec::child);
    // One branch per account: a bad one trips alone, rests and tries again (V3).
    let edge = accounts.into_iter().fold(
        branch("engine/edge", Strategy::OneForOne, 10),
        |edge, account| {
            let name = account.key.to_string();
            // With pauses of up to five seconds a single broken child restarts 16 times a minute.
            let mut branch = branch(&format!("engine/edge/{name}"), Strategy::OneForOne, 10);
            branch.on_exceeded = OnExceeded::HalfOpen(wiring.spec.limits.account_rest);
            let branch = branch.child(wiring.delivery(&account, &outbox));
            let branch = wiring.typing(&account).into_iter().fold(branch, SupervisorSpec::child);
            let branch = wiring.previews(&account).into_iter().fold(branch, SupervisorSpec::child);
            let branch = account.children.into_iter().fold(branch, SupervisorSpec::child);
            edge.child(branch.into_child(&name, wiring.stop()))
        },
    );
    // Started last and stopped first, so that whoever asks meets an engine that runs.
    let edge =
        wiring.spec.control.iter().fold(edge, |edge, control| {
            edge.child(control.clone().into_child(wiring.engine.clone()))
        });
    // The narrator before the gateway: what ends while the gateway says farewell is still told.
    let edge = wiring.spec.gateway.iter().fold(edge, |edge, gateway| {
        edge.child(gateway.narrator(|host| wiring.narrator(host)))
            .child(gateway.clone().into_child(wiring.engine.clone(), wiring.journal.clone()))
    });
    // The edge needs the core; the core goes on without the edge.
    let tree = branch("engine", Strategy::RestForOne, 3)
        .child(core.into_child("core", wiring.stop()))
        .child(edge.into_child("edge", wiring.stop()));
    (tree, outbox)
}

impl Wiring {
    fn stop(&self) -> Shutdown {
        Shutdown { drain: self.spec.limits.stop_max, stop: Duration::from_secs(1) }
    }

    fn outbox(&self, accounts: &[Account]) -> Outbox {
        let styles: BTreeMap<_, _> = accounts
            .iter()
            .map(|account| {
                let prefix = self.spec.prefixes.get(&account.key).cloned().unwrap_or_default();
                let blocks = self.spec.blocks.contains(&account.key);
                let by_paragraph = self.spec.paragraphs.contains(&account.key);
                let capabilities = account.channel.capabilities();
                let style = Style { capabilities, prefix, blocks, by_paragraph };
                (account.key.clone(), style)
            })
            .collect();
        Outbox::new(self.store.clone(), self.registry.clone(), styles)
    }

    fn account(&self, account: &AccountSpec) -> Account {
        match account {
            AccountSpec::Imessage(config, unsettled) => {
                let (channel, children) = imessage::build(&imessage::ImessageDeps {
                    config: (**config).clone(),
                    registry: self.registry.clone(),
                    clock: self.spec.clock,
                    admissions: Admissions::new(&self.registry),
                    store: self.store.clone(),
                    admitting: self.admitting.clone(),
                });
                let key = config.account.clone();
                Account { key, channel, unsettled: *unsettled, children }
            }
            AccountSpec::WebChat => Account {
                key: webchat::account(),
                channel: Arc::new(self.web_chat.clone()),
                unsettled: UnsettledSends::default(),
                children: Vec::new(),
            },
            AccountSpec::Own { account, channel, receiver, unsettled } => Account {
                key: account.clone(),
                channel: channel.clone(),
                unsettled: *unsettled,
                children: receiver.iter().map(|receiver| self.receiver(receiver)).collect(),
            },
        }
    }

    fn receiver(&self, receiver: &Arc<dyn Receiver>) -> ChildSpec {
        let (receiver, registry) = (receiver.clone(), self.registry.clone());
        // A receiver has no mailbox to drain: what it has not admitted its platform still has.
        let shutdown = Shutdown { drain: Duration::ZERO, stop: Duration::from_millis(100) };
        ChildSpec::new("receiver", move |parent| {
            let work = receiver.run(Admissions::new(&registry));
            task::spawn(parent, work)
        })
        .shutdown(shutdown)
    }

    fn delivery(&self, account: &Account, outbox: &Outbox) -> ChildSpec {
        let health = Health::new();
        let deps = DeliveryDeps {
            account: account.key.clone(),
            channel: account.channel.clone(),
            unsettled: account.unsettled,
            hooks: self.hooks.clone(),
            store: self.store.clone(),
            backlog: outbox.backlog(&account.key),
            clock: self.spec.clock,
            dice: self.spec.dice.clone(),
            journal: self.journal.clone(),
            registry: self.registry.clone(),
            health: health.clone(),
        };
        ChildSpec::actor("delivery", move || (DeliveryActor, deps.clone())).health(health)
    }

    /// Only where the platform can show it.
    fn typing(&self, account: &Account) -> Option<ChildSpec> {
        let health = Health::new();
        let deps = TypingDeps {
            account: account.key.clone(),
            typing: account.channel.typing()?,
            clock: self.spec.clock,
            registry: self.registry.clone(),
            health: health.clone(),
        };
        Some(ChildSpec::actor("typing", move || (TypingActor, deps.clone())).health(health))
    }

    /// Only where it is wanted.
    fn previews(&self, account: &Account) -> Option<ChildSpec> {
        let limits = *self.spec.previews.get(&account.key)?;
        if self.spec.blocks.contains(&account.key) || account.channel.previews().is_none() {
            return None;
        }
        let deps = preview::PreviewDeps {
            account: account.key.clone(),
            channel: account.channel.clone(),
            limits,
            streams: self.streams.clone(),
            store: self.store.clone(),
            clock: self.spec.clock,
        };
        // What it shows is noted; the next life removes it.
        let shutdown = Shutdown { drain: Duration::ZERO, stop: Duration::from_millis(100) };
        let child = ChildSpec::new("previews", move |parent| {
            task::spawn(parent, preview::run(deps.clone()))
        });
        Some(child.shutdown(shutdown))
    }

    fn narrator(&self, host: &Host) -> NarratorDeps {
        NarratorDeps {
            hub: host.hub.clone(),
            runs: host.runs.clone(),
            streams: self.streams.clone(),
            journal: self.journal.clone(),
            web_chat: self.web_chat.clone(),
            store: self.store.clone(),
            clock: self.spec.clock,
        }
    }

    fn provider(&self, provider: &ProviderSpec) -> ChildSpec {
        let health = Health::new();
        let deps = ProviderDeps {
            name: provider.name.clone(),
            keys: provider.keys.clone(),
            store: self.store.clone(),
            clock: self.spec.clock,
            permits: self.spec.limits.provider_calls_max,
            attempt_max: self.spec.limits.provider_attempt_max,
            dice: self.spec.dice.clone(),
            streams: self.streams.clone(),
            watch: self.spec.gateway.as_ref().map(|gateway| gateway.host.metrics.call_watch()),
            registry: self.registry.clone(),
            health: health.clone(),
        };
        ChildSpec::actor(provider.name.as_str(), move || (ProviderActor, deps.clone()))
            .health(health)
    }

    fn mcp(&self, catalog: &Catalog) -> ChildSpec {
        let health = Health::new();
        let deps = McpDeps {
            catalog: catalog.clone(),
            registry: self.registry.clone(),
            health: health.clone(),
        };
        // A server gets a moment to end by itself before it is killed with all it started.
        let shutdown = Shutdown { drain: Duration::from_secs(10), stop: Duration::from_secs(1) };
        ChildSpec::actor(catalog.server(), move || (McpActor, deps.clone()))
            .shutdown(shutdown)
            .health(health)
    }

    fn toolbox(&self, outbox: &Outbox) -> Arc<Toolbox> {
        let deps = CoreDeps {
            store: self.store.clone(),
            outbox: outbox.clone(),
            admissions: Admissions::new(&self.registry),
            clock: self.spec.clock,
            cron: self.cron_handle(),
        };
        self.tools.get_or_init(|| Arc::new(toolbox(&self.spec, &deps))).clone()
    }

    /// The jobs, where there are any.
    pub(crate) fn cron_handle(&self) -> Option<Cron> {
        let zone = self.spec.cron.as_ref()?.zone.clone();
        Some(Cron::new(&self.registry, self.store.clone(), &self.default_agent(), zone))
    }

    fn tools(&self, toolbox: &Arc<Toolbox>) -> ChildSpec {
        let health = Health::new();
        let deps = ToolDeps {
            toolbox: toolbox.clone(),
            hooks: self.hooks.clone(),
            registry: self.registry.clone(),
            health: health.clone(),
        };
        ChildSpec::actor("tools", move || (ToolActor, deps.clone())).health(health)
    }

    fn sessions(&self, outbox: &Outbox, toolbox: &Arc<Toolbox>, events: &Events) -> ChildSpec {
        let deps = SessionDeps {
            store: self.store.clone(),
            outbox: outbox.clone(),
            registry: self.registry.clone(),
            clock: self.spec.clock,
            journal: self.journal.clone(),
            agents: Arc::new(self.spec.agents.clone()),
            catalog: Arc::new(self.spec.catalog.clone()),
            toolbox: toolbox.clone(),
            context: Arc::new(self.context()),
            names: Arc::new(self.spec.names.clone()),
            hooks: self.hooks.clone(),
            streams: self.streams.clone(),
            lanes: Arc::new(self.spec.lanes.clone()),
            idle_max: self.spec.limits.session_idle_max,
            lives: Lives::default(),
            typing: Leaser::new(self.registry.clone()),
            events: self.events.clone(),
            beats: self.beats.clone(),
        };
        let live_max = self.spec.limits.sessions_live_max;
        sessions_child(deps, live_max, events.clone(), self.spec.dice.clone())
    }

    /// What happens in an engine is its own: a description can be started twice (A4).
    fn context(&self) -> Context {
        let (day, prompts) = (DayMeter::default(), Prompts::default());
        Context { day, prompts, ..self.spec.context.clone() }
    }

    fn router(&self, outbox: &Outbox) -> ChildSpec {
        let health = Health::new();
        let deps = RouterDeps {
            rules: Arc::new(self.spec.rules.clone()),
            store: self.store.clone(),
            outbox: outbox.clone(),
            clock: self.spec.clock,
            journal: self.journal.clone(),
            hooks: self.hooks.clone(),
            waiting_max: self.spec.limits.waiting_max,
            undelivered_max: self.spec.limits.undelivered_max,
            disk: self.disk.clone(),
            codes: self.codes(),
            registry: self.registry.clone(),
            health: health.clone(),
        };
        ChildSpec::actor("router", move || (RouterActor, deps.clone())).health(health)
    }

    /// The handle of the pairing books, which the router owns.
    pub(crate) fn pairings(&self) -> Pairings {
        let rules = Arc::new(self.spec.rules.clone());
        Pairings::new(self.store.clone(), self.spec.clock, rules, &self.registry)
    }

    fn codes(&self) -> CodeSource {
        let dice = self.spec.dice.clone();
        self.spec.codes.clone().unwrap_or_else(|| {
            Arc::new(move || {
                let mut random = [0; 8];
                if let Err(error) = getrandom::fill(&mut random) {
                    tracing::error!(%error, "weak randomness for pairing codes");
                    random = dice.next().to_be_bytes();
                }
                random
            })
        })
    }

    fn dead_letters(&self, outbox: &Outbox) -> ChildSpec {
        let health = Health::new();
        let sessions: Sessions = self.registry.via(SESSIONS);
        let deliver = move |record: InboxRecord| {
            let key = record.session.clone();
            let message = SessionMessage(SessionEvent::Inbound(Box::new(record)));
            if sessions.cast(DynamicMessage::Dispatch(key, message)).is_err() {
                tracing::debug!("sessions are not up; the replayed message waits in the store");
            }
        };
        let deps = DeadLetterDeps {
            store: self.store.clone(),
            clock: self.spec.clock,
            outbox: outbox.clone(),
            admissions: Admissions::new(&self.registry),
            deliver: Arc::new(deliver),
            registry: self.registry.clone(),
            health: health.clone(),
        };
        ChildSpec::actor("dead_letters", move || (DeadLetterActor, deps.clone())).health(health)
    }

    fn heartbeat(&self) -> ChildSpec {
        let health = Health::new();
        let deps = HeartbeatDeps {
            beats: self.beats.clone(),
            events: self.events.clone(),
            admissions: Admissions::new(&self.registry),
            admitting: self.admitting.clone(),
            store: self.store.clone(),
            clock: self.spec.clock,
            registry: self.registry.clone(),
            health: health.clone(),
        };
        ChildSpec::actor("heartbeat", move || (HeartbeatActor, deps.clone())).health(health)
    }

    fn hooks(&self) -> ChildSpec {
        let health = Health::new();
        let deps = HookDeps {
            hooks: self.hooks.clone(),
            registry: self.registry.clone(),
            health: health.clone(),
        };
        ChildSpec::actor("hooks", move || (HookActor, deps.clone())).health(health)
    }

    fn disk(&self) -> ChildSpec {
        let health = Health::new();
        let deps = DiskDeps {
            store: self.store.clone(),
            watermark: Watermark {
                stop_below: self.spec.limits.disk_free_min,
                resume_at: self.spec.limits.disk_free_again,
            },
            space: self.disk.clone(),
            health: health.clone(),
        };
        ChildSpec::actor("disk", move || (DiskActor, deps.clone())).health(health)
    }

    fn janitor(&self) -> ChildSpec {
        let health = Health::new();
        let deps = JanitorDeps {
            store: self.store.clone(),
            clock: self.spec.clock,
            health: health.clone(),
        };
        ChildSpec::actor("janitor", move || (JanitorActor, deps.clone())).health(health)
    }
}
