//! Nodes: devices that let agents use what they can do. What is kept is what a person has allowed.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::store::{Key, Record, Space};

/// What a person has allowed of a node. One that is only connected has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its device, or the name it gave itself.
    pub id: String,
    /// What people call it.
    pub display_name: Option<String>,
    /// Its system.
    pub platform: String,
    /// The program on it.
    pub client: String,
    /// That program's version.
    pub version: String,
    /// What it may show.
    pub caps: Vec<String>,
    /// What it may be asked to do.
    pub commands: Vec<String>,
    /// When it was last allowed something.
    pub approved_at: Timestamp,
}

impl Record for NodeRecord {
    const VERSION: u8 = 1;
}

/// Where a node's record lives.
pub fn node_key(id: &str) -> Key {
    node_prefix().text(id)
}

/// All nodes.
pub fn node_prefix() -> Key {
    Key::of(Space::Node)
}
