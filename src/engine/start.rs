//! Starting an engine: its description is checked, the store opened, the tree built and started.

use std::sync::Arc;

use ractor::SpawnErr;
use telson_actors::channel::webchat::WebChat;
use telson_actors::cron::{CommandsRunning, CronEvents};
use telson_actors::dead_letter::DeadLetters;
use telson_actors::disk::DiskSpace;
use telson_actors::event::Journal;
use telson_actors::heartbeat::Heartbeats;
use telson_actors::hook::{HookEvent, Hooks, Moment};
use telson_actors::mcp;
use telson_actors::outbox::Outbox;
use telson_actors::router::Admissions;
use telson_actors::session::SESSIONS;
use telson_actors::store::Store;
use telson_actors::stream::Streams;
use telson_actors::suspension::{Intake, Suspension};
use telson_actors::system_event::SystemEvents;
use telson_actors::tool::TOOLS;
use telson_supervision::{Registry, Tree};

use super::keys::Desk;
use super::sessions::SessionIndex;
use super::sight::Sight;
use super::spec::{ProviderSpec, StartError, StoreSpec};
use super::{Builder, Engine, Inner, LateEngine};
use crate::tree::{Wiring, tree};
use crate::turns::Turns;

impl Builder {
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
        let wiring = self.wired(store)?;
        let (tree, outbox) = tree(&wiring);
        let failure = || wiring.store.failure();
        let tree = Tree::start(tree).await.map_err(|error| match (error, failure()) {
            (_, Some(failure)) => StartError::Store(failure),
            (SpawnErr::StartupFailed(reason), None) => StartError::Tree(reason.to_string()),
            (other, None) => StartError::Tree(other.to_string()),
        })?;
        let engine = Engine::of(&wiring, tree, outbox);
        wiring.engine.set(&engine);
        engine.0.hooks.tell(Moment::GatewayStart, || HookEvent::GatewayStart);
        Ok(engine)
    }

    /// What the tree is built from. Nothing here is shared with another engine (A4).
    fn wired(mut self, store: Store) -> Result<Wiring, StartError> {
        let registry = Registry::new();
        let catalogs = self.add_catalogs(&registry);
        let zone = self.beats.zone.clone();
        let events = SystemEvents::new(store.clone(), self.clock, zone)?;
        let beats = Heartbeats::new(self.beat_rules(), store.clone(), &registry)?;
        Ok(Wiring {
            journal: Journal::new(),
            hooks: Hooks::new(self.hooks.clone(), registry.clone()),
            streams: Streams::default(),
            suspension: Suspension::new(&registry, Intake::default()),
            registry,
            catalogs,
            disk: DiskSpace::default(),
            web_chat: WebChat::new(store.clone()),
            cron_events: CronEvents::new(),
            commands: CommandsRunning::default(),
            events,
            beats,
            tools: Arc::default(),
            store,
            engine: LateEngine::default(),
            spec: self,
        })
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

impl Engine {
    /// The handle to a tree that runs.
    fn of(wiring: &Wiring, tree: Tree, outbox: Outbox) -> Self {
        let (spec, registry, store) = (&wiring.spec, &wiring.registry, &wiring.store);
        Self(Arc::new(Inner {
            tree,
            clock: spec.clock,
            journal: wiring.journal.clone(),
            admissions: Admissions::new(registry),
            sessions: registry.via(SESSIONS),
            tools: registry.via(TOOLS),
            catalog: spec.catalog.clone(),
            sight: Sight::of(spec),
            desk: Desk {
                rings: spec.providers.iter().map(ProviderSpec::named).collect(),
                budgets: spec.context.budgets,
                registry: registry.clone(),
            },
            dead_letters: DeadLetters::new(store.clone(), registry),
            pairings: wiring.pairings(),
            outbox,
            suspension: wiring.suspension.clone(),
            disk: wiring.disk.clone(),
            hooks: wiring.hooks.clone(),
            streams: wiring.streams.clone(),
            web_chat: wiring.web_chat.clone(),
            cron: wiring.cron_handle(),
            cron_events: wiring.cron_events.clone(),
            commands: wiring.commands.clone(),
            calls: super::Calls::default(),
            keys: super::beginning::Keys::default(),
            events: wiring.events.clone(),
            beats: wiring.beats.clone(),
            index: SessionIndex::new(store.clone(), wiring.journal.clone()),
            edits: Turns::default(),
            toolbox: wiring.tools.clone(),
            started: tokio::time::Instant::now(),
            store: store.clone(),
        }))
    }
}
