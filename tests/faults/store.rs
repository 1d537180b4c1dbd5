//! A disk that is slow, and one that fails once: what was acknowledged is answered, and after a
//! failure nothing more is acknowledged.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test helper fails its test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use telson::Engine;
use telson_actors::message::Inbound;
use telson_actors::store::{Backend, Key, MemoryBackend, MemoryFault, Pair, StoreError, Write};

use crate::model::{reasons, within};
use crate::support::{Platform, builder, direct, idle};

/// A disk that takes its time for every commit, and may fail one.
#[derive(Clone, Default)]
struct Disk {
    memory: MemoryBackend,
    slow: Duration,
    /// The pause between the write and the word that it is done.
    silent: Duration,
    /// Commits until this fault.
    fails: Arc<Option<(AtomicUsize, MemoryFault)>>,
}

impl Disk {
    fn slow(slow: Duration) -> Self {
        Self { slow, ..Self::default() }
    }

    fn failing(after: usize, fault: MemoryFault) -> Self {
        let fails = Arc::new(Some((AtomicUsize::new(after), fault)));
        Self { fails, ..Self::default() }
    }
}

impl Backend for Disk {
    fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
        std::thread::sleep(self.slow);
        if let Some((left, fault)) = &*self.fails
            && left.fetch_sub(1, Ordering::SeqCst) == 0
        {
            self.memory.fail_next(*fault);
        }
        let written = self.memory.commit(writes);
        std::thread::sleep(self.silent);
        written
    }

    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        self.memory.get(key)
    }

    fn scan(
        &self,
        prefix: &Key,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        self.memory.scan(prefix, after, limit)
    }

    fn tail(&self, prefix: &Key, limit: usize) -> Result<Vec<Pair>, StoreError> {
        self.memory.tail(prefix, limit)
    }
}

fn message(number: usize) -> Inbound {
    direct(&number.to_string(), &format!("person{}", number % 3), &format!("<{number}>"))
}

/// What a lane should have heard.
fn answers(person: usize, count: usize) -> Vec<String> {
    (0..count).filter(|n| n % 3 == person).map(|n| format!("echo: <{n}>")).collect()
}

async fn all_answered_on(disk: Disk, count: usize) {
    let platform = Platform::new();
    let engine = builder(&platform).blocking_backend(Arc::new(disk)).start().await.unwrap();
    let mut offers = tokio::task::JoinSet::new();
    for number in 0..count {
        let engine = engine.clone();
        offers.spawn(async move { engine.inject(message(number)).await.unwrap() });
        // Each is offered behind the one before it, and nobody waits for the disk.
        tokio::task::yield_now().await;
    }
    let admitted: usize = offers.join_all().await.iter().map(|offer| offer.admitted).sum();
    assert_eq!(admitted, count);
    idle(&engine).await;
    for person in 0..3 {
        let mut heard = platform.sent_to(&format!("person{person}"));
        heard.sort_unstable();
        let mut expected = answers(person, count);
        expected.sort_unstable();
        assert_eq!(heard, expected);
    }
    assert_eq!(reasons(&engine), [""; 0]);
    engine.shutdown(Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_disk_slows_and_loses_nothing() {
    all_answered_on(Disk::slow(Duration::from_millis(200)), 30).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_of_two_seconds_a_commit_still_serves() {
    all_answered_on(Disk::slow(Duration::from_secs(2)), 3).await;
}

// D2: a message that anybody can see is under way: an engine that is drained in this moment answers
// it first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_on_disk_counts_as_under_way() {
    let disk = Disk { silent: Duration::from_millis(150), ..Disk::default() };
    let platform = Platform::new();
    let engine = builder(&platform).blocking_backend(Arc::new(disk)).start().await.unwrap();
    let offering = engine.clone();
    let offer = async move { offering.inject(message(1)).await.unwrap() };
    let drain = async {
        while engine.why("<1>").await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        engine.drain(Duration::from_secs(20)).await
    };
    let (_, drained) = tokio::join!(offer, drain);
    assert!(drained);
    assert_eq!(platform.sent_to("person1"), ["echo: <1>"]);
    engine.shutdown(Duration::from_secs(5)).await;
}

/// Offers messages until the engine says that it has failed; answers which were acknowledged.
async fn offer_until_failed(engine: &Engine) -> Vec<usize> {
    let mut acknowledged = Vec::new();
    let failed = engine.failed();
    tokio::pin!(failed);
    for number in 0..200 {
        let offer = tokio::time::timeout(Duration::from_secs(10), engine.inject(message(number)));
        match offer.await.expect("an offer is always answered") {
            Ok(_) => acknowledged.push(number),
            Err(_) => break,
        }
        // Answers and receipts commit between two offers.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let reason = tokio::time::timeout(Duration::from_secs(10), &mut failed).await;
    let reason = reason.expect("the engine says that it has failed");
    assert!(reason.to_string().contains("injected"), "{reason}");
    // D1: after the failure nothing is acknowledged.
    assert!(engine.inject(message(1000)).await.is_err());
    acknowledged
}

// D1: whichever commit fails, and whether or not it reached the disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_commit_ends_the_engine_and_loses_nothing() {
    for fault in [MemoryFault::FailedFlush, MemoryFault::FailedAfterWrite] {
        for after in 3..30 {
            let (platform, disk) = (Platform::new(), Disk::failing(after, fault));
            let start = || builder(&platform).blocking_backend(Arc::new(disk.clone())).start();
            let engine = start().await.unwrap();
            let acknowledged = offer_until_failed(&engine).await;
            engine.shutdown(Duration::from_secs(5)).await;
            drop(engine);
            let engine = start().await.unwrap();
            // The platform redelivers what was not acknowledged.
            let count = acknowledged.len() + 2;
            for number in acknowledged.len()..count {
                engine.inject(message(number)).await.unwrap();
            }
            idle(&engine).await;
            let heard = || {
                let all: String = platform.sent().into_iter().map(|(_, text)| text + " ").collect();
                (0..count).map(|n| all.matches(&format!("<{n}>")).count()).collect::<Vec<_>>()
            };
            let letters = format!("{:?}", engine.dead_letters().list().unwrap());
            let seen: Vec<usize> = (heard().into_iter().enumerate())
                .map(|(n, times)| times + letters.matches(&format!("<{n}>")).count().min(1))
                .collect();
            // A send whose beginning was journalled and whose end was not is looked for: the
            // platform knows it, or nothing was sent and it is shown.
            assert_eq!(seen, vec![1; count], "{fault:?} at {after}: {letters}");
            within(Duration::from_secs(5), "idle", || engine.load().is_idle()).await;
            engine.shutdown(Duration::from_secs(5)).await;
        }
    }
}
