//! What is forgotten of web chat: each session keeps its newest messages.

use std::time::Duration;

use super::record::ChatRecord;
use crate::clock::Timestamp;
use crate::store::sweep::{Retention, expired};
use crate::store::{Batch, Key, Space, Store, StoreError};

/// Messages kept for each session, about 1 MB of ordinary ones. A reader that was away for longer
/// finds the rest in the transcript.
pub const KEPT_MAX: usize = 1_000;
/// The window of one session.
const WINDOW: Retention =
    Retention { age: Duration::from_hours(720), count_min: 100, count_max: KEPT_MAX };
/// Records read at once.
const STEP: usize = 500;

/// Removes what lies outside the windows; answers how many messages.
///
/// # Errors
/// What the store answers; removed ones stay removed.
pub async fn sweep_web_chat(store: &Store, now: Timestamp) -> Result<usize, StoreError> {
    let all = Key::of(Space::WebChat);
    let (mut after, mut removed) = (None, 0);
    let mut session = Kept::default();
    loop {
        let page = store.page::<ChatRecord>(&all, after.as_ref(), STEP)?;
        for (key, record) in &page {
            if record.session != session.name {
                removed += std::mem::take(&mut session).sweep(store, now).await?;
                session.name.clone_from(&record.session);
            }
            session.keys.push(key.clone());
            session.times.push(record.at);
        }
        match page.last() {
            Some((key, _)) => after = Some(key.clone()),
            None => return Ok(removed + session.sweep(store, now).await?),
        }
    }
}

/// What one session has.
#[derive(Default)]
struct Kept {
    name: String,
    keys: Vec<Key>,
    times: Vec<Timestamp>,
}

impl Kept {
    async fn sweep(self, store: &Store, now: Timestamp) -> Result<usize, StoreError> {
        let old = expired(&self.times, WINDOW, now);
        for chunk in old.chunks(STEP) {
            let mut batch = Batch::new();
            for index in chunk {
                batch.delete(self.keys[*index].clone());
            }
            store.commit(batch).await?;
        }
        Ok(old.len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::channel::webchat::WebChat;
    use crate::message::SessionKey;
    use crate::store::MemoryBackend;

    // L1: what web chat keeps is bounded, session by session.
    #[tokio::test]
    async fn a_session_keeps_its_newest_messages_and_takes_none_from_another() {
        let store = Store::inline(Arc::new(MemoryBackend::new())).unwrap();
        let chat = WebChat::new(store.clone());
        let (loud, quiet, old) = (session("loud"), session("quiet"), session("old"));
        for number in 0..i64::try_from(KEPT_MAX).unwrap() + 7 {
            chat.put(&loud, "x", Timestamp(number)).await.unwrap();
        }
        chat.put(&quiet, "y", Timestamp(0)).await.unwrap();
        for number in 0..i64::try_from(WINDOW.count_min).unwrap() + 5 {
            chat.put(&old, "z", Timestamp(number)).await.unwrap();
        }
        assert_eq!(sweep_web_chat(&store, Timestamp(2_000)).await.unwrap(), 7);
        let kept = chat.since(&loud, 0, 2 * KEPT_MAX).unwrap();
        assert_eq!((kept.len(), kept[0].at), (KEPT_MAX, Timestamp(7)), "the newest stay");
        let later = Timestamp(0).plus(WINDOW.age * 2);
        sweep_web_chat(&store, later).await.unwrap();
        assert_eq!(chat.since(&old, 0, KEPT_MAX).unwrap().len(), WINDOW.count_min);
        assert_eq!(chat.since(&quiet, 0, KEPT_MAX).unwrap().len(), 1);
        assert_eq!(sweep_web_chat(&store, later).await.unwrap(), 0);
    }

    fn session(name: &str) -> SessionKey {
        SessionKey::main("main", name).unwrap()
    }
}
