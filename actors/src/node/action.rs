//! What a node was asked and can do only once somebody looks at it: kept until it says that it has
//! taken it over.
//!
//! Phones let apps use the camera and the screen only while they are in front. What such a node
//! refuses for that reason waits for it. Invariant: L1 (64 for each node, ten minutes each).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::store::{Key, Record, Space};

/// How long it waits: a picture that is taken much later is not the one that was wanted.
pub const ACTION_MAX: Duration = Duration::from_mins(10);
/// How many wait for one node.
pub const ACTIONS_MAX: usize = 64;
/// Longest parameters that are kept, in bytes.
pub const PARAMS_BYTES_MAX: usize = 64 * 1024;

/// Commands, by their beginnings, that need the node in front.
const IN_FRONT: [&str; 4] = ["camera.", "canvas.", "screen.", "talk."];
/// Systems that let nodes do such things in front only, and whose nodes ask for what waits.
const SYSTEMS: [&str; 2] = ["ios", "ipados"];
/// How a node says that it is not.
const BEHIND: &str = "BACKGROUND_UNAVAILABLE";

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeAction {
    /// Names it: the call it was.
    pub id: String,
    /// What is to be done.
    pub command: String,
    /// With what, as JSON.
    pub params: Option<String>,
    /// When it was asked for.
    pub at: Timestamp,
}

impl Record for NodeAction {
    const VERSION: u8 = 1;
}

impl NodeAction {
    /// Whether it is still wanted.
    pub fn is_wanted(&self, now: Timestamp) -> bool {
        now.since(self.at) < ACTION_MAX
    }
}

/// Where an action lives: by its node, then by its id.
pub fn action_key(node: &str, id: &str) -> Key {
    action_prefix(node).text(id)
}

/// All actions of a node.
pub fn action_prefix(node: &str) -> Key {
    Key::of(Space::NodeAction).text(node)
}

/// Whether a command may wait for a node of that system, should it not be in front.
pub fn may_wait(system: &str, command: &str) -> bool {
    let system = system.trim().to_ascii_lowercase();
    SYSTEMS.iter().any(|known| system.starts_with(known))
        && IN_FRONT.iter().any(|beginning| command.starts_with(beginning))
}

/// Whether a node has refused because it is not in front.
pub fn is_behind(code: &str, message: &str) -> bool {
    code.trim().eq_ignore_ascii_case(&format!("NODE_{BEHIND}"))
        || message.to_ascii_uppercase().contains(BEHIND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_a_phone_in_front_waits() {
        for (system, command, waits) in [
            ("iOS 26.1", "camera.snap", true),
            ("iPadOS", "screen.record", true),
            ("ios", "canvas.present", true),
            ("ios", "location.get", false),
            ("ios", "camera", false),
            ("android", "camera.snap", false),
            ("macos", "screen.record", false),
            ("", "camera.snap", false),
        ] {
            assert_eq!(may_wait(system, command), waits, "{system} {command}");
        }
        assert!(is_behind("node_background_unavailable", ""));
        assert!(is_behind("UNAVAILABLE", "NODE_BACKGROUND_UNAVAILABLE: in front only"));
        assert!(!is_behind("UNAVAILABLE", "no camera") && !is_behind("", ""));
    }

    #[test]
    fn it_is_wanted_for_ten_minutes() {
        let action =
            NodeAction { id: "a".into(), command: "c".into(), params: None, at: Timestamp(1000) };
        for (now, is_wanted) in [(1000, true), (600_999, true), (601_000, false), (0, true)] {
            assert_eq!(action.is_wanted(Timestamp(now)), is_wanted, "{now}");
        }
    }
}
