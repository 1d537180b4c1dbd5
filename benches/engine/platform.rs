//! A platform that takes everything at once, its people, and an engine over it.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use telson::{Builder, Engine};
use telson_actors::channel::{
    Capabilities, Channel, Evidence, LengthUnit, Outbound, Receipt, SendFailure, SendOutcome,
    Settled,
};
use telson_actors::clock::Timestamp;
use telson_actors::message::session_key::DmScope;
use telson_actors::message::{AccountKey, ChatKind, Destination, Inbound, SessionKey};
use telson_actors::router::{Access, Admission, AdmitError, Admitted, DmPolicy};
use telson_actors::store::StoreError;
use telson_supervision::EventKind;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub(crate) const NOW: Timestamp = Timestamp(1_790_000_000_000);
/// As long as that of a chat.db watcher.
pub(crate) const CURSOR: [u8; 24] = [7; 24];
/// A usual chat message.
const TEXT: &str =
    "Could you have a look at what is on tomorrow, and tell me when I have to leave?";
/// Enough that the channel never limits what is measured.
const SENDS_IN_FLIGHT_MAX: usize = 100_000;

/// Pause of a channel whose message could not be taken.
const COME_AGAIN: Duration = Duration::from_millis(10);

/// The platform. Clones share it.
#[derive(Clone)]
pub(crate) struct Platform(Arc<State>);

struct State {
    /// By number of the person: their reply has come.
    people: Vec<Notify>,
    came: AtomicUsize,
    first: OnceLock<Instant>,
    expected: usize,
    /// As many replies as expected have come.
    all: Notify,
}

impl Platform {
    pub(crate) fn new(people: usize) -> Self {
        Self::expecting(usize::MAX, people)
    }

    /// One that tells when so many replies have come.
    pub(crate) fn expecting(replies: usize, people: usize) -> Self {
        Self(Arc::new(State {
            people: (0..people).map(|_| Notify::new()).collect(),
            came: AtomicUsize::new(0),
            first: OnceLock::new(),
            expected: replies,
            all: Notify::new(),
        }))
    }

    /// Waits for the next reply to one person.
    pub(crate) async fn replied_to(&self, person: usize) {
        self.0.people[person].notified().await;
    }

    /// Waits until all expected replies have come; tells when the first and the last came.
    pub(crate) async fn all_replies(&self) -> (Instant, Instant) {
        self.0.all.notified().await;
        let last = Instant::now();
        (*self.0.first.get_or_init(|| last), last)
    }

    /// An engine with this platform as its only channel.
    pub(crate) fn builder(&self, dir: &Path) -> Builder {
        let everybody =
            Access { dm_policy: DmPolicy::Open, allow_from: vec!["*".into()], ..Access::default() };
        Engine::builder()
            .channel(account(), Arc::new(self.clone()), None, everybody)
            .rules(|rules| rules.session.dm_scope = DmScope::PerChannelPeer)
            .state_dir(dir)
    }
}

/// Shows what goes wrong in the tree: a bench over actors that crash measures something else.
/// It does so for as long as the answer lives.
#[must_use]
pub(crate) fn show_crashes(engine: &Engine) -> JoinSet<()> {
    let (mut events, mut showing) = (engine.supervision_events(), JoinSet::new());
    showing.spawn(async move {
        while let Ok(event) = events.recv().await {
            match event.kind {
                EventKind::Started | EventKind::Stopped => {}
                kind => eprintln!("{}: {kind:?}", event.path),
            }
        }
    });
    showing
}

impl Channel for Platform {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            text_max: 4000,
            text_unit: LengthUnit::Chars,
            sends_in_flight_max: SENDS_IN_FLIGHT_MAX,
            leaves_evidence: true,
        }
    }

    fn prepare<'a>(&'a self, _: &'a Outbound) -> BoxFuture<'a, Result<Evidence, SendFailure>> {
        Box::pin(std::future::ready(Ok(Evidence::default())))
    }

    fn send<'a>(&'a self, part: &'a Outbound, _: &'a Evidence) -> BoxFuture<'a, SendOutcome> {
        // Whoever has no number has a lane that hangs.
        let Ok(person) = part.to.target.parse::<usize>() else {
            return Box::pin(std::future::pending());
        };
        self.0.people[person].notify_one();
        self.0.first.get_or_init(Instant::now);
        if self.0.came.fetch_add(1, Ordering::AcqRel) + 1 == self.0.expected {
            self.0.all.notify_one();
        }
        let receipt = Receipt { platform_id: part.entry.clone(), note: String::new() };
        Box::pin(std::future::ready(SendOutcome::Sent(receipt)))
    }

    fn reconcile<'a>(&'a self, part: &'a Outbound, _: &'a Evidence) -> BoxFuture<'a, Settled> {
        let receipt = Receipt { platform_id: part.entry.clone(), note: String::new() };
        Box::pin(std::future::ready(Settled::Sent(receipt)))
    }
}

pub(crate) fn account() -> AccountKey {
    AccountKey::new("bench", "default")
}

pub(crate) fn session(person: usize) -> SessionKey {
    let (scope, person) = (DmScope::PerChannelPeer, person.to_string());
    SessionKey::direct("main", scope, &account(), &person, "main").unwrap()
}

/// The message of that number from that person.
pub(crate) fn inbound(person: usize, number: u64) -> Inbound {
    let target = person.to_string();
    Inbound {
        account: account(),
        dedupe_key: format!("8C1F2A3B-4D5E-6F70-{person}-{number}"),
        chat: ChatKind::Direct,
        peer: target.clone(),
        peer_aliases: vec![],
        thread: None,
        sender: target.clone(),
        reply_to: Destination { account: account(), target, thread: None },
        text: TEXT.into(),
        attachments: vec![],
        sent_at: NOW,
    }
}

/// Hands one message in together with a cursor, as a channel does: one that is told to come again
/// later does so.
pub(crate) async fn admit(
    engine: &Engine,
    person: usize,
    number: u64,
) -> Result<Admitted, AdmitError> {
    loop {
        let mut admission = Admission::new(account());
        admission.inbound.push(inbound(person, number));
        admission.cursor = Some(CURSOR.into());
        match engine.admissions().admit(admission).await {
            Err(AdmitError::Store(StoreError::Busy)) => tokio::time::sleep(COME_AGAIN).await,
            admitted => return admitted,
        }
    }
}
