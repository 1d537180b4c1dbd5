//! From those who tell to those who watch, without waiting for anybody.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::Notify;

use super::event::{StreamEvent, StreamKind};
use super::queue::{Next, Queue};
use crate::reply::Holdback;

/// Events kept for one subscriber. A model streams some 100 pieces a second: ten seconds of one
/// answer, or less of many.
pub const QUEUED_MAX: usize = 1024;

/// The telling side. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Streams(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// How many watch: without any, telling costs one look at this.
    count: AtomicUsize,
    subscribers: RwLock<Vec<Arc<Subscriber>>>,
    is_closed: AtomicBool,
}

#[derive(Debug)]
struct Subscriber {
    /// The only session it watches; `None` for all.
    session: Option<String>,
    queue: Mutex<Queue<StreamEvent>>,
    more: Notify,
}

/// What a subscriber gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Something happened.
    Event(StreamEvent),
    /// The subscriber was too slow: so many events are missing here.
    Gap(u64),
}

/// The watching side; it ends by being dropped.
#[derive(Debug)]
pub struct Subscription {
    own: Arc<Subscriber>,
    shared: Arc<Shared>,
}

impl Streams {
    /// Watches one session from now on, or all of them.
    pub fn subscribe(&self, session: Option<&str>) -> Subscription {
        let own = Arc::new(Subscriber {
            session: session.map(str::to_owned),
            queue: Mutex::new(Queue::new(QUEUED_MAX)),
            more: Notify::new(),
        });
        let mut all = self.0.subscribers.write().unwrap_or_else(PoisonError::into_inner);
        all.push(own.clone());
        self.0.count.store(all.len(), Ordering::Release);
        Subscription { own, shared: self.0.clone() }
    }

    /// Whether anybody watches.
    pub fn is_watched(&self) -> bool {
        self.0.count.load(Ordering::Acquire) > 0
    }

    /// Tells whoever watches the session. The event is made only if somebody does.
    pub fn tell(&self, session: &str, event: impl FnOnce() -> (u64, StreamKind)) {
        if !self.is_watched() {
            return;
        }
        let (turn, kind) = event();
        let event = StreamEvent { session: session.into(), turn, kind };
        let all = self.0.subscribers.read().unwrap_or_else(PoisonError::into_inner);
        for subscriber in all.iter() {
            if subscriber.session.as_deref().is_none_or(|wanted| wanted == session) {
                subscriber.push(event.clone());
            }
        }
    }

    /// Where a provider's call for one answer puts its pieces.
    pub fn answer(&self, session: &str, turn: u64, round: u32) -> AnswerSink {
        self.tell(session, || (turn, StreamKind::Answering { round }));
        let (streams, session) = (self.clone(), session.to_owned());
        AnswerSink { streams, session, turn, holdback: Holdback::default() }
    }

    /// Ends every subscription, behind what it still holds.
    pub fn close(&self) {
        self.0.is_closed.store(true, Ordering::Release);
        for subscriber in self.0.subscribers.read().unwrap_or_else(PoisonError::into_inner).iter() {
            subscriber.more.notify_one();
        }
    }
}

impl Subscriber {
    fn push(&self, event: StreamEvent) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        self.more.notify_one();
    }

    fn pop(&self) -> Option<Item> {
        let next = self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        Some(match next {
            Next::Gap(missed) => Item::Gap(missed),
            Next::One(event) => Item::Event(event),
        })
    }
}

impl Subscription {
    /// The next event, or the gap before it; `None` once the engine has stopped. May be dropped
    /// while it waits: nothing is lost by that.
    pub async fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.own.pop() {
                return Some(item);
            }
            if self.shared.is_closed.load(Ordering::Acquire) {
                return None;
            }
            self.own.more.notified().await;
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut all = self.shared.subscribers.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|subscriber| !Arc::ptr_eq(subscriber, &self.own));
        self.shared.count.store(all.len(), Ordering::Release);
    }
}

/// One attempt at one answer, as it is streamed.
#[derive(Debug)]
pub struct AnswerSink {
    streams: Streams,
    session: String,
    turn: u64,
    holdback: Holdback,
}

impl AnswerSink {
    /// Tells the next piece; what may still become the silent token waits.
    pub fn piece(&mut self, piece: &str) {
        let shown = self.holdback.push(piece);
        if !shown.is_empty() {
            let turn = self.turn;
            self.streams.tell(&self.session, || (turn, StreamKind::Text(shown.into())));
        }
    }

    /// The attempt has ended.
    pub fn end(self) {
        if let Some(rest) = self.holdback.finish() {
            let turn = self.turn;
            self.streams.tell(&self.session, || (turn, StreamKind::Text(rest.into())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(number: usize) -> StreamKind {
        StreamKind::Text(number.to_string().into())
    }

    async fn rest(subscription: &mut Subscription) -> Vec<Item> {
        let mut items = Vec::new();
        while let Some(item) = subscription.next().await {
            items.push(item);
        }
        items
    }

    #[tokio::test]
    async fn a_slow_subscriber_sees_its_gap_and_the_end() {
        let streams = Streams::default();
        let (mut slow, mut quick) = (streams.subscribe(None), streams.subscribe(Some("a")));
        for number in 0..QUEUED_MAX + 10 {
            streams.tell("a", || (1, text(number)));
            streams.tell("b", || (2, text(number)));
            assert!(matches!(quick.next().await, Some(Item::Event(event)) if event.turn == 1));
        }
        streams.close();
        let items = rest(&mut slow).await;
        assert_eq!(items.first(), Some(&Item::Gap(QUEUED_MAX as u64 + 20)));
        assert_eq!(items.len(), QUEUED_MAX + 1);
        let last =
            Item::Event(StreamEvent { session: "b".into(), turn: 2, kind: text(QUEUED_MAX + 9) });
        assert_eq!(items.last(), Some(&last));
        assert!(rest(&mut quick).await.is_empty());
    }

    #[tokio::test]
    async fn nobody_is_told_once_nobody_watches() {
        let streams = Streams::default();
        drop(streams.subscribe(None));
        streams.tell("a", || unreachable!("nobody watches"));
        assert!(!streams.is_watched());
    }
}
