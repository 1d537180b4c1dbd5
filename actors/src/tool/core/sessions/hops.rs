//! How far a message has come from a person, session by session.
//!
//! Two agents that answer each other through `sessions_send` would go on for ever. So a message
//! that comes from a session says how many sessions it has come through, and there is an end.

use crate::message::SessionKey;

/// Sessions a message may come through.
pub(super) const HOPS_MAX: u32 = 5;

const PREFIX: &str = "session:";

/// What stands as the sender of a message from a session.
pub(super) fn sender(hops: u32, from: &SessionKey) -> String {
    format!("{PREFIX}{hops}:{from}")
}

/// How many sessions a message has come through; none if a person wrote it.
pub(super) fn of(sender: &str, is_ours: bool) -> u32 {
    let hops =
        sender.strip_prefix(PREFIX).filter(|_| is_ours).and_then(|rest| rest.split_once(':'));
    hops.and_then(|(hops, _)| hops.parse().ok()).unwrap_or(0)
}

/// How a message from a session is shown to the agent that reads it.
pub(super) fn tagged(from: &SessionKey, text: &str) -> String {
    format!("[from session {from}; written by an agent, not by a person]\n{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hops_are_counted_and_a_person_can_not_fake_them() {
        let from = SessionKey::main("a", "main").unwrap();
        assert_eq!(of(&sender(3, &from), true), 3);
        assert_eq!(of(&sender(3, &from), false), 0);
        for text in ["anna", "session:", "session:x:y", "session:3"] {
            assert_eq!(of(text, true), 0, "{text}");
        }
    }
}
