//! The sending half: keeps a message, then tells who watches.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::{broadcast, oneshot};

use super::record::{ChatRecord, chat_key, chat_prefix};
use super::window::KEPT_MAX;
use crate::channel::{
    Capabilities, Channel, Evidence, LengthUnit, Outbound, Receipt, SendFailure, SendOutcome,
    Settled,
};
use crate::clock::Timestamp;
use crate::message::SessionKey;
use crate::store::{Batch, Store, StoreError};

/// Messages kept for a slow reader before it misses some; it finds them in the store.
const NEWS_KEPT_MAX: usize = 1024;

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct WebChat(Arc<Inner>);

struct Inner {
    store: Store,
    news: broadcast::Sender<ChatRecord>,
    /// The number up to which everything that will ever be kept can be read.
    newest: Arc<AtomicU64>,
    /// Held while a message gets its number and its place in the queue of the store, so that
    /// messages become readable in the order of their numbers: who has seen one has seen all
    /// before it.
    order: Mutex<()>,
}

impl WebChat {
    /// Keeps its messages in `store`.
    pub fn new(store: Store) -> Self {
        let news = broadcast::channel(NEWS_KEPT_MAX).0;
        // Behind all that a life before has kept. A store that gives no number keeps nothing either.
        let newest = Arc::new(AtomicU64::new(store.next_id().unwrap_or_default()));
        Self(Arc::new(Inner { store, news, newest, order: Mutex::new(()) }))
    }

    /// A number up to which nothing is missing: each message that has, or ever will have, this
    /// number or a smaller one can be read now. What has a larger one is still to be told to
    /// whoever [watches](Self::watch).
    pub fn readable_to(&self) -> u64 {
        self.0.newest.load(Ordering::Acquire)
    }

    /// What is sent from now on, once it is durable, in order. A reader that falls behind is told
    /// so.
    pub fn watch(&self) -> broadcast::Receiver<ChatRecord> {
        self.0.news.subscribe()
    }

    /// What was kept for a session behind number `after`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// What the store says.
    pub fn since(
        &self,
        session: &SessionKey,
        after: u64,
        limit: usize,
    ) -> Result<Vec<ChatRecord>, StoreError> {
        let key = chat_key(session.as_str(), after);
        let page = self.0.store.page(&chat_prefix(session.as_str()), Some(&key), limit)?;
        Ok(page.into_iter().map(|(_, record)| record).collect())
    }

    /// The newest messages of a session, oldest first.
    ///
    /// # Errors
    /// What the store says.
    pub fn newest(
        &self,
        session: &SessionKey,
        limit: usize,
    ) -> Result<Vec<ChatRecord>, StoreError> {
        let tail = self.0.store.tail(&chat_prefix(session.as_str()), limit)?;
        Ok(tail.into_iter().map(|(_, record)| record).collect())
    }

    /// The message with a number.
    ///
    /// # Errors
    /// What the store says.
    pub fn message(
        &self,
        session: &SessionKey,
        number: u64,
    ) -> Result<Option<ChatRecord>, StoreError> {
        self.0.store.get(&chat_key(session.as_str(), number))
    }

    /// Keeps a message of the operator for a session's readers. Returns once it is durable.
    ///
    /// # Errors
    /// What the store says; then it is not kept, or nobody knows.
    pub async fn put(
        &self,
        session: &SessionKey,
        text: &str,
        at: Timestamp,
    ) -> Result<ChatRecord, StoreError> {
        self.write(session.as_str(), text, None, at).await
    }

    async fn write(
        &self,
        session: &str,
        text: &str,
        entry: Option<u64>,
        at: Timestamp,
    ) -> Result<ChatRecord, StoreError> {
        self.submit(session, text, entry, at)?.await.map_err(|_| StoreError::Closed)?
    }

    fn submit(
        &self,
        session: &str,
        text: &str,
        entry: Option<u64>,
        at: Timestamp,
    ) -> Result<oneshot::Receiver<Result<ChatRecord, StoreError>>, StoreError> {
        let _order = self.0.order.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.0.store.next_id()?;
        let (session, text) = (session.to_owned(), text.to_owned());
        let record = ChatRecord { at, session, number, text, entry };
        let mut batch = Batch::new();
        batch.put(chat_key(&record.session, number), &record);
        let (sender, receiver) = oneshot::channel();
        let (news, newest) = (self.0.news.clone(), self.0.newest.clone());
        let done = move |result: Result<(), StoreError>| {
            let kept = result.map(|()| {
                // First this: who reads the number afterwards finds the message in the store.
                newest.fetch_max(record.number, Ordering::AcqRel);
                // Nobody may be watching; then it waits in the store.
                drop(news.send(record.clone()));
                record
            });
            // Whoever sent it may have been stopped meanwhile.
            drop(sender.send(kept));
        };
        self.0.store.submit(batch, done)?;
        Ok(receiver)
    }

    async fn keep(&self, part: &Outbound) -> SendOutcome {
        let Some(entry) = entry_of(part) else {
            let text = format!("{:?} is no outbox entry", part.entry);
            return SendOutcome::NotSent(SendFailure::permanent(text));
        };
        let at = part.attempted_at;
        match self.write(&part.to.target, &part.text, Some(entry), at).await {
            Ok(record) => SendOutcome::Sent(receipt(record.number)),
            Err(StoreError::Busy) => {
                SendOutcome::NotSent(SendFailure::transient(StoreError::Busy.to_string()))
            }
            Err(error) => SendOutcome::InDoubt(error.to_string()),
        }
    }

    async fn look(&self, part: &Outbound) -> Settled {
        let Some(entry) = entry_of(part) else {
            return Settled::Unresolved(format!("{:?} is no outbox entry", part.entry));
        };
        // What an attempt before has queued can be read behind this.
        if let Err(error) = self.0.store.commit(Batch::new()).await {
            return Settled::Unresolved(error.to_string());
        }
        let kept = self.0.store.tail::<ChatRecord>(&chat_prefix(&part.to.target), KEPT_MAX);
        match kept {
            Ok(kept) => match kept.iter().find(|(_, record)| record.entry == Some(entry)) {
                Some((_, record)) => Settled::Sent(receipt(record.number)),
                None => Settled::NotSent(SendFailure::transient("it is not in the store")),
            },
            Err(error) => Settled::Unresolved(error.to_string()),
        }
    }
}

impl Channel for WebChat {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            text_max: 1024 * 1024,
            text_unit: LengthUnit::Bytes,
            sends_in_flight_max: 64,
            leaves_evidence: true,
        }
    }

    fn prepare<'a>(&'a self, _: &'a Outbound) -> BoxFuture<'a, Result<Evidence, SendFailure>> {
        Box::pin(async { Ok(Evidence::default()) })
    }

    fn send<'a>(&'a self, part: &'a Outbound, _: &'a Evidence) -> BoxFuture<'a, SendOutcome> {
        Box::pin(self.keep(part))
    }

    fn reconcile<'a>(&'a self, part: &'a Outbound, _: &'a Evidence) -> BoxFuture<'a, Settled> {
        Box::pin(self.look(part))
    }
}

/// `e7`
fn entry_of(part: &Outbound) -> Option<u64> {
    part.entry.strip_prefix('e')?.parse().ok()
}

fn receipt(number: u64) -> Receipt {
    Receipt { platform_id: number.to_string(), note: "kept for web chat".into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::webchat::destination;
    use crate::store::MemoryBackend;

    fn session() -> SessionKey {
        SessionKey::main("main", "main").unwrap()
    }

    fn part(entry: u64, text: &str) -> Outbound {
        Outbound {
            entry: format!("e{entry}"),
            to: destination(&session()),
            text: text.into(),
            attempted_at: Timestamp(1),
        }
    }

    fn webchat() -> WebChat {
        WebChat::new(Store::inline(Arc::new(MemoryBackend::new())).unwrap())
    }

    // D6: what was kept is found again by its entry, and what was not is sent again.
    #[tokio::test]
    async fn a_doubt_is_settled_by_what_is_kept() {
        let chat = webchat();
        let kept = chat.keep(&part(3, "there")).await;
        let SendOutcome::Sent(sent) = kept else { panic!("{kept:?}") };
        let found = chat.look(&part(3, "there")).await;
        assert!(matches!(found, Settled::Sent(again) if again == sent), "the same message");
        assert!(matches!(chat.look(&part(4, "not there")).await, Settled::NotSent(_)));
    }

    // An entry that is late gets a later number: whoever reads on from the last one meets it.
    #[tokio::test]
    async fn reading_on_from_a_number_misses_nothing_that_was_late() {
        let chat = webchat();
        let mut news = chat.watch();
        chat.keep(&part(9, "quick")).await;
        let seen = chat.since(&session(), 0, 10).unwrap();
        chat.keep(&part(7, "late")).await;
        chat.put(&session(), "by hand", Timestamp(2)).await.unwrap();
        let rest = chat.since(&session(), seen[0].number, 10).unwrap();
        let texts: Vec<&str> = rest.iter().map(|record| record.text.as_str()).collect();
        assert_eq!(texts, ["late", "by hand"]);
        let told: Vec<String> = (0..3).map(|_| news.try_recv().unwrap().text).collect();
        assert_eq!(told, ["quick", "late", "by hand"]);
        let other = SessionKey::main("main", "other").unwrap();
        assert!(chat.since(&other, 0, 10).unwrap().is_empty());
    }
}
