//! What is told to everybody who is connected, each by its rights and wishes.
//!
//! Somebody who does not read holds up nobody: what waits is bounded in number and in bytes, and
//! beyond that the oldest is forgotten by those who have not read it. Invariant: L1.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::Value;
use tokio::sync::broadcast;

use crate::methods::Scope;

/// Events kept for a slow connection before it is ended.
const EVENTS_KEPT_MAX: usize = 8192;
/// Bytes of events that somebody has not read yet, for all connections together: what each is told
/// it may have waiting.
const BYTES_KEPT_MAX: usize = 50 * 1024 * 1024;

/// Something that happened.
#[derive(Debug, Clone)]
pub struct HubEvent {
    /// Its name on the wire.
    pub name: &'static str,
    /// What happened.
    payload: Arc<Payload>,
    /// The right it needs; `None` for everybody who is let in.
    pub scope: Option<Scope>,
    /// The topics of which a connection must have asked for one; empty for everybody.
    pub topics: Arc<[String]>,
}

/// What an event says is not there any more: too much of it waited to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Forgotten;

impl HubEvent {
    /// What happened, as JSON; nothing for whoever has read too slowly.
    pub fn text(&self) -> Option<Arc<str>> {
        self.payload.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The text of an event, counted as long as somebody has to read it.
#[derive(Debug)]
struct Payload {
    text: Mutex<Option<Arc<str>>>,
    unread: Arc<AtomicUsize>,
}

impl Payload {
    fn forget(&self) {
        let text = self.text.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(text) = text {
            self.unread.fetch_sub(text.len(), Ordering::AcqRel);
        }
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        self.forget();
    }
}

/// Where events come together. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub {
    events: Arc<broadcast::Sender<HubEvent>>,
    /// How many connections have asked for each topic.
    wanted: Arc<Mutex<BTreeMap<String, usize>>>,
    /// Bytes of events that somebody has not read.
    unread: Arc<AtomicUsize>,
    /// Those events, oldest first, and others that all have read.
    told: Arc<Mutex<VecDeque<Weak<Payload>>>>,
    bytes_max: usize,
}

impl Hub {
    /// A hub without readers.
    pub fn new() -> Self {
        Self::bounded(BYTES_KEPT_MAX)
    }

    fn bounded(bytes_max: usize) -> Self {
        Self {
            events: Arc::new(broadcast::channel(EVENTS_KEPT_MAX).0),
            wanted: Arc::default(),
            unread: Arc::default(),
            told: Arc::default(),
            bytes_max,
        }
    }

    /// Tells everybody with this right.
    pub fn tell(&self, name: &'static str, scope: Option<Scope>, payload: Value) {
        self.tell_topics(name, scope, &[], payload);
    }

    /// Tells those with this right who asked for one of these topics.
    pub fn tell_topics(
        &self,
        name: &'static str,
        scope: Option<Scope>,
        topics: &[String],
        payload: Value,
    ) {
        let is_wanted = topics.is_empty() || topics.iter().any(|topic| self.wants(topic));
        if is_wanted && self.is_heard() {
            let payload = self.weighed(payload.to_string().into());
            let event = HubEvent { name, payload, scope, topics: topics.into() };
            // The last reader may just have left.
            drop(self.events.send(event));
        }
    }

    /// A text that counts as unread, with room made for it.
    fn weighed(&self, text: Arc<str>) -> Arc<Payload> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = text.len();
        while let Some(oldest) = told.front() {
            let payload = oldest.upgrade();
            let unread = self.unread.load(Ordering::Acquire);
            if payload.is_some() && unread.saturating_add(bytes) <= self.bytes_max {
                break;
            }
            if let Some(payload) = payload {
                payload.forget();
            }
            told.pop_front();
        }
        self.unread.fetch_add(bytes, Ordering::AcqRel);
        let text = Mutex::new(Some(text));
        let payload = Arc::new(Payload { text, unread: self.unread.clone() });
        told.push_back(Arc::downgrade(&payload));
        payload
    }

    /// Whether anybody has asked for a topic.
    pub fn wants(&self, topic: &str) -> bool {
        self.topics().contains_key(topic)
    }

    /// The topics somebody has asked for.
    pub fn wanted(&self) -> Vec<String> {
        self.topics().keys().cloned().collect()
    }

    /// A connection asks for a topic, or asks for it no more.
    pub(super) fn want(&self, topic: &str, wants: bool) {
        let mut topics = self.topics();
        let count = topics.get(topic).copied().unwrap_or_default();
        match if wants { count + 1 } else { count.saturating_sub(1) } {
            0 => topics.remove(topic),
            count => topics.insert(topic.to_owned(), count),
        };
    }

    fn topics(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, usize>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anybody listens.
    pub fn is_heard(&self) -> bool {
        self.events.receiver_count() > 0
    }

    /// Reads from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<HubEvent> {
        self.events.subscribe()
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::sync::broadcast::error::TryRecvError;

    use super::*;

    // L1
    #[test]
    fn what_nobody_reads_is_bounded_in_bytes_and_forgotten_by_the_slow_alone() {
        let hub = Hub::bounded(10_000);
        let (mut slow, mut quick) = (hub.subscribe(), hub.subscribe());
        let text = "x".repeat(1_000);
        for number in 0..5_000 {
            hub.tell("chat", None, json!([number, text]));
            let heard = quick.try_recv().unwrap().text().expect("whoever reads misses nothing");
            assert!(heard.starts_with(&format!("[{number},")));
            assert!(hub.unread.load(Ordering::Acquire) <= 10_000);
        }
        let heard: Vec<bool> =
            (0..5_000).map(|_| slow.try_recv().unwrap().text().is_some()).collect();
        assert!(heard[..4_990].iter().all(|is_there| !is_there));
        assert_eq!(heard.iter().filter(|is_there| **is_there).count(), 9);
        assert_eq!(slow.try_recv().unwrap_err(), TryRecvError::Empty);
        assert_eq!(hub.unread.load(Ordering::Acquire), 0, "what all have read takes no room");
        hub.tell("chat", None, json!("y".repeat(50_000)));
        assert!(quick.try_recv().unwrap().text().is_some(), "a single one may be longer");
        hub.tell("chat", None, json!("short"));
        assert_eq!(hub.told.lock().unwrap().len(), 1);
    }
}
