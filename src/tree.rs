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
//! |  +- suspension                     keeps everything quiet while somebody asks for it
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

mod core;
mod cron;
mod edge;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use telson_actors::channel::webchat::WebChat;
use telson_actors::cron::{CommandsRunning, CronEvents};
use telson_actors::disk::DiskSpace;
use telson_actors::event::Journal;
use telson_actors::heartbeat::Heartbeats;
use telson_actors::hook::Hooks;
use telson_actors::mcp::Catalog;
use telson_actors::outbox::Outbox;
use telson_actors::store::Store;
use telson_actors::stream::Streams;
use telson_actors::suspension::Suspension;
use telson_actors::system_event::SystemEvents;
use telson_actors::tool::Toolbox;
use telson_supervision::{Events, OnExceeded, Registry, Shutdown, Strategy, SupervisorSpec};

use self::edge::Account;
use crate::engine::{Builder, LateEngine};
use crate::gateway::Sources;

const MINUTE: Duration = Duration::from_mins(1);

/// Everything the tree is built from.
pub(crate) struct Wiring {
    pub(crate) spec: Builder,
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    pub(crate) journal: Journal,
    pub(crate) hooks: Hooks,
    pub(crate) streams: Streams,
    pub(crate) suspension: Suspension,
    pub(crate) disk: DiskSpace,
    pub(crate) engine: LateEngine,
    /// The tools of each MCP server.
    pub(crate) catalogs: Vec<Catalog>,
    pub(crate) web_chat: WebChat,
    pub(crate) cron_events: CronEvents,
    pub(crate) commands: CommandsRunning,
    pub(crate) events: SystemEvents,
    pub(crate) beats: Heartbeats,
    /// What agents can call, once the tree is built.
    pub(crate) tools: Arc<OnceLock<Arc<Toolbox>>>,
}

/// The tree, and the outbox its deliveries work on.
pub(crate) fn tree(wiring: &Wiring) -> (SupervisorSpec, Outbox) {
    let events = Events::new();
    let accounts: Vec<Account> =
        wiring.spec.accounts.iter().map(|account| wiring.account(account)).collect();
    let outbox = wiring.outbox(&accounts);
    let core = wiring.core(&outbox, &events);
    let edge = wiring.edge(accounts, &outbox, &events);
    // The edge needs the core; the core goes on without the edge.
    let tree = wiring
        .branch(&events, "engine", Strategy::RestForOne, 3)
        .child(core.into_child("core", wiring.stop()))
        .child(edge.into_child("edge", wiring.stop()));
    (tree, outbox)
}

impl Wiring {
    fn core(&self, outbox: &Outbox, events: &Events) -> SupervisorSpec {
        let branch = |path: &str, strategy, most| self.branch(events, path, strategy, most);
        let toolbox = self.toolbox(outbox);
        // Providers do not know each other.
        let providers = branch("engine/core/providers", Strategy::OneForOne, 20);
        let providers = self
            .spec
            .providers
            .iter()
            .fold(providers, |branch, provider| branch.child(self.provider(provider)));
        // Servers do not know each other. Without one there is no branch either.
        let mut mcp = branch("engine/core/mcp", Strategy::OneForOne, 20);
        mcp.on_exceeded = OnExceeded::HalfOpen(self.spec.limits.account_rest);
        let mcp = self.catalogs.iter().fold(mcp, |mcp, catalog| mcp.child(self.mcp(catalog)));
        let mcp = (!self.catalogs.is_empty()).then(|| mcp.into_child("mcp", self.stop()));
        // A router that starts finds unanswered messages and needs sessions to hand them to; so new
        // sessions need a new router, and not the other way round.
        let conversation = branch("engine/core/conversation", Strategy::RestForOne, 10)
            .child(self.sessions(outbox, &toolbox, events))
            .child(self.router(outbox))
            .child(self.dead_letters(outbox));
        // It wakes sessions, through the router.
        let cron = self.spec.cron.as_ref().map(|settings| {
            let branch = branch("engine/core/cron", Strategy::RestForOne, 10);
            self.cron(settings, branch, outbox, events)
        });
        // These do not know each other: a broken provider must not restart conversations. Hooks are
        // told of the end of everything else, so they stop last. The disk is looked at before the
        // first message is admitted. Tools come before those who call them, so that they end after.
        branch("engine/core", Strategy::OneForOne, 10)
            .child(self.hooks())
            .child(self.janitor())
            .child(self.disk())
            .child(providers.into_child("providers", self.stop()))
            .children(mcp)
            .child(self.tools(&toolbox))
            .child(conversation.into_child("conversation", self.stop()))
            .child(self.heartbeat())
            .children(cron)
            .child(self.suspension(outbox))
    }

    fn edge(&self, accounts: Vec<Account>, outbox: &Outbox, events: &Events) -> SupervisorSpec {
        let branch = |path: &str, strategy, most| self.branch(events, path, strategy, most);
        // One branch per account: a bad one trips alone, rests and tries again (V3).
        let accounts = accounts.into_iter().map(|account| {
            let name = account.key.to_string();
            // With pauses of up to five seconds a single broken child restarts 16 times a minute.
            let mut branch = branch(&format!("engine/edge/{name}"), Strategy::OneForOne, 10);
            branch.on_exceeded = OnExceeded::HalfOpen(self.spec.limits.account_rest);
            branch
                .child(self.delivery(&account, outbox))
                .children(self.typing(&account))
                .children(self.previews(&account))
                .children(account.children)
                .into_child(&name, self.stop())
        });
        let control = self.spec.control.iter();
        let control = control.map(|control| control.clone().into_child(self.engine.clone()));
        // The narrator before the gateway: what ends while the gateway says farewell is still told.
        let gateway = self.spec.gateway.iter().flat_map(|gateway| {
            let narrator = gateway.narrator(|host| self.narrator(host));
            let work = Some((self.cron_events.clone(), self.beats.clone()));
            let suspension = Some(self.suspension.clone());
            let sources = Sources { journal: self.journal.clone(), work, suspension };
            let port = gateway.clone().into_child(self.engine.clone(), sources);
            [narrator, port]
        });
        // Those who ask are let in last and out first: whoever asks meets an engine that runs.
        branch("engine/edge", Strategy::OneForOne, 10)
            .children(accounts)
            .children(control)
            .children(gateway)
    }

    fn branch(
        &self,
        events: &Events,
        path: &str,
        strategy: Strategy,
        restarts_max: u32,
    ) -> SupervisorSpec {
        SupervisorSpec {
            events: events.clone(),
            dice: self.spec.dice.clone(),
            ..SupervisorSpec::new(path, strategy, restarts_max, MINUTE)
        }
    }

    fn stop(&self) -> Shutdown {
        Shutdown { drain: self.spec.limits.stop_max, stop: Duration::from_secs(1) }
    }
}
