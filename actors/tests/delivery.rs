//! The delivery actor, told of the same entry more than once.

#![allow(clippy::unwrap_used, reason = "a test helper fails its test")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ractor::Actor;
use telson_actors::channel::{Callback, Channel, Outbound};
use telson_actors::clock::Clock;
use telson_actors::event::Journal;
use telson_actors::hook::Hooks;
use telson_actors::load::LoadSnapshot;
use telson_actors::message::{AccountKey, Destination, SessionKey};
use telson_actors::outbox::{
    DeliveryActor, DeliveryDeps, Draft, EntryRecord, Outbox, Style, UnsettledSends,
};
use telson_actors::store::{Batch, MemoryBackend, Store};
use telson_supervision::{Dice, Health, Registry};

/// Writes an entry as a session does, and gives it back untold.
async fn write(store: &Store, outbox: &Outbox, text: &str) -> Vec<EntryRecord> {
    let account = AccountKey::new("fake", "default");
    let draft = Draft {
        session: SessionKey::main("main", "main").unwrap(),
        turn: 1,
        to: Destination { account, target: "anna".into(), thread: None },
        text: text.into(),
        speaker: None,
    };
    let mut batch = Batch::new();
    let entries = outbox.add(&mut batch, &draft, Clock::system().now()).unwrap();
    store.commit(batch).await.unwrap();
    entries
}

async fn delivered(store: &Store) {
    let empty = async {
        while LoadSnapshot::of(store).undelivered > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), empty).await.unwrap();
}

// D3: whoever writes an entry may tell of it late, when it was found in the store and sent already.
#[tokio::test]
async fn an_entry_that_is_told_of_after_it_was_sent_is_not_sent_again() {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let ledger = sent.clone();
    let channel: Arc<dyn Channel> = Arc::new(Callback::new(move |part: &Outbound| {
        ledger.lock().unwrap().push(part.text.clone());
        Ok(())
    }));
    let (account, registry) = (AccountKey::new("fake", "default"), Registry::new());
    let store = Store::inline(Arc::new(MemoryBackend::new())).unwrap();
    let style = Style {
        capabilities: channel.capabilities(),
        prefix: String::new(),
        blocks: false,
        by_paragraph: false,
    };
    let styles = BTreeMap::from([(account.clone(), style)]);
    let outbox = Outbox::new(store.clone(), registry.clone(), styles);
    let early = write(&store, &outbox, "early").await;
    let deps = DeliveryDeps {
        backlog: outbox.backlog(&account),
        account,
        channel,
        unsettled: UnsettledSends::Park,
        store: store.clone(),
        clock: Clock::system(),
        dice: Dice::random(),
        journal: Journal::new(),
        hooks: Hooks::new(Vec::new(), registry.clone()),
        registry,
        health: Health::new(),
    };
    // It finds the entry when it starts.
    let (delivery, running) = Actor::spawn(None, DeliveryActor, deps).await.unwrap();
    delivered(&store).await;
    outbox.written(early);
    // What comes behind it in its lane goes out.
    outbox.written(write(&store, &outbox, "later").await);
    delivered(&store).await;
    assert_eq!(*sent.lock().unwrap(), ["early", "later"]);
    delivery.stop(None);
    running.await.unwrap();
}
