//! What people have allowed of nodes, and what waits for them.

use telson_actors::answer::CallEnd;
use telson_actors::clock::Timestamp;
use telson_actors::node::action::{ACTIONS_MAX, NodeAction, action_key, action_prefix};
use telson_actors::node::work::{NodeWork, work_key};
use telson_actors::node::{NodeRecord, forget, node_key, node_prefix};
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
        forget(&self.0.store, &mut batch, id)?;
        self.0.store.commit(batch).await?;
        Ok(true)
    }

    /// What waits for a node and is still wanted. Whoever changes it lets nobody else do so meanwhile.
    pub(crate) fn node_work(&self, id: &str, now: Timestamp) -> Result<NodeWork, StoreError> {
        let mut work: NodeWork = self.0.store.get(&work_key(id))?.unwrap_or_default();
        work.prune(now);
        Ok(work)
    }

    /// Writes it down.
    pub(crate) async fn keep_node_work(&self, id: &str, work: &NodeWork) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        batch.put(work_key(id), work);
        self.0.store.commit(batch).await
    }

    /// What a node could not do yet, in the order in which it was asked.
    pub(crate) fn node_actions(&self, id: &str) -> Result<Vec<NodeAction>, StoreError> {
        let actions = self.0.store.scan(&action_prefix(id))?;
        let mut actions: Vec<NodeAction> = actions.into_iter().map(|(_, it)| it).collect();
        actions.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        Ok(actions)
    }

    /// Forgets some of those.
    pub(crate) async fn forget_node_actions<'a>(
        &self,
        id: &str,
        actions: impl Iterator<Item = &'a str>,
    ) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        for action in actions {
            batch.delete(action_key(id, action));
        }
        self.0.store.commit(batch).await
    }

    /// Has a call end with an action that waits for its node: both, or neither where there is no
    /// room or no such call is under way. Answers whether it does. Nobody else changes the node's
    /// actions meanwhile.
    pub(crate) async fn defer_call(
        &self,
        (method, key): (&str, &str),
        end: CallEnd,
        node: &str,
        action: &NodeAction,
    ) -> Result<bool, StoreError> {
        let (wanted, stale): (Vec<_>, Vec<_>) =
            self.node_actions(node)?.into_iter().partition(|it| it.is_wanted(action.at));
        let Some(mut batch) = self.ending_of(method, key, end)? else { return Ok(false) };
        if wanted.len() >= ACTIONS_MAX {
            return Ok(false);
        }
        for old in stale {
            batch.delete(action_key(node, &old.id));
        }
        batch.put(action_key(node, &action.id), action);
        self.0.store.commit(batch).await?;
        Ok(true)
    }
}
