//! What a supervisor does about the end of one child.

use std::fmt;
use std::time::Duration;

use crate::{Backoff, RestartIntensity, RestartPolicy};

/// How a child ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// It stopped by itself or was drained.
    Normal,
    /// Somebody killed it.
    Killed,
    /// It panicked, returned an error, or could not start.
    Failed(String),
}

impl Exit {
    /// Whether a transient child would be restarted after this.
    pub fn is_abnormal(&self) -> bool {
        !matches!(self, Exit::Normal)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Normal => f.write_str("stopped"),
            Exit::Killed => f.write_str("killed"),
            Exit::Failed(reason) => f.write_str(reason),
        }
    }
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Start it again (with whoever the strategy adds) after this pause.
    Restart(Duration),
    /// It is done: leave it stopped.
    Forget,
    /// The budget is spent.
    GiveUp,
}

/// Decides about one exit at `now`. `attempt` counts this child's consecutive restarts,
/// `roll` in `0.0..=1.0` is the caller's randomness for the jitter.
pub fn decide(
    exit: &Exit,
    policy: RestartPolicy,
    intensity: &mut RestartIntensity,
    backoff: &Backoff,
    attempt: u32,
    now: Duration,
    roll: f64,
) -> Decision {
    let restart = match policy {
        RestartPolicy::Permanent => true,
        RestartPolicy::Transient => exit.is_abnormal(),
        RestartPolicy::Temporary => false,
    };
    if !restart {
        return Decision::Forget;
    }
    if intensity.record(now) {
        Decision::Restart(backoff.delay(attempt, roll))
    } else {
        Decision::GiveUp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide_once(exit: &Exit, policy: RestartPolicy, budget: u32) -> Decision {
        let mut intensity = RestartIntensity::new(budget, Duration::from_secs(1));
        decide(exit, policy, &mut intensity, &Backoff::none(), 0, Duration::ZERO, 0.0)
    }

    #[test]
    fn policy_by_exit() {
        use RestartPolicy::{Permanent, Temporary, Transient};
        let failed = Exit::Failed("boom".into());
        let restart = Decision::Restart(Duration::ZERO);
        for (policy, exit, expected) in [
            (Permanent, &Exit::Normal, restart),
            (Permanent, &Exit::Killed, restart),
            (Permanent, &failed, restart),
            (Transient, &Exit::Normal, Decision::Forget),
            (Transient, &Exit::Killed, restart),
            (Transient, &failed, restart),
            (Temporary, &Exit::Normal, Decision::Forget),
            (Temporary, &Exit::Killed, Decision::Forget),
            (Temporary, &failed, Decision::Forget),
        ] {
            assert_eq!(decide_once(exit, policy, 1), expected, "{policy:?} after {exit:?}");
        }
    }

    #[test]
    fn a_spent_budget_gives_up_but_only_where_a_restart_was_due() {
        let failed = Exit::Failed("boom".into());
        assert_eq!(decide_once(&failed, RestartPolicy::Permanent, 0), Decision::GiveUp);
        assert_eq!(decide_once(&failed, RestartPolicy::Temporary, 0), Decision::Forget);
    }
}
