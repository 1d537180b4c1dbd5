//! What the other rooms hold: telling hooks and asking them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use telson_supervision::Registry;
use tokio::time::timeout;

use super::actor::{HOOKS, HookMessage};
use super::decision::Stopped;
use super::trouble::{Failing, Troubles};
use super::{Decision, Hook, HookEvent, Moment};

/// How often hooks that are not up are asked, and the pause between: together five seconds.
const ASKS_MAX: u32 = 50;
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// How much longer than its deadline a hook is waited for: time to be killed and to say so.
const GRACE: Duration = Duration::from_secs(1);

/// The hooks of one engine. Cheap to clone; without hooks everything here is next to nothing.
#[derive(Clone)]
pub struct Hooks {
    all: Arc<[Arc<dyn Hook>]>,
    moments: Arc<BTreeSet<Moment>>,
    registry: Registry,
    troubles: Troubles,
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.all.iter().map(|hook| hook.name())).finish()
    }
}

impl Hooks {
    /// These hooks, run by the actor that answers in `registry`.
    pub fn new(mut hooks: Vec<Arc<dyn Hook>>, registry: Registry) -> Self {
        hooks.sort_by_key(|hook| std::cmp::Reverse(hook.priority()));
        let moments = hooks.iter().flat_map(|hook| hook.moments()).copied().collect();
        let troubles = Troubles::default();
        Self { all: hooks.into(), moments: Arc::new(moments), registry, troubles }
    }

    /// Whether any hook wants this moment.
    pub fn want(&self, moment: Moment) -> bool {
        self.moments.contains(&moment)
    }

    /// Hooks whose last run failed.
    pub fn failing(&self) -> Vec<Failing> {
        self.troubles.all()
    }

    /// Whoever reads this knows which hook, when, and that nothing was changed.
    pub(super) fn failed(&self, hook: &dyn Hook, moment: Moment, error: &str) {
        tracing::warn!(hook = hook.name(), %moment, error, "a hook failed; it changes nothing");
        self.troubles.failed(hook.name(), moment, error);
    }

    pub(super) fn worked(&self, hook: &dyn Hook) {
        self.troubles.worked(hook.name());
    }

    /// Those that want a moment, the highest priority first.
    pub(super) fn of(&self, moment: Moment) -> impl Iterator<Item = &Arc<dyn Hook>> {
        self.all.iter().filter(move |hook| hook.moments().contains(&moment))
    }

    /// Tells the void hooks of a moment; nobody waits. The event is made only if one wants it.
    pub fn tell(&self, moment: Moment, event: impl FnOnce() -> HookEvent) {
        if self.want(moment) && self.registry.via(HOOKS).cast(HookMessage::Tell(event())).is_err() {
            tracing::warn!(%moment, "the hooks are restarting; they were not told");
        }
    }

    /// Waits until every void hook told so far has ended, but not longer than `limit`.
    pub async fn settled(&self, limit: Duration) {
        if self.all.is_empty() {
            return;
        }
        let (reply, ended) = tokio::sync::oneshot::channel();
        if self.registry.via(HOOKS).cast(HookMessage::Settle(reply.into())).is_ok()
            && timeout(limit, ended).await.is_err()
        {
            tracing::warn!(?limit, "some hooks have not ended in time");
        }
    }

    /// Asks the modifying hooks of a moment one after the other: what they made of it, and whether
    /// one has stopped it.
    pub async fn decide(&self, mut event: HookEvent) -> (HookEvent, Option<Stopped>) {
        for hook in self.of(event.moment()) {
            let decided = match self.ask(hook.clone(), &event).await {
                Ok(decision) => decision.apply(hook.name(), &mut event),
                Err(error) => Err(error),
            };
            match decided {
                Err(error) => self.failed(hook.as_ref(), event.moment(), &error),
                Ok(stopped) => {
                    self.worked(hook.as_ref());
                    if stopped.is_some() {
                        return (event, stopped);
                    }
                }
            }
        }
        (event, None)
    }

    /// In a task of the hooks' actor, so that nothing a hook does can reach who asks. Where that
    /// actor goes away meanwhile it is asked again: it restarts, or the engine ends, and then
    /// nothing must be done that a hook might have prevented.
    async fn ask(&self, hook: Arc<dyn Hook>, event: &HookEvent) -> Result<Decision, String> {
        let deadline = hook.deadline();
        for _ in 0..ASKS_MAX {
            let (reply, answer) = tokio::sync::oneshot::channel();
            let (hook, event) = (hook.clone(), event.clone());
            let message = HookMessage::Ask { hook, event, reply: reply.into() };
            if self.registry.via(HOOKS).cast(message).is_ok() {
                match timeout(deadline.saturating_add(GRACE), answer).await {
                    Ok(Ok(answer)) => return answer,
                    Ok(Err(_)) => {}
                    Err(_) => return Err(late(deadline)),
                }
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
        Err("the hooks are not up".into())
    }
}

pub(super) fn late(deadline: Duration) -> String {
    format!("had no answer after {deadline:?} and was abandoned")
}
