//! Every kind of stored record, with a flipped bit here and there: the engine starts, says what is
//! damaged, keeps it whole, and answers everybody else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use telson::Engine;
use telson::actors::clock::{Clock, Timestamp};
use telson::actors::message::{AccountKey, Inbound};
use telson::actors::provider::{Completion, Failure, Provider, Request, TextSink};
use telson::actors::router::{Access, Admission, DmPolicy};
use telson::actors::session::AgentProfile;
use telson::actors::store::{Key, MemoryBackend, Space};
use telson::supervision::Dice;

use crate::support::{Behaviour, Platform, account, builder, direct, idle};

/// Bits flipped in each record, evenly over its length: header, numbers and text.
const BITS: usize = 10;
/// The janitor has looked at everything by then.
const PATROL_DONE: Duration = Duration::from_secs(75);

/// A model that never answers.
pub(crate) struct Silent;

impl Provider for Silent {
    fn stream<'a>(
        &'a self,
        _: &'a Request,
        _: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        Box::pin(std::future::pending())
    }
}

pub(crate) fn silent_agent() -> AgentProfile {
    AgentProfile {
        provider: "silent".into(),
        model: "m".into(),
        system: String::new(),
        output_tokens_max: 1,
    }
}

fn life(platform: &Platform, backend: &MemoryBackend) -> telson::Builder {
    let doors = AccountKey::new("doors", "default");
    let strict = Access { dm_policy: DmPolicy::Pairing, ..Access::default() };
    builder(platform)
        .channel(doors, Arc::new(platform.clone()), None, strict)
        .backend(Arc::new(backend.clone()))
        .determined_by(Clock::virtual_from(Timestamp(1_700_000_000_000)), Dice::seeded(5))
}

async fn end(engine: Engine) {
    engine.shutdown(Duration::from_secs(1)).await;
}

/// A store with a record of every kind, at least one.
async fn furnished() -> MemoryBackend {
    let (platform, mut backend) = (Platform::new(), MemoryBackend::new());
    let engine = life(&platform, &backend).start().await.unwrap();
    engine.inject(direct("1", "anna", "good morning")).await.unwrap();
    idle(&engine).await;
    platform.script([Behaviour::Reject]);
    engine.inject(direct("2", "bob", "this one will be refused")).await.unwrap();
    idle(&engine).await;
    let mut admission = Admission::new(account());
    admission.cursor = Some(b"as far as row 17".to_vec());
    engine.admissions().admit(admission).await.unwrap();
    end(engine).await;
    // A turn is journalled when it is resumed after a crash.
    for eve in ["eve", "evan"] {
        let engine = life(&platform, &backend)
            .agent("main", silent_agent())
            .provider("silent", Arc::new(Silent))
            .start()
            .await
            .unwrap();
        engine.inject(direct("5", "dora", "underground umbrella")).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        // Somebody unknown gets a pairing code, which hangs on its way.
        platform.script([Behaviour::Hang]);
        let doors = AccountKey::new("doors", "default");
        let stranger = Inbound::direct(&doors, eve, eve, "let me in", Timestamp(0));
        engine.inject(stranger).await.unwrap();
        // What is on the disk at this moment: this life does not end in order.
        let left = backend.fork();
        end(engine).await;
        backend = left;
    }
    backend
}

#[tokio::test(start_paused = true)]
async fn a_flipped_bit_is_found_and_shown_and_stops_nobody() {
    let furnished = furnished().await;
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for key in furnished.keys() {
        for step in 0..BITS {
            let backend = furnished.fork();
            let value = backend.flip(&key, step, BITS).expect("there is a value");
            let kind = judge(&backend, &key, &value).await;
            *kinds.entry(kind).or_default() += 1;
        }
    }
    let all = [
        "cursor",
        "dead letter",
        "exchange",
        "message",
        "pairings",
        "platform id",
        "receipt",
        "reply",
        "session",
        "store",
        "turn",
        "usage",
        "where to tell of a pairing",
    ];
    assert!(kinds.keys().copied().eq(all), "{kinds:?}");
    assert!(kinds.values().all(|judged| *judged >= BITS), "{kinds:?}");
}

/// Starts the engine on a store with one damaged record; answers what kind of record it was.
async fn judge(backend: &MemoryBackend, key: &Key, value: &[u8]) -> &'static str {
    let platform = Platform::new();
    let engine = life(&platform, backend).start().await.unwrap();
    engine.inject(direct("6", "zoe", "are you all right?")).await.unwrap();
    let again = engine.inject(direct("1", "anna", "good morning")).await.unwrap();
    assert_eq!((again.admitted, again.duplicates), (0, 1), "D5, {}", key.readable());
    tokio::time::sleep(PATROL_DONE).await;
    let again = engine.inject(direct("1", "anna", "good morning")).await.unwrap();
    assert_eq!((again.admitted, again.duplicates), (0, 1), "D5 later, {}", key.readable());
    assert_eq!(platform.sent_to("zoe"), ["echo: are you all right?"], "{}", key.readable());
    assert_eq!(platform.sent_to("anna"), [""; 0], "answered in an earlier life");
    assert_eq!(engine.load().damaged, 1, "{}", key.readable());
    let damaged = engine.dead_letters().damaged().unwrap();
    assert_eq!(damaged.len(), 1);
    assert_eq!((&damaged[0].key[..], &damaged[0].value[..]), (key.as_bytes(), value));
    let kind = damaged[0].kind();
    if kind == "message" {
        assert_eq!(platform.sent_to("dora"), [""; 0]);
        shown(&engine, ["underground", "umbrella"]).await;
    } else {
        assert_eq!(platform.sent_to("dora"), ["echo: underground umbrella"], "{kind}");
    }
    if kind == "reply" {
        shown(&engine, ["operator", "gateway"]).await;
    }
    end(engine).await;
    kind
}

/// What is left of a text leads to the damaged record. One of the words is whole.
async fn shown(engine: &Engine, words: [&str; 2]) {
    let mut states = Vec::new();
    for word in words {
        states.extend(engine.why(word).await.unwrap().into_iter().map(|journey| journey.state));
    }
    assert!(states.contains(&"damaged"), "{states:?}");
}

// The store's own records are kept twice, and without either copy nothing is guessed.
#[tokio::test(start_paused = true)]
async fn without_its_own_records_the_store_does_not_open() {
    for name in ["opened", "sequence"] {
        let backend = furnished().await;
        let copies: Vec<Key> = backend
            .keys()
            .into_iter()
            .filter(|key| key.is_in(Space::Meta) && key.readable().contains(name))
            .collect();
        assert_eq!(copies.len(), 2);
        for copy in &copies {
            backend.flip(copy, 3, 10);
        }
        let error = life(&Platform::new(), &backend).start().await.err().expect("it is refused");
        let text = error.to_string();
        assert!(text.contains(name) && text.contains("checksum mismatch"), "{text}");
    }
}
