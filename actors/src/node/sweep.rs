//! Forgetting what waits for nodes once nobody wants it any more, also of those that never come
//! again.

use super::action::{ACTION_MAX, NodeAction};
use super::work::NodeWork;
use crate::clock::Timestamp;
use crate::store::codec::encode;
use crate::store::sweep::{Retention, sweep};
use crate::store::{Batch, Expect, Key, Space, Store, StoreError};

/// Forgets actions and work whose end has passed; answers how many records.
pub(crate) async fn sweep_nodes(store: &Store, now: Timestamp) -> Result<usize, StoreError> {
    let window = Retention { age: ACTION_MAX, count_min: 0, count_max: usize::MAX };
    let all = Key::of(Space::NodeAction);
    let actions = sweep::<NodeAction>(store, &all, window, now, |action| action.at).await?;
    Ok(actions + sweep_work(store, now).await?)
}

async fn sweep_work(store: &Store, now: Timestamp) -> Result<usize, StoreError> {
    let mut gone = 0;
    for (key, work) in store.scan::<NodeWork>(&Key::of(Space::NodeWork))? {
        if work.items.iter().any(|item| item.until > now) {
            continue;
        }
        // Something new may be wanted just now.
        let mut batch = Batch::new();
        batch.expect(Expect::Holds(key.clone(), encode(&key, &work))).delete(key);
        match store.commit(batch).await {
            Ok(()) => gone += 1,
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::node::action::action_key;
    use crate::node::work::{WorkItem, WorkKind, work_key};
    use crate::store::MemoryBackend;

    fn work(ends: [i64; 2]) -> NodeWork {
        let mut work = NodeWork::default();
        for (kind, until) in [WorkKind::Status, WorkKind::Location].into_iter().zip(ends) {
            let (at, until) = (Timestamp(1), Timestamp(until));
            work.add(WorkItem { id: "a".into(), kind, is_urgent: false, at, until });
        }
        work
    }

    // L1
    #[tokio::test]
    async fn what_nobody_wants_any_more_goes_also_where_its_node_never_comes() {
        let store = Store::inline(Arc::new(MemoryBackend::new())).unwrap();
        let end = i64::try_from(ACTION_MAX.as_millis()).unwrap();
        let mut batch = Batch::new();
        for (name, at) in [("first", 0), ("second", 1)] {
            batch.put(work_key(name), &work([2, end + 1 + at]));
            let (id, command, at) = (name.to_owned(), "camera.snap".to_owned(), Timestamp(at));
            batch.put(action_key("phone", name), &NodeAction { id, command, params: None, at });
        }
        store.commit(batch).await.unwrap();
        for (now, gone) in [(end, 0), (end + 1, 2), (end + 1, 0)] {
            assert_eq!(sweep_nodes(&store, Timestamp(now)).await.unwrap(), gone, "{now}");
        }
        assert!(store.contains(&work_key("second")).unwrap());
        assert!(store.contains(&action_key("phone", "second")).unwrap());
        assert_eq!(sweep_nodes(&store, Timestamp(end + 2)).await.unwrap(), 2);
    }
}
