use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use telson_actors::clock::Timestamp;
use telson_actors::store::MemoryBackend;
use tokio::sync::broadcast::Receiver;

use super::*;
use crate::gateway::hub::HubEvent;

/// Messages that are more than anybody keeps for a slow reader of news.
const MANY: u64 = 1500;

struct Scene {
    deps: NarratorDeps,
    sessions: [SessionKey; 2],
    told: Receiver<HubEvent>,
    sent: Vec<u64>,
}

impl Scene {
    fn new() -> Self {
        let store = Store::inline(Arc::new(MemoryBackend::new())).unwrap();
        let hub = Hub::new();
        let sessions = ["a", "b"].map(|name| SessionKey::main("main", name).unwrap());
        for session in &sessions {
            hub.want(&topic_of(session.as_str()), true);
        }
        let told = hub.subscribe();
        let deps = NarratorDeps {
            hub,
            runs: Runs::default(),
            streams: Streams::default(),
            journal: Journal::default(),
            web_chat: WebChat::new(store.clone()),
            store,
            clock: Clock::virtual_from(Timestamp(0)),
        };
        Self { deps, sessions, told, sent: Vec::new() }
    }

    /// Keeps messages in both sessions by turns, while nobody runs.
    async fn put(&mut self, messages: u64) {
        for nth in 0..messages {
            let session = &self.sessions[usize::try_from(nth % 2).unwrap()];
            let record = self.deps.web_chat.put(session, "x", Timestamp(0)).await.unwrap();
            self.sent.push(record.number);
        }
    }

    /// What readers were told since the last look.
    fn told(&mut self) -> Vec<u64> {
        let mut told = Vec::new();
        while let Ok(event) = self.told.try_recv() {
            let payload: Value = serde_json::from_str(&event.text().unwrap()).unwrap();
            told.extend(payload["number"].as_u64());
        }
        told.sort_unstable();
        told
    }

    fn sent(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.sent)
    }
}

/// Lets it work until it waits for more.
async fn work(narrator: &mut Pin<&mut impl Future<Output = ()>>) {
    for _ in 0..100 {
        let polled = narrator.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(polled, Poll::Pending, "it goes on as long as the engine");
        // A task may only do so much before it lets others work.
        tokio::task::yield_now().await;
    }
}

// D5: over the deaths of whoever tells, and whatever it has missed, each message is told once.
#[tokio::test]
async fn a_reader_is_told_each_message_once_whatever_becomes_of_the_narrator() {
    let mut scene = Scene::new();
    scene.put(10).await;
    scene.sent();
    // Another life of the service: what it finds is read by those who come.
    scene.deps.web_chat = WebChat::new(scene.deps.store.clone());
    scene.deps.runs = Runs::default();
    for _ in 0..3 {
        let mut narrator = pin!(run(scene.deps.clone()));
        work(&mut narrator).await;
        assert_eq!(scene.told(), scene.sent(), "what was kept while nobody told");
        scene.put(10).await;
        work(&mut narrator).await;
        assert_eq!(scene.told(), scene.sent());
        scene.put(MANY).await;
        work(&mut narrator).await;
        assert_eq!(scene.told(), scene.sent(), "more than it was told itself");
        scene.put(3).await;
        work(&mut narrator).await;
        assert_eq!(scene.told(), scene.sent());
        scene.put(5).await;
    }
}
