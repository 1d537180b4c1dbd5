//! Whose sessions an agent may see and write into, and where its messages may go.

use super::super::policy::fits;
use crate::message::{Destination, SessionKey};

/// How far the session tools see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Visibility {
    /// Only the calling session.
    Own,
    /// The sessions of the calling agent.
    #[default]
    Agent,
    /// All sessions, as far as agents may meet.
    All,
}

/// Which sessions a session may reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// How far.
    pub visibility: Visibility,
    /// Whether agents may reach each other's sessions at all.
    pub agents_meet: bool,
    /// Which agents take part in that, as patterns; both sides must. Empty means all.
    pub agents: Vec<String>,
}

impl Default for Reach {
    /// An agent sees its own sessions.
    fn default() -> Self {
        Self { visibility: Visibility::default(), agents_meet: true, agents: Vec::new() }
    }
}

impl Reach {
    /// Whether `from`, which `agent` answers, may reach `to`, which `other` answers.
    ///
    /// # Errors
    /// A sentence for the model.
    pub fn check(
        &self,
        (from, agent): (&SessionKey, &str),
        (to, other): (&SessionKey, &str),
    ) -> Result<(), String> {
        if from == to {
            return Ok(());
        }
        match self.visibility {
            Visibility::Own => {
                return Err("only this session can be reached (tools.sessions.visibility)".into());
            }
            Visibility::Agent if agent != other => {
                return Err(format!(
                    "{to} belongs to another agent, which is out of reach \
                     (tools.sessions.visibility)"
                ));
            }
            Visibility::Agent | Visibility::All => {}
        }
        if agent == other {
            return Ok(());
        }
        let takes_part = |agent: &str| {
            self.agents.is_empty()
                || self.agents.iter().any(|pattern| !pattern.is_empty() && fits(pattern, agent))
        };
        if self.agents_meet && takes_part(agent) && takes_part(other) {
            return Ok(());
        }
        Err(format!(
            "the agents {agent:?} and {other:?} may not reach each other (tools.agentToAgent)"
        ))
    }
}

/// Where messages may go besides the conversation they are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrossContext {
    /// To other conversations of the same channel.
    pub within_channel: bool,
    /// To other channels.
    pub across_channels: bool,
}

impl Default for CrossContext {
    /// Anywhere.
    fn default() -> Self {
        Self { within_channel: true, across_channels: true }
    }
}

impl CrossContext {
    /// Whether a message may leave `from` for `to`. Who writes from nowhere is in no conversation.
    ///
    /// # Errors
    /// A sentence for the model.
    pub fn check(&self, from: Option<&Destination>, to: &Destination) -> Result<(), String> {
        if from == Some(to) {
            return Ok(());
        }
        let same = from.is_some_and(|from| from.account.channel == to.account.channel);
        let (allowed, key) = if same {
            (self.within_channel, "allowWithinProvider")
        } else {
            (self.across_channels, "allowAcrossProviders")
        };
        if allowed {
            return Ok(());
        }
        Err(format!(
            "messages from here to {to} are not allowed (tools.message.crossContext.{key})"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::AccountKey;

    fn key(agent: &str, name: &str) -> SessionKey {
        SessionKey::main(agent, name).unwrap()
    }

    #[test]
    fn sessions_are_reached_as_far_as_the_config_says() {
        let may = |reach: &Reach, to: &SessionKey, other: &str| {
            reach.check((&key("a", "one"), "a"), (to, other)).is_ok()
        };
        let (own, same, other) = (key("a", "one"), key("a", "two"), key("b", "one"));
        let agent = Reach::default();
        let only = Reach { visibility: Visibility::Own, ..Reach::default() };
        let all = Reach { visibility: Visibility::All, ..Reach::default() };
        let apart = Reach { agents_meet: false, ..all.clone() };
        let listed = Reach { agents: vec!["a".into(), "c*".into()], ..all.clone() };
        let both = Reach { agents: vec!["*".into()], ..all.clone() };
        let blank = Reach { agents: vec![String::new()], ..all.clone() };
        for (reach, expected) in [
            (&only, [true, false, false]),
            (&agent, [true, true, false]),
            (&all, [true, true, true]),
            (&apart, [true, true, false]),
            (&listed, [true, true, false]),
            (&both, [true, true, true]),
            (&blank, [true, true, false]),
        ] {
            let found = [may(reach, &own, "a"), may(reach, &same, "a"), may(reach, &other, "b")];
            assert_eq!(found, expected, "{reach:?}");
        }
    }

    #[test]
    fn messages_leave_their_conversation_only_where_allowed() {
        let to = |channel: &str, target: &str| Destination {
            account: AccountKey::new(channel, "default"),
            target: target.into(),
            thread: None,
        };
        let here = to("x", "anna");
        let none = CrossContext { within_channel: false, across_channels: false };
        assert!(none.check(Some(&here), &here).is_ok());
        assert!(none.check(Some(&here), &to("x", "ben")).is_err());
        assert!(none.check(None, &here).is_err());
        let within = CrossContext { within_channel: true, across_channels: false };
        assert!(within.check(Some(&here), &to("x", "ben")).is_ok());
        assert!(within.check(Some(&here), &to("y", "anna")).is_err());
        assert!(CrossContext::default().check(Some(&here), &to("y", "ben")).is_ok());
    }
}
