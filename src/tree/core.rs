//! What an engine runs on, whatever its accounts: each child of the core with what it needs.

use std::sync::Arc;
use std::time::Duration;

use telson_actors::channel::typing::Leaser;
use telson_actors::context::{Context, Prompts};
use telson_actors::dead_letter::{DeadLetterActor, DeadLetterDeps};
use telson_actors::disk::{DiskActor, DiskDeps, Watermark};
use telson_actors::heartbeat::{HeartbeatActor, HeartbeatDeps};
use telson_actors::hook::{HookActor, HookDeps};
use telson_actors::inbox::InboxRecord;
use telson_actors::janitor::{JanitorActor, JanitorDeps};
use telson_actors::mcp::{Catalog, McpActor, McpDeps};
use telson_actors::outbox::Outbox;
use telson_actors::provider::{ProviderActor, ProviderDeps};
use telson_actors::router::{Admissions, CodeSource, Pairings, RouterActor, RouterDeps};
use telson_actors::session::{Lives, SESSIONS, SessionDeps, Sessions, hand_over, sessions_child};
use telson_actors::suspension::{SuspensionActor, SuspensionDeps};
use telson_actors::tool::core::CoreDeps;
use telson_actors::tool::{ToolActor, ToolDeps, Toolbox};
use telson_actors::usage::DayMeter;
use telson_supervision::{ChildSpec, Events, Health, Shutdown};

use super::Wiring;
use crate::engine::{ProviderSpec, toolbox};

impl Wiring {
    pub(super) fn provider(&self, provider: &ProviderSpec) -> ChildSpec {
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
            journal: self.journal.clone(),
            watch: self.spec.gateway.as_ref().map(|gateway| gateway.host.metrics.call_watch()),
            registry: self.registry.clone(),
            health: health.clone(),
        };
        ChildSpec::actor(provider.name.as_str(), move || (ProviderActor, deps.clone()))
            .health(health)
    }

    pub(super) fn mcp(&self, catalog: &Catalog) -> ChildSpec {
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

    pub(super) fn tools(&self, toolbox: &Arc<Toolbox>) -> ChildSpec {
        let health = Health::new();
        let deps = ToolDeps {
            toolbox: toolbox.clone(),
            hooks: self.hooks.clone(),
            registry: self.registry.clone(),
            health: health.clone(),
        };
        ChildSpec::actor("tools", move || (ToolActor, deps.clone())).health(health)
    }

    pub(super) fn toolbox(&self, outbox: &Outbox) -> Arc<Toolbox> {
        let deps = CoreDeps {
            store: self.store.clone(),
            outbox: outbox.clone(),
            admissions: Admissions::new(&self.registry),
            clock: self.spec.clock,
            cron: self.cron_handle(),
        };
        self.tools.get_or_init(|| Arc::new(toolbox(&self.spec, &deps))).clone()
    }

    pub(super) fn sessions(
        &self,
        outbox: &Outbox,
        toolbox: &Arc<Toolbox>,
        events: &Events,
    ) -> ChildSpec {
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

    pub(super) fn router(&self, outbox: &Outbox) -> ChildSpec {
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
            intake: self.suspension.intake().clone(),
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

    pub(super) fn dead_letters(&self, outbox: &Outbox) -> ChildSpec {
        let health = Health::new();
        let sessions: Sessions = self.registry.via(SESSIONS);
        let deliver = move |record: InboxRecord| hand_over(&sessions, Box::new(record));
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

    pub(super) fn heartbeat(&self) -> ChildSpec {
        let health = Health::new();
        let deps = HeartbeatDeps {
            beats: self.beats.clone(),
            events: self.events.clone(),
            admissions: Admissions::new(&self.registry),
            admitting: self.suspension.intake().flag(),
            store: self.store.clone(),
            clock: self.spec.clock,
            registry: self.registry.clone(),
            health: health.clone(),
        };
        ChildSpec::actor("heartbeat", move || (HeartbeatActor, deps.clone())).health(health)
    }

    pub(super) fn suspension(&self, outbox: &Outbox) -> ChildSpec {
        let (health, dice) = (Health::new(), self.spec.dice.clone());
        let engine = self.engine.clone();
        let deps = SuspensionDeps {
            suspension: self.suspension.clone(),
            outbox: outbox.clone(),
            commands: self.commands.clone(),
            // Nobody calls anything before the engine runs.
            calls: Arc::new(move || engine.get().map_or(0, |engine| engine.load().calls)),
            cron: self.cron_handle(),
            beats: self.beats.clone(),
            store: self.store.clone(),
            clock: self.spec.clock,
            // It names a lease and opens nothing: a weak one would do.
            ids: Arc::new(move || {
                let name = crate::hex::random::<16>();
                name.unwrap_or_else(|_| crate::hex::hex(&dice.next().to_be_bytes()))
            }),
            registry: self.registry.clone(),
            health: health.clone(),
        };
        ChildSpec::actor("suspension", move || (SuspensionActor, deps.clone())).health(health)
    }

    pub(super) fn hooks(&self) -> ChildSpec {
        let health = Health::new();
        let deps = HookDeps {
            hooks: self.hooks.clone(),
            registry: self.registry.clone(),
            health: health.clone(),
        };
        ChildSpec::actor("hooks", move || (HookActor, deps.clone())).health(health)
    }

    pub(super) fn disk(&self) -> ChildSpec {
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

    pub(super) fn janitor(&self) -> ChildSpec {
        let health = Health::new();
        let deps = JanitorDeps {
            store: self.store.clone(),
            clock: self.spec.clock,
            health: health.clone(),
        };
        ChildSpec::actor("janitor", move || (JanitorActor, deps.clone())).health(health)
    }
}
