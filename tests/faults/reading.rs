//! A disk that can't be read for a moment, in the middle of an admission: nothing of it was taken in,
//! so all of it is when it is offered again.

#![allow(clippy::unwrap_used, reason = "a test helper fails its test")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use telson::Engine;
use telson_actors::inbox::dedupe_key;
use telson_actors::message::Inbound;
use telson_actors::router::{Access, Admission, AdmitError, DmPolicy};
use telson_actors::store::{Backend, Key, MemoryBackend, Pair, StoreError, Write};

use crate::support::{Platform, account, builder, direct, idle, open_access};

/// A disk on which one key can't be read, once.
#[derive(Clone, Default)]
struct Disk {
    memory: MemoryBackend,
    unreadable: Arc<Mutex<Option<Key>>>,
}

impl Disk {
    fn unreadable_once(&self, message: &Inbound) {
        let key = dedupe_key(&message.account, &message.dedupe_key);
        *self.unreadable.lock().unwrap() = Some(key);
    }
}

impl Backend for Disk {
    fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.memory.commit(writes)
    }

    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        if self.unreadable.lock().unwrap().take_if(|unreadable| unreadable == key).is_some() {
            return Err(StoreError::Database("read failed (injected)".into()));
        }
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

/// Offers two messages together, of which the second can't be looked up the first time.
async fn offered_twice(access: Access, first: Inbound, second: Inbound) -> (Platform, Engine) {
    let (platform, disk) = (Platform::new(), Disk::default());
    let mut describing = builder(&platform).backend(Arc::new(disk.clone()));
    describing = describing.rules(|rules| {
        rules.access.insert(account(), access);
    });
    let engine = describing.start().await.unwrap();
    disk.unreadable_once(&second);
    let mut admission = Admission::new(account());
    admission.inbound = vec![first, second];
    let refused = engine.admissions().admit(admission.clone()).await;
    assert!(matches!(refused, Err(AdmitError::Store(_))), "{refused:?}");
    let admitted = engine.admissions().admit(admission).await.unwrap();
    assert_eq!(admitted.duplicates, 0, "nothing had been taken in");
    idle(&engine).await;
    (platform, engine)
}

// D2: a refused admission leaves nothing behind that would make a message look known.
#[tokio::test(start_paused = true)]
async fn an_admission_that_failed_half_way_is_taken_in_whole_the_next_time() {
    let (first, second) = (direct("1", "ann", "one"), direct("2", "bob", "two"));
    let (platform, engine) = offered_twice(open_access(), first, second).await;
    assert_eq!(platform.sent_to("ann"), ["echo: one"]);
    assert_eq!(platform.sent_to("bob"), ["echo: two"]);
    engine.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn a_stranger_gets_the_code_that_an_admission_failed_to_send() {
    let access =
        Access { dm_policy: DmPolicy::Pairing, allow_from: vec!["bob".into()], ..open_access() };
    let (first, second) = (direct("1", "stranger", "hello"), direct("2", "bob", "two"));
    let (platform, engine) = offered_twice(access, first, second).await;
    let told = platform.sent_to("stranger");
    assert!(matches!(&told[..], [code] if code.contains("the code")), "{told:?}");
    assert_eq!(platform.sent_to("bob"), ["echo: two"]);
    engine.shutdown(Duration::from_secs(5)).await;
}
