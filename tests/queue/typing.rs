//! The sign that an answer is being made is there while a turn runs, and never longer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use telson::Engine;
use telson_actors::channel::typing::Typing;
use telson_actors::channel::{
    Capabilities, Channel, Evidence, Outbound, SendFailure, SendOutcome, Settled,
};
use telson_actors::message::Destination;
use telson_actors::message::session_key::DmScope;
use telson_actors::store::MemoryBackend;
use tokio::time::Instant;

use crate::desk::{Desk, stop, until};
use crate::support::{Platform, account, direct, idle, open_access};

/// The platform with a sign, and a ledger of it.
#[derive(Clone)]
struct Signs {
    platform: Platform,
    ledger: Arc<Mutex<Vec<(&'static str, Duration)>>>,
    began: Instant,
    hangs: Arc<AtomicBool>,
}

impl Signs {
    fn new() -> Self {
        let (ledger, hangs) = (Arc::default(), Arc::default());
        Self { platform: Platform::new(), ledger, began: Instant::now(), hangs }
    }

    fn ledger(&self) -> Vec<&'static str> {
        self.ledger.lock().unwrap().iter().map(|(what, _)| *what).collect()
    }

    fn shown_at(&self) -> Vec<u64> {
        let ledger = self.ledger.lock().unwrap();
        ledger.iter().filter(|(what, _)| *what == "show").map(|(_, at)| at.as_secs()).collect()
    }

    fn is_clear(&self) -> bool {
        self.ledger().last() == Some(&"clear")
    }

    async fn call(&self, what: &'static str) {
        self.ledger.lock().unwrap().push((what, self.began.elapsed()));
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }
}

impl Typing for Signs {
    fn show<'a>(&'a self, _: &'a Destination) -> BoxFuture<'a, ()> {
        Box::pin(self.call("show"))
    }

    fn clear<'a>(&'a self, _: &'a Destination) -> BoxFuture<'a, ()> {
        Box::pin(self.call("clear"))
    }
}

impl Channel for Signs {
    fn capabilities(&self) -> Capabilities {
        self.platform.capabilities()
    }

    fn typing(&self) -> Option<Arc<dyn Typing>> {
        Some(Arc::new(self.clone()))
    }

    fn prepare<'a>(&'a self, part: &'a Outbound) -> BoxFuture<'a, Result<Evidence, SendFailure>> {
        self.platform.prepare(part)
    }

    fn send<'a>(
        &'a self,
        part: &'a Outbound,
        evidence: &'a Evidence,
    ) -> BoxFuture<'a, SendOutcome> {
        self.platform.send(part, evidence)
    }

    fn reconcile<'a>(
        &'a self,
        part: &'a Outbound,
        evidence: &'a Evidence,
    ) -> BoxFuture<'a, Settled> {
        self.platform.reconcile(part, evidence)
    }
}

async fn start(desk: &Desk, signs: &Signs) -> Engine {
    let channel: Arc<dyn Channel> = Arc::new(signs.clone());
    let builder = Engine::builder().channel(account(), channel, None, open_access());
    desk.staff(builder.rules(|rules| rules.session.dm_scope = DmScope::PerChannelPeer))
        .backend(Arc::new(MemoryBackend::new()))
        .start()
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn it_is_refreshed_while_the_turn_runs_and_cleared_when_it_ends() {
    let (desk, signs) = (Desk::default(), Signs::new());
    let engine = start(&desk, &signs).await;
    engine.inject(direct("1", "anna", "work 1")).await.unwrap();
    until("the tool runs", || desk.called().len() == 1).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(signs.shown_at(), [0, 6, 12, 18]);
    assert!(!signs.is_clear());
    desk.open(1);
    idle(&engine).await;
    until("it is cleared", || signs.is_clear()).await;
    let before = signs.ledger().len();
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(signs.ledger().len(), before, "nothing more is shown");
    assert_eq!(signs.platform.sent_to("anna"), ["work 1"]);
    stop(engine).await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_and_a_crash_take_it_away() {
    let (desk, signs) = (Desk::default(), Signs::new());
    let engine = start(&desk, &signs).await;
    engine.inject(direct("1", "anna", "hang")).await.unwrap();
    until("it is shown", || signs.ledger() == ["show"]).await;
    assert!(engine.kill_actor("agent:main:fake:direct:anna"), "the session crashes");
    // Whether it flickers or not: the new life holds it, and a stop ends it.
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(signs.ledger().last(), Some(&"show"), "{:?}", signs.ledger());
    engine.inject(direct("2", "anna", "/stop")).await.unwrap();
    idle(&engine).await;
    until("it is cleared", || signs.is_clear()).await;
    let before = signs.ledger().len();
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(signs.ledger().len(), before, "the crashed life has left nothing behind");
    stop(engine).await;
}

#[tokio::test(start_paused = true)]
async fn a_sign_that_hangs_holds_up_nobody() {
    let (desk, signs) = (Desk::default(), Signs::new());
    signs.hangs.store(true, Ordering::SeqCst);
    let engine = start(&desk, &signs).await;
    let began = Instant::now();
    engine.inject(direct("1", "anna", "hello")).await.unwrap();
    idle(&engine).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(signs.platform.sent_to("anna"), ["hello"]);
    signs.hangs.store(false, Ordering::SeqCst);
    engine.inject(direct("2", "anna", "work 1")).await.unwrap();
    until("the tool runs", || desk.called().len() == 1).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(!signs.is_clear(), "it is shown again: {:?}", signs.ledger());
    desk.open(1);
    idle(&engine).await;
    until("it is cleared", || signs.is_clear()).await;
    stop(engine).await;
}
