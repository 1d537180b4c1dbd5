//! Answers shown while they are made: what stands on the platform in the end is the answer alone.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use telson::{Builder, Engine};
use telson_actors::channel::preview::PreviewLimits;
use telson_actors::channel::{
    Capabilities, Channel, Evidence, Outbound, Previews, SendFailure, SendOutcome, Settled,
};
use telson_actors::message::Destination;
use telson_actors::store::MemoryBackend;

use super::support::{Platform, account, direct, idle, open_access};
use super::{Act, Look, Model, speaking};

/// The platform of the other tests, on which messages can be changed and removed.
#[derive(Clone, Default)]
struct Editable {
    platform: Platform,
    shown: Arc<Mutex<Shown>>,
    /// Every call for a preview never ends.
    hangs: Arc<AtomicBool>,
    /// Every call for a preview panics.
    panics: Arc<AtomicBool>,
}

#[derive(Default)]
struct Shown {
    standing: BTreeMap<String, String>,
    /// Every text that was ever seen.
    seen: Vec<String>,
}

impl Editable {
    fn standing(&self) -> Vec<String> {
        self.shown.lock().unwrap().standing.values().cloned().collect()
    }

    fn seen(&self) -> Vec<String> {
        self.shown.lock().unwrap().seen.clone()
    }

    async fn play<T>(&self, then: impl FnOnce(&mut Shown) -> T) -> T {
        assert!(!self.panics.load(Ordering::SeqCst), "the preview panics");
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        then(&mut self.shown.lock().unwrap())
    }

    /// Waits until what stands is this.
    async fn until(&self, wanted: &[&str]) {
        let stands = async {
            while self.standing() != wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let seen = tokio::time::timeout(Duration::from_secs(30), stands).await;
        assert!(seen.is_ok(), "{wanted:?} does not stand, but {:?}", self.standing());
    }

    fn engine(&self, model: &Arc<Model>) -> Builder {
        let limits = PreviewLimits { chars_min: 5, pause: Duration::from_millis(1) };
        let builder = Engine::builder()
            .channel(account(), Arc::new(self.clone()), None, open_access())
            .previews(account(), limits);
        speaking(builder, model)
    }
}

impl Previews for Editable {
    fn show<'a>(
        &'a self,
        _: &'a Destination,
        text: &'a str,
    ) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(self.play(move |shown| {
            let id = shown.seen.len().to_string();
            shown.seen.push(text.into());
            shown.standing.insert(id.clone(), text.into());
            Ok(id)
        }))
    }

    fn change<'a>(
        &'a self,
        _: &'a Destination,
        id: &'a str,
        text: &'a str,
    ) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(self.play(move |shown| {
            shown.seen.push(text.into());
            *shown.standing.get_mut(id).ok_or("no such message")? = text.into();
            Ok(())
        }))
    }

    fn remove<'a>(&'a self, _: &'a Destination, id: &'a str) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(self.play(move |shown| {
            shown.standing.remove(id);
            Ok(())
        }))
    }
}

impl Channel for Editable {
    fn capabilities(&self) -> Capabilities {
        self.platform.capabilities()
    }

    fn prepare<'a>(&'a self, part: &'a Outbound) -> BoxFuture<'a, Result<Evidence, SendFailure>> {
        self.platform.prepare(part)
    }

    fn send<'a>(&'a self, part: &'a Outbound, seen: &'a Evidence) -> BoxFuture<'a, SendOutcome> {
        self.platform.send(part, seen)
    }

    fn reconcile<'a>(&'a self, part: &'a Outbound, seen: &'a Evidence) -> BoxFuture<'a, Settled> {
        self.platform.reconcile(part, seen)
    }

    fn previews(&self) -> Option<&dyn Previews> {
        Some(self)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_seen_growing_and_then_stands_alone() {
    let (platform, model) = (
        Editable::default(),
        Model::new([vec![
            Act::Say("Hi"),
            Act::Say(" there,"),
            Act::Wait,
            Act::Say(" you"),
            Act::Wait,
        ]]),
    );
    let backend = Arc::new(MemoryBackend::new());
    let engine = platform.engine(&model).backend(backend).start().await.unwrap();
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    platform.until(&["Hi there,"]).await;
    model.go_on.notify_one();
    platform.until(&["Hi there, you"]).await;
    assert!(platform.platform.sent().is_empty());
    model.go_on.notify_one();
    idle(&engine).await;
    platform.until(&[]).await;
    assert_eq!(platform.platform.sent_to("anna"), ["Hi there, you"]);
    engine.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_is_never_seen() {
    let platform = Editable::default();
    let model = Model::new([
        vec![Act::Say("NO_REP"), Act::Say("LY")],
        vec![Act::Say("Hello there"), Act::Wait],
    ]);
    let backend = Arc::new(MemoryBackend::new());
    let engine = platform.engine(&model).backend(backend).start().await.unwrap();
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    idle(&engine).await;
    engine.inject(direct("2", "anna", "hi")).await.unwrap();
    platform.until(&["Hello there"]).await;
    assert_eq!(platform.seen(), ["Hello there"], "nothing was seen of the silence before");
    model.go_on.notify_one();
    idle(&engine).await;
    engine.shutdown(Duration::from_secs(5)).await;
}

// What an earlier life has left on the platform is removed by the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_does_not_outlive_its_turn_by_a_crash() {
    let (platform, dir) = (Editable::default(), tempfile::tempdir().unwrap());
    let model = Model::new([
        vec![Act::Say("Hello there"), Act::Wait],
        vec![Act::Say("Hello again"), Act::Wait],
    ]);
    let engine = platform.engine(&model).state_dir(dir.path()).start().await.unwrap();
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    platform.until(&["Hello there"]).await;
    engine.shutdown(Duration::from_millis(100)).await;
    drop(engine);
    assert_eq!(platform.standing(), ["Hello there"]);
    let engine = platform.engine(&model).state_dir(dir.path()).start().await.unwrap();
    model.go_on.notify_one();
    idle(&engine).await;
    platform.until(&[]).await;
    assert_eq!(platform.platform.sent_to("anna"), ["Hello again"]);
    engine.shutdown(Duration::from_secs(5)).await;
}

// Isolation: the answer comes whatever becomes of its preview.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_that_hangs_or_panics_costs_only_the_sight() {
    for panics in [false, true] {
        let platform = Editable::default();
        let flag = if panics { &platform.panics } else { &platform.hangs };
        flag.store(true, Ordering::SeqCst);
        let model = Model::new([
            vec![Act::Babble(3000)],
            vec![Act::Say("One more"), Act::Call],
            vec![Act::Say("thing")],
        ]);
        let engine = platform.engine(&model).tool(Arc::new(Look), &["main"]);
        let engine = engine.backend(Arc::new(MemoryBackend::new())).start().await.unwrap();
        for number in 0..2 {
            engine.inject(direct(&number.to_string(), "anna", "hi")).await.unwrap();
            idle(&engine).await;
        }
        let sent = platform.platform.sent_to("anna");
        assert_eq!((sent[0].len(), sent[1].as_str()), (3000, "thing"));
        assert_eq!(platform.standing(), [""; 0]);
        engine.shutdown(Duration::from_secs(5)).await;
    }
}
