//! One life of the engine: from the opening of its store to its death.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use telson::{Builder, Engine, Limits};
use telson_actors::clock::{Clock, Timestamp};
use telson_actors::event::{JourneyEvent, JourneyStep};
use telson_actors::router::{Access, DmPolicy};
use telson_actors::session::AgentProfile;
use telson_supervision::Dice;
use tokio::sync::broadcast;

use super::disk::Disk;
use super::model::Model;
use super::plan::{AccountPlan, LifePlan};
use super::platform::Platform;
use super::switch::Switch;
use super::world::{BEGIN, World};
use super::{judge, operator, tools};

/// The last life has so long to bring everything to an end, in milliseconds.
const LAST_LIFE_MAX: u64 = 10 * 24 * 3_600_000;
/// Time until a service that ended in its last life is started again, in milliseconds.
const LAST_PAUSE: u64 = 10_000;
/// Longest pause between two looks at a life, in milliseconds.
const LOOK_MAX: u64 = 600_000;
/// Time for a proper stop.
const STOP_MAX: Duration = Duration::from_secs(20);

/// How a life ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The process was killed.
    Killed,
    /// The store could not be opened.
    NotStarted,
    /// The store failed, and the process went.
    Failed,
    /// It was stopped properly.
    Stopped,
    /// Everything is done.
    Done,
}

/// What a life is made of.
struct Life<'a> {
    world: &'a Arc<World>,
    disk: &'a Disk,
    switch: Arc<Switch>,
    /// `None` for the last one.
    plan: Option<&'a LifePlan>,
}

/// Lives one life; answers how it ended and how many effects it had.
pub(crate) fn live(world: &Arc<World>, disk: &Disk, plan: Option<&LifePlan>) -> (Ending, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let switch = Arc::new(Switch::new(plan.and_then(|plan| plan.doom)));
    let life = Life { world, disk, switch: switch.clone(), plan };
    let ending = runtime.block_on(async {
        world.state().wake(plan.map_or(LAST_PAUSE, |plan| plan.pause));
        let ending = tokio::select! {
            biased;
            () = switch.fallen() => Ending::Killed,
            ending = life.body() => ending,
        };
        // Whatever is left of it does nothing more.
        switch.fall();
        let mut state = world.state();
        state.settle_wire();
        state.note(|| format!("the life ends: {ending:?} after {} effects", switch.effects()));
        state.sleep();
        ending
    });
    drop(runtime);
    (ending, switch.effects())
}

impl Life<'_> {
    async fn body(&self) -> Ending {
        let engine = match self.builder().start().await {
            Ok(engine) => engine,
            Err(error) => {
                self.world.state().note(|| format!("not started: {error}"));
                return Ending::NotStarted;
            }
        };
        let mut events = engine.events();
        let ending = tokio::select! {
            biased;
            reason = engine.failed() => {
                self.world.state().note(|| format!("failed: {reason}"));
                Ending::Failed
            }
            ending = self.watch(&engine, &mut events) => ending,
        };
        self.read(&mut events);
        if ending != Ending::Killed {
            if self.world.state().chance.one_in(2) {
                engine.drain(STOP_MAX).await;
            }
            let outcome = engine.shutdown(STOP_MAX).await;
            self.read(&mut events);
            self.world.state().note(|| format!("stopped: {outcome:?}"));
        }
        ending
    }

    fn builder(&self) -> Builder {
        let (world, plan) = (self.world, &self.world.plan);
        let seed = world.state().chance.seed();
        let skew = self.plan.map_or(0, |life| life.skew);
        let begin = Timestamp(BEGIN + i64::try_from(world.state().now()).unwrap() + skew);
        let codes = Dice::seeded(seed);
        let model = Model { world: world.clone(), life: self.switch.clone() };
        let limits = Limits {
            waiting_max: plan.waiting_max,
            sessions_live_max: plan.sessions_live_max,
            session_idle_max: Duration::from_millis(plan.session_idle_ms),
            provider_calls_max: plan.provider_calls_max,
            ..Limits::default()
        };
        let mut builder = Engine::builder()
            .backend(Arc::new(self.disk.mounted(world, &self.switch)))
            .determined_by(Clock::virtual_from(begin), Dice::seeded(seed ^ 1))
            .codes(Arc::new(move || codes.next().to_be_bytes()))
            .provider("model", Arc::new(model))
            .agent("main", agent())
            .lane("", plan.lane)
            .limits(limits)
            .tool(tools::Deed::once(world, &self.switch), &["main"])
            .tool(tools::Deed::often(world, &self.switch), &["main"])
            .rules(|rules| rules.session.dm_scope = plan.scope);
        for (index, account) in plan.accounts.iter().enumerate() {
            let platform = Arc::new(Platform {
                world: world.clone(),
                life: self.switch.clone(),
                disk: self.disk.clone(),
                account: index,
            });
            let key = account.key.clone();
            builder = builder.channel(key, platform.clone(), Some(platform), access(account));
        }
        builder
    }

    /// Looks at the engine again and again until this life is over.
    async fn watch(
        &self,
        engine: &Engine,
        events: &mut broadcast::Receiver<JourneyEvent>,
    ) -> Ending {
        let born = self.world.state().now();
        let (mut was_replayed, mut judged_at) = (false, 0);
        loop {
            let lived = self.world.state().now() - born;
            self.pause(lived).await;
            self.read(events);
            if !self.world.state().broken.is_empty() {
                return Ending::Killed;
            }
            let is_idle = engine.load().is_idle();
            if is_idle && self.switch.effects() != judged_at {
                judged_at = self.switch.effects();
                judge::at_rest(self.world, engine, self.disk);
            }
            match self.plan {
                Some(plan) if lived >= plan.lasts => {
                    return if plan.is_stopped { Ending::Stopped } else { Ending::Killed };
                }
                Some(_) => self.meddle(engine).await,
                None if is_idle && self.world.state().is_all_taken() => {
                    if was_replayed || !self.world.plan.has_operator {
                        judge::is_shown(self.world, engine).await;
                        return Ending::Done;
                    }
                    // In calm weather everything that was set aside can be finished.
                    operator::replay_all(self.world, engine).await;
                    was_replayed = true;
                }
                None if lived > LAST_LIFE_MAX => {
                    let text = format!("lost: the end never comes, {:?} is left", engine.load());
                    self.world.state().complain(text);
                }
                None => {}
            }
        }
    }

    /// Often in the beginning, seldom later.
    async fn pause(&self, lived: u64) {
        let left = self.plan.map_or(LOOK_MAX, |plan| plan.lasts.saturating_sub(lived).max(1));
        let most = (5 + lived / 2).min(LOOK_MAX);
        let millis = 1 + self.world.state().chance.below(most);
        tokio::time::sleep(Duration::from_millis(millis.min(left))).await;
    }

    /// Kills an actor, or looks after a dead letter, or lets things be.
    async fn meddle(&self, engine: &Engine) {
        let victim = {
            let mut state = self.world.state();
            let victims = victims(&self.world.plan.accounts, &state.sessions);
            let kills = state.chance.per_mille(state.weather.actor_kills);
            let victim = kills.then(|| state.chance.pick(&victims).clone());
            if let Some(victim) = &victim {
                state.note(|| format!("kill {victim}"));
                state.is_disturbed = true;
            }
            victim
        };
        if let Some(victim) = victim {
            engine.kill_actor(&victim);
        } else if self.world.plan.has_operator && self.world.state().chance.one_in(8) {
            operator::look(self.world, engine).await;
        }
    }

    /// Takes the engine's own story into the record.
    fn read(&self, events: &mut broadcast::Receiver<JourneyEvent>) {
        while let Ok(JourneyEvent { at, session, kind }) = events.try_recv() {
            let mut state = self.world.state();
            state.note(|| format!("  told at {}: {session:?} {kind:?}", at.0 - BEGIN));
            if let (Some(session), JourneyStep::Admitted { .. }) = (session, kind) {
                state.sessions.insert(session);
            }
        }
    }
}

fn agent() -> AgentProfile {
    AgentProfile {
        provider: "model".into(),
        model: "m".into(),
        system: String::new(),
        output_tokens_max: 100,
    }
}

fn access(account: &AccountPlan) -> Access {
    let known = account.people.iter().filter(|person| !person.is_stranger);
    Access {
        dm_policy: if account.pairs { DmPolicy::Pairing } else { DmPolicy::Allowlist },
        allow_from: known.map(|person| person.name.clone()).collect(),
        ..Access::default()
    }
}

/// Every actor that may be killed; a session is as likely as all others.
fn victims(accounts: &[AccountPlan], sessions: &BTreeSet<String>) -> Vec<String> {
    let mut all: Vec<String> = [
        "core",
        "core/janitor",
        "core/providers",
        "core/providers/model",
        "core/tools",
        "core/conversation",
        "core/conversation/sessions",
        "core/conversation/router",
        "core/conversation/dead_letters",
        "edge",
    ]
    .map(str::to_owned)
    .to_vec();
    for account in accounts {
        let path = format!("edge/{}", account.key);
        all.extend([path.clone(), format!("{path}/delivery"), format!("{path}/receiver")]);
    }
    let others = all.len();
    all.extend(sessions.iter().cycle().take(if sessions.is_empty() { 0 } else { others }).cloned());
    all
}
