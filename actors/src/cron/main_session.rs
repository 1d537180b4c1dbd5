//! Which session is an agent's main one (pure): the same that heartbeats go by.

use crate::message::SessionKey;

/// How main sessions are named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MainSessions {
    /// The name of every agent's main session.
    pub key: String,
    /// Whether there is only one session, for everybody.
    pub is_global: bool,
}

impl MainSessions {
    /// An agent's main session, which is everybody's where there is only one.
    pub fn of(&self, agent: &str) -> SessionKey {
        let main = SessionKey::main(agent, &self.key).ok().filter(|_| !self.is_global);
        main.unwrap_or_else(SessionKey::global)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_is_one_session_it_is_everybodys_main_one() {
        let of = |is_global| MainSessions { key: "hub".into(), is_global }.of("work").to_string();
        assert_eq!(of(false), "agent:work:hub");
        assert_eq!(of(true), "global");
    }
}
