//! Nodes: devices that let agents use what they can do. What is kept is what a person has allowed,
//! and what waits for a node.

pub mod action;
pub(crate) mod sweep;
pub mod work;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::store::{Batch, Key, Record, Space, Store, StoreError};

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

/// What has to be written so that nothing is known of a node any more, and nothing waits for it.
///
/// # Errors
/// What the store says.
pub fn forget(store: &Store, batch: &mut Batch, id: &str) -> Result<(), StoreError> {
    batch.delete(node_key(id)).delete(work::work_key(id));
    for (key, _) in store.scan::<action::NodeAction>(&action::action_prefix(id))? {
        batch.delete(key);
    }
    Ok(())
}
