//! The sending half: keeps a message, then tells who watches.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::broadcast;

use super::record::{ChatRecord, chat_key};
use crate::channel::{
    Capabilities, Channel, Evidence, LengthUnit, Outbound, Receipt, SendFailure, SendOutcome,
    Settled,
};
use crate::store::{Batch, Store};

/// Messages kept for a slow reader before it misses some; it finds them in the store.
const NEWS_KEPT_MAX: usize = 1024;

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct WebChat {
    store: Store,
    news: Arc<broadcast::Sender<ChatRecord>>,
}

impl WebChat {
    /// Keeps its messages in `store`.
    pub fn new(store: Store) -> Self {
        Self { store, news: Arc::new(broadcast::channel(NEWS_KEPT_MAX).0) }
    }

    /// What is sent from now on, once it is durable. A reader that falls behind is told so.
    pub fn watch(&self) -> broadcast::Receiver<ChatRecord> {
        self.news.subscribe()
    }

    async fn keep(&self, part: &Outbound) -> SendOutcome {
        let Some(number) = number_of(part) else {
            let text = format!("{:?} is no outbox entry", part.entry);
            return SendOutcome::NotSent(SendFailure::permanent(text));
        };
        let record = ChatRecord {
            at: part.attempted_at,
            session: part.to.target.clone(),
            number,
            text: part.text.clone(),
        };
        let mut batch = Batch::new();
        batch.put(chat_key(&record.session, number), &record);
        match self.store.commit(batch).await {
            Ok(()) => {
                // Nobody may be watching; then it waits in the store.
                drop(self.news.send(record));
                SendOutcome::Sent(receipt(number))
            }
            Err(error) => SendOutcome::InDoubt(error.to_string()),
        }
    }

    fn look(&self, part: &Outbound) -> Settled {
        let Some(number) = number_of(part) else {
            return Settled::Unresolved(format!("{:?} is no outbox entry", part.entry));
        };
        match self.store.contains(&chat_key(&part.to.target, number)) {
            Ok(true) => Settled::Sent(receipt(number)),
            Ok(false) => Settled::NotSent(SendFailure::transient("it is not in the store")),
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
        Box::pin(async { self.look(part) })
    }
}

/// `e7`
fn number_of(part: &Outbound) -> Option<u64> {
    part.entry.strip_prefix('e')?.parse().ok()
}

fn receipt(number: u64) -> Receipt {
    Receipt { platform_id: number.to_string(), note: "kept for web chat".into() }
}
