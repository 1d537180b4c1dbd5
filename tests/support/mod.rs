//! A platform that keeps its own record, for tests that judge the engine from outside.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test helper fails its test"
)]
#![allow(dead_code, reason = "every test binary uses its own part")]

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use telson::supervision::Node;
use telson::{Builder, Engine};
use telson_actors::channel::{
    Capabilities, Channel, Evidence, LengthUnit, Outbound, Receipt, SendFailure, SendOutcome,
    Settled,
};
use telson_actors::clock::Timestamp;
use telson_actors::message::{AccountKey, Inbound};
use telson_actors::router::Access;

/// What the platform does with one send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Takes it and says so.
    Accept,
    /// Refuses it for the moment.
    Refuse,
    /// Refuses it for good.
    Reject,
    /// Takes it and says nothing useful.
    AcceptInDoubt,
    /// Loses it and says nothing useful.
    LoseInDoubt,
    /// Takes it, then the client panics.
    AcceptAndPanic,
    /// Never answers.
    Hang,
}

/// A chat platform in memory. Clones share it; it outlives engines.
#[derive(Clone, Default)]
pub(crate) struct Platform(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    sent: Vec<(String, String)>,
    entries: HashMap<String, usize>,
    script: VecDeque<Behaviour>,
    delay: Duration,
}

impl Platform {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// What the next sends meet; afterwards everything is accepted.
    pub(crate) fn script(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        self.0.lock().unwrap().script.extend(behaviours);
    }

    /// How long the answer to each send takes.
    pub(crate) fn delay(&self, delay: Duration) {
        self.0.lock().unwrap().delay = delay;
    }

    /// Everything that arrived, in order: target and text.
    pub(crate) fn sent(&self) -> Vec<(String, String)> {
        self.0.lock().unwrap().sent.clone()
    }

    /// The texts that arrived at one target.
    pub(crate) fn sent_to(&self, target: &str) -> Vec<String> {
        self.sent().into_iter().filter(|(to, _)| to == target).map(|(_, text)| text).collect()
    }

    fn accept(&self, part: &Outbound) {
        let mut state = self.0.lock().unwrap();
        state.sent.push((part.to.target.clone(), part.text.clone()));
        *state.entries.entry(part.entry.clone()).or_default() += 1;
    }

    fn knows(&self, entry: &str) -> bool {
        self.0.lock().unwrap().entries.contains_key(entry)
    }
}

impl Channel for Platform {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            text_max: 4000,
            text_unit: LengthUnit::Chars,
            sends_in_flight_max: 64,
            leaves_evidence: true,
        }
    }

    fn prepare<'a>(&'a self, _: &'a Outbound) -> BoxFuture<'a, Result<Evidence, SendFailure>> {
        Box::pin(async { Ok(Evidence::default()) })
    }

    fn send<'a>(&'a self, part: &'a Outbound, _: &'a Evidence) -> BoxFuture<'a, SendOutcome> {
        Box::pin(async move {
            let (behaviour, delay) = {
                let mut state = self.0.lock().unwrap();
                (state.script.pop_front().unwrap_or(Behaviour::Accept), state.delay)
            };
            if behaviour == Behaviour::Accept {
                self.accept(part);
            }
            // The platform has it; the answer takes its time, and may meet nobody any more.
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            match behaviour {
                Behaviour::Accept => {
                    let platform_id = part.entry.clone();
                    SendOutcome::Sent(Receipt { platform_id, note: String::new() })
                }
                Behaviour::Refuse => SendOutcome::NotSent(SendFailure::transient("busy")),
                Behaviour::Reject => SendOutcome::NotSent(SendFailure::permanent("no such chat")),
                Behaviour::AcceptInDoubt => {
                    self.accept(part);
                    SendOutcome::InDoubt("connection cut".into())
                }
                Behaviour::LoseInDoubt => SendOutcome::InDoubt("connection cut".into()),
                Behaviour::AcceptAndPanic => {
                    self.accept(part);
                    panic!("the client of the platform panics")
                }
                Behaviour::Hang => std::future::pending().await,
            }
        })
    }

    fn reconcile<'a>(&'a self, part: &'a Outbound, _: &'a Evidence) -> BoxFuture<'a, Settled> {
        Box::pin(async move {
            if self.knows(&part.entry) {
                let platform_id = part.entry.clone();
                Settled::Sent(Receipt { platform_id, note: "found".into() })
            } else {
                Settled::Unresolved("the platform does not know it".into())
            }
        })
    }
}

/// The account of the platform.
pub(crate) fn account() -> AccountKey {
    AccountKey::new("fake", "default")
}

/// Everybody may speak.
pub(crate) fn open_access() -> Access {
    Access::everybody()
}

/// An engine over the platform; the caller adds a store and starts it.
pub(crate) fn builder(platform: &Platform) -> Builder {
    Engine::builder().channel(account(), Arc::new(platform.clone()), None, open_access()).rules(
        |rules| {
            rules.session.dm_scope = telson_actors::message::session_key::DmScope::PerChannelPeer;
        },
    )
}

/// A direct message.
pub(crate) fn direct(id: &str, sender: &str, text: &str) -> Inbound {
    Inbound::direct(&account(), id, sender, text, Timestamp(0))
}

/// Waits until everything is answered and out.
pub(crate) async fn idle(engine: &Engine) {
    let idle = async {
        while !engine.load().is_idle() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), idle).await.expect("the engine becomes idle");
}

/// Waits until no actor of the tree says that something waits for it.
pub(crate) async fn nobody_waits(engine: &Engine) {
    fn waiting(node: &Node) -> Vec<String> {
        let own = (node.mailbox_depth > 0).then(|| format!("{} {}", node.id, node.mailbox_depth));
        own.into_iter().chain(node.children.iter().flat_map(waiting)).collect()
    }
    for _ in 0..1000 {
        if waiting(&engine.tree()).is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("nothing is under way, and messages are said to wait: {:?}", waiting(&engine.tree()));
}
