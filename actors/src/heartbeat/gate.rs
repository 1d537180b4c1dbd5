//! Whether a wake becomes a question to the model. Each gate that closes says why.

use std::fmt;

use super::target::Route;
use super::visibility::Visibility;

/// Why a heartbeat was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// Heartbeats are off, for everybody or for this agent.
    Disabled,
    /// It is outside the agent's active hours.
    QuietHours,
    /// The agent is busy.
    RequestsInFlight,
    /// Nothing is actionable: no event waits and `HEARTBEAT.md` says nothing.
    EmptyFile,
    /// Nobody would see the answer: there is nowhere to send it.
    NoTarget,
    /// Direct messages are blocked, and the answer would be one.
    DmBlocked,
    /// Nobody would see the answer: nothing is shown there, whatever it says.
    AlertsDisabled,
    /// It wakes too often.
    RateLimited,
}

impl Skip {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Disabled,
        Self::QuietHours,
        Self::RequestsInFlight,
        Self::EmptyFile,
        Self::NoTarget,
        Self::DmBlocked,
        Self::AlertsDisabled,
        Self::RateLimited,
    ];

    /// Its name, as status events have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::QuietHours => "quiet-hours",
            Self::RequestsInFlight => "requests-in-flight",
            Self::EmptyFile => "empty-heartbeat-file",
            Self::NoTarget => "no-target",
            Self::DmBlocked => "dm-blocked",
            Self::AlertsDisabled => "alerts-disabled",
            Self::RateLimited => "rate-limited",
        }
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the gates look at.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a gate of its own")]
pub struct Facts {
    /// Whether heartbeats are on, for everybody and for this agent.
    pub is_enabled: bool,
    /// Whether it is within the agent's active hours.
    pub is_active: bool,
    /// Whether the agent answers something, or something waits for it.
    pub is_busy: bool,
    /// Whether an event waits or `HEARTBEAT.md` says something.
    pub is_actionable: bool,
    /// Whether the answer is to go anywhere at all.
    pub is_sent: bool,
    /// Where the answer would go.
    pub route: Option<Route>,
    /// Whether direct messages may be sent.
    pub allows_direct: bool,
    /// What is shown there.
    pub visibility: Visibility,
}

/// The first gate that closes, in their order.
///
/// # Errors
/// Why it is skipped.
pub fn gate(facts: &Facts) -> Result<(), Skip> {
    let blocked = facts.is_sent
        && facts.route.as_ref().is_some_and(|route| route.is_direct)
        && !facts.allows_direct;
    let gates = [
        (!facts.is_enabled, Skip::Disabled),
        (!facts.is_active, Skip::QuietHours),
        (facts.is_busy, Skip::RequestsInFlight),
        (!facts.is_actionable, Skip::EmptyFile),
        (facts.is_sent && facts.route.is_none(), Skip::NoTarget),
        (blocked, Skip::DmBlocked),
        (facts.visibility.shows_nothing(), Skip::AlertsDisabled),
    ];
    gates.into_iter().find(|(closed, _)| *closed).map_or(Ok(()), |(_, skip)| Err(skip))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::{AccountKey, Destination};

    fn facts(open: [bool; 7]) -> Facts {
        let to = Destination {
            account: AccountKey::new("fake", "default"),
            target: "anna".into(),
            thread: None,
        };
        Facts {
            is_enabled: open[0],
            is_active: open[1],
            is_busy: !open[2],
            is_actionable: open[3],
            is_sent: true,
            route: open[4].then_some(Route { to, is_direct: true }),
            allows_direct: open[5],
            visibility: Visibility { alerts: open[6], ok: false, indicator: false },
        }
    }

    proptest! {
        #[test]
        fn the_first_closed_gate_is_named(open: [bool; 7]) {
            // Without a route nobody can say whether it is a direct one.
            let closed = |nth: &usize| !open[*nth] && (*nth != 5 || open[4]);
            let first = (0..7).find(closed).map(|nth| Skip::ALL[nth]);
            prop_assert_eq!(gate(&facts(open)).err(), first);
        }
    }

    #[test]
    fn an_answer_that_goes_nowhere_needs_no_route() {
        let mut facts = facts([true, true, true, true, false, false, true]);
        facts.is_sent = false;
        assert_eq!(gate(&facts), Ok(()));
    }
}
