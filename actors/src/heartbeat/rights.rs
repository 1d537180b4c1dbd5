//! Who may wake an agent now: one budget for all reasons, be it a heartbeat, a job or a webhook.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::budget::WakeBudget;
use crate::clock::Timestamp;

/// The budgets of all agents. In memory: a new life begins with whole ones.
#[derive(Debug, Default)]
pub(super) struct WakeRights(Mutex<BTreeMap<String, WakeBudget>>);

impl WakeRights {
    /// Takes the right for one turn of an agent; `now` is steady time.
    ///
    /// # Errors
    /// There is none left: when the next will be there.
    pub(super) fn take(&self, agent: &str, now: Timestamp) -> Result<(), Timestamp> {
        self.all().entry(agent.to_owned()).or_default().take(now)
    }

    /// Gives it back: the turn did not begin.
    pub(super) fn give_back(&self, agent: &str) {
        if let Some(budget) = self.all().get_mut(agent) {
            budget.give_back();
        }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, WakeBudget>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
