//! The branch of jobs: the actors of runs first, for the scheduler starts them.

use std::sync::Arc;

use telson_actors::cron::wake::{Message, NowOrLater, SharedWake};
use telson_actors::cron::{
    Cron, CronActor, CronDeps, CronSettings, MainSessions, RunDeps, runs_child,
};
use telson_actors::outbox::Outbox;
use telson_actors::router::{Admissions, AgentId, SessionScope};
use telson_actors::tool::core::exec::ExecSettings;
use telson_supervision::{ChildSpec, Events, Health, SupervisorSpec};

use super::Wiring;
use crate::engine::place;

impl Wiring {
    /// Runs, then the scheduler: one that starts finds its claimed runs in the store, and starts them.
    pub(super) fn cron(
        &self,
        settings: &CronSettings,
        branch: SupervisorSpec,
        outbox: &Outbox,
        events: &Events,
    ) -> ChildSpec {
        let runs = RunDeps {
            store: self.store.clone(),
            clock: self.spec.clock,
            registry: self.registry.clone(),
            admissions: Admissions::new(&self.registry),
            journal: self.journal.clone(),
            wake: self.wake(settings),
            catalog: Arc::new(self.spec.catalog.clone()),
            default_agent: self.default_agent(),
            main: self.main_sessions(),
            turn_max: settings.turn_max,
            zone: settings.zone.clone(),
            commands: ExecSettings { place: place(&self.spec), ..settings.commands.clone() },
            running: self.commands.clone(),
        };
        let health = Health::new();
        let deps = CronDeps {
            settings: settings.clone(),
            store: self.store.clone(),
            outbox: outbox.clone(),
            clock: self.spec.clock,
            dice: self.spec.dice.clone(),
            registry: self.registry.clone(),
            events: self.cron_events.clone(),
            commands: self.commands.clone(),
            agents: self.spec.agents.keys().cloned().collect(),
            default_agent: self.default_agent(),
            names: self.spec.names.clone(),
            main: self.main_sessions(),
            health: health.clone(),
        };
        let scheduler = ChildSpec::actor("scheduler", move || (CronActor, deps.clone()));
        branch
            .child(runs_child(runs, events.clone(), self.spec.dice.clone()))
            .child(scheduler.health(health))
            .into_child("cron", self.stop())
    }

    /// Who takes events for main sessions.
    fn wake(&self, settings: &CronSettings) -> SharedWake {
        if let Some(wake) = &self.spec.wake {
            return wake.clone();
        }
        let now = Message {
            clock: self.spec.clock,
            zone: settings.zone.clone(),
            store: self.store.clone(),
            admissions: Admissions::new(&self.registry),
        };
        Arc::new(NowOrLater { now, later: self.events.clone(), beats: self.beats.clone() })
    }

    /// The jobs, where there are any.
    pub(crate) fn cron_handle(&self) -> Option<Cron> {
        let zone = self.spec.cron.as_ref()?.zone.clone();
        let (agent, main) = (self.default_agent(), self.main_sessions());
        Some(Cron::new(&self.registry, self.store.clone(), &agent, main, zone))
    }

    fn main_sessions(&self) -> MainSessions {
        let session = &self.spec.rules.session;
        let is_global = session.scope == SessionScope::Global;
        MainSessions { key: session.main_key.clone(), is_global }
    }

    pub(crate) fn default_agent(&self) -> String {
        let default = self.spec.rules.agents.default.as_ref().map(AgentId::as_str);
        default.unwrap_or("main").to_owned()
    }
}
