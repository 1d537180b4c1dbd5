//! What people have allowed of nodes.

use telson_actors::node::{NodeRecord, node_key, node_prefix};
use telson_actors::store::{Batch, StoreError};

use super::Engine;

impl Engine {
    /// What is allowed of every node that was ever allowed something.
    ///
    /// # Errors
    /// What the store says.
    pub fn nodes(&self) -> Result<Vec<NodeRecord>, StoreError> {
        let nodes = self.0.store.scan(&node_prefix())?;
        Ok(nodes.into_iter().map(|(_, node)| node).collect())
    }

    /// What is allowed of one.
    ///
    /// # Errors
    /// What the store says.
    pub fn node(&self, id: &str) -> Result<Option<NodeRecord>, StoreError> {
        self.0.store.get(&node_key(id))
    }

    /// Allows a node what the record says, in place of what it said before.
    ///
    /// # Errors
    /// What the store says.
    pub async fn allow_node(&self, node: &NodeRecord) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        batch.put(node_key(&node.id), node);
        self.0.store.commit(batch).await
    }

    /// Forgets a node; `false` if it was not known.
    ///
    /// # Errors
    /// What the store says.
    pub async fn forget_node(&self, id: &str) -> Result<bool, StoreError> {
        if !self.0.store.contains(&node_key(id))? {
            return Ok(false);
        }
        let mut batch = Batch::new();
        batch.delete(node_key(id));
        self.0.store.commit(batch).await?;
        Ok(true)
    }
}
