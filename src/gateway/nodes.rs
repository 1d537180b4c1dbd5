//! The nodes that are connected, what they offer, what waits to be allowed, and calls on their way.
//!
//! What a person has allowed is in the store and comes in as a [`NodeRecord`]; a command that is not
//! allowed does not exist for anybody. Invariant: L1 (calls and requests are bounded).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::{Value, json};
use telson_actors::node::NodeRecord;
use telson_actors::node::action::{PARAMS_BYTES_MAX, may_wait};
use tokio::sync::oneshot;

use super::link::{LinkMessage, LinkSender, Weighed};
use super::wire::Connect;
use crate::engine::RunningCall;
use crate::methods::Link;
use crate::turns::{Turn, Turns};

mod pieces;

use pieces::Pieces;

/// How long a request to be allowed something waits for a person, in milliseconds.
const PENDING_MILLIS: i64 = 5 * 60 * 1000;
/// Calls on their way to all nodes together.
const CALLS_MAX: usize = 1024;
/// Bytes of calls that one node has not read: what a connection may hold.
const UNREAD_BYTES_MAX: usize = 50 * 1024 * 1024;
/// Caps and commands of one node that are listened to.
const OFFERED_MAX: usize = 256;

/// What a node offers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// What it can show.
    pub caps: BTreeSet<String>,
    /// What it can be asked to do.
    pub commands: BTreeSet<String>,
}

/// A node that is connected, or was since the service started.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its connection; `None` once it has gone.
    pub connection: Option<String>,
    /// What it offers.
    pub offer: Offer,
    /// What it says of itself.
    pub client: super::wire::ClientInfo,
    /// When it came or went, in milliseconds.
    pub at: i64,
    /// A person has said no to what it offers.
    is_refused: bool,
    link: LinkSender,
    /// Bytes of calls that it has not read.
    unread: Arc<AtomicUsize>,
}

/// What waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// Its name.
    pub request_id: String,
    /// The node.
    pub node_id: String,
    /// The program on it.
    pub client_id: String,
    /// How that is used.
    pub client_mode: String,
    /// Its system.
    pub platform: String,
    /// Its version.
    pub version: String,
    /// What it wants to show.
    pub caps: Vec<String>,
    /// What it wants to be asked.
    pub commands: Vec<String>,
    /// When it was last heard of, in milliseconds.
    pub ts: i64,
}

/// What a node has answered: its payload, or a code and a sentence.
pub type Outcome = Result<Value, (String, String)>;

/// See the module. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Nodes {
    state: Arc<Mutex<State>>,
    turns: Turns<String>,
}

#[derive(Debug, Default)]
struct State {
    seen: BTreeMap<String, Seen>,
    pending: BTreeMap<String, Pending>,
    calls: BTreeMap<String, Asked>,
}

/// A call on its way.
#[derive(Debug)]
struct Asked {
    node: String,
    /// Who waits for its answer; nobody, where all have left.
    askers: Vec<Asker>,
    /// What the node says before it has done.
    pieces: Pieces,
    /// Kept where the node may only be able to do it later.
    deferrable: Option<Deferrable>,
    /// A restart waits for it, also if they have.
    _running: RunningCall,
}

/// Somebody who waits for a node.
#[derive(Debug)]
struct Asker {
    outcome: oneshot::Sender<Outcome>,
    listener: Option<Listener>,
}

/// How he is told what the node says before it has done.
#[derive(Clone)]
pub struct Listener {
    /// His connection.
    pub link: Arc<dyn Link>,
    /// By what he knows the call.
    pub key: String,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Listener").field(&self.key).finish()
    }
}

/// What a node may be able to do later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deferrable {
    /// What.
    pub command: String,
    /// With what, as JSON.
    pub params: Option<String>,
}

impl Deferrable {
    /// What is asked of a node, if it may wait.
    fn of(seen: &Seen, request: &Value) -> Option<Self> {
        let text = |key: &str| request[key].as_str().map(str::to_owned);
        let (command, params) = (text("command")?, text("paramsJSON"));
        let is_short = params.as_ref().is_none_or(|params| params.len() <= PARAMS_BYTES_MAX);
        (is_short && may_wait(&seen.client.platform, &command)).then_some(Self { command, params })
    }
}

impl Asked {
    /// Tells all who wait; `false` if nobody does.
    fn tell(self, outcome: &Outcome) -> bool {
        let told = self.askers.into_iter().map(|asker| asker.outcome.send(outcome.clone()).is_ok());
        told.fold(false, |any, is_told| any | is_told)
    }
}

impl State {
    /// Nobody answers the calls of a node any more.
    fn end_calls(&mut self, node: &str, why: &str) {
        let (ended, left) = std::mem::take(&mut self.calls)
            .into_iter()
            .partition::<BTreeMap<_, _>, _>(|(_, asked)| asked.node == node);
        self.calls = left;
        for asked in ended.into_values() {
            asked.tell(&Err(("UNAVAILABLE".to_owned(), why.to_owned())));
        }
    }
}

/// Why a call was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSent {
    /// The node is not connected.
    Away,
    /// Too many calls are under way.
    Full,
    /// The node does not read what it is asked.
    Unread,
}

impl Nodes {
    /// A node was let in; one of the same name before it is no longer asked.
    pub(super) fn connect(
        &self,
        id: &str,
        connect: &Connect,
        (connection, link): (&str, &LinkSender),
        now: i64,
    ) {
        let first = |names: &[String]| {
            let names = names.iter().filter(|name| !name.is_empty()).take(OFFERED_MAX);
            names.cloned().collect()
        };
        let seen = Seen {
            connection: Some(connection.to_owned()),
            offer: Offer { caps: first(&connect.caps), commands: first(&connect.commands) },
            client: connect.client.clone(),
            at: now,
            is_refused: false,
            link: link.clone(),
            unread: Arc::default(),
        };
        self.state().seen.insert(id.to_owned(), seen);
    }

    /// A connection has ended; calls on their way over it are answered.
    pub(super) fn disconnect(&self, connection: &str, now: i64) {
        let mut state = self.state();
        let gone = state
            .seen
            .iter_mut()
            .find(|(_, seen)| seen.connection.as_deref() == Some(connection))
            .map(|(id, seen)| {
                (seen.connection, seen.at) = (None, now);
                id.clone()
            });
        let Some(gone) = gone else { return };
        state.end_calls(&gone, "the node has disconnected");
    }

    /// Nobody else changes what waits for this node meanwhile, or removes it. Whoever needs
    /// [`Devices::change`](super::Devices::change) as well takes it after this.
    pub(crate) async fn turn(&self, node: &str) -> Turn<String> {
        self.turns.of(&node.to_owned()).await
    }

    /// Every node that was connected since the service started.
    pub fn seen(&self) -> BTreeMap<String, Seen> {
        self.state().seen.clone()
    }

    /// The node of a connection.
    pub fn of_connection(&self, connection: &str) -> Option<String> {
        let state = self.state();
        let mut seen = state.seen.iter();
        seen.find(|(_, seen)| seen.connection.as_deref() == Some(connection))
            .map(|(id, _)| id.clone())
    }

    /// What a node offers to do; nothing where it is not connected.
    pub fn offered(&self, node: &str) -> BTreeSet<String> {
        let state = self.state();
        let seen = state.seen.get(node).filter(|seen| seen.connection.is_some());
        seen.map(|seen| seen.offer.commands.clone()).unwrap_or_default()
    }

    /// What waits for a person, given what is allowed already. A request keeps its name as long as it
    /// asks for the same.
    pub fn pending(&self, allowed: &[NodeRecord], now: i64) -> Vec<Pending> {
        let mut state = self.state();
        let wanted: BTreeMap<String, Pending> = state
            .seen
            .iter()
            .filter_map(|(id, seen)| Some((id.clone(), wish(id, seen, allowed, now)?)))
            .collect();
        let before = std::mem::take(&mut state.pending);
        for (id, mut wish) in wanted {
            if let Some(known) = before.get(&id).filter(|known| known.asks_the_same(&wish)) {
                wish.request_id.clone_from(&known.request_id);
            }
            state.pending.insert(id, wish);
        }
        state.pending.values().cloned().collect()
    }

    /// Takes back a node's wish until it connects again.
    pub fn refuse(&self, node: &str) {
        let mut state = self.state();
        state.pending.remove(node);
        if let Some(seen) = state.seen.get_mut(node) {
            seen.is_refused = true;
        }
    }

    /// Forgets a node that has gone.
    pub fn forget(&self, node: &str) {
        let mut state = self.state();
        state.pending.remove(node);
        if state.seen.get(node).is_some_and(|seen| seen.connection.is_none()) {
            state.seen.remove(node);
        }
    }

    /// Forgets a node that is to go, and what waits for it.
    pub fn remove(&self, node: &str) {
        let mut state = self.state();
        state.pending.remove(node);
        state.seen.remove(node);
        state.end_calls(node, "the node was removed");
    }

    /// Sends a call to a node; its answer comes over the receiver.
    ///
    /// # Errors
    /// Why it was not sent.
    pub(crate) fn ask(
        &self,
        node: &str,
        call: &str,
        request: Value,
        (listener, running): (Option<Listener>, RunningCall),
    ) -> Result<oneshot::Receiver<Outcome>, NotSent> {
        let mut state = self.state();
        if state.calls.len() >= CALLS_MAX {
            // Nobody waits for those any more; until there is no room, somebody may again.
            state
                .calls
                .retain(|_, asked| asked.askers.iter().any(|asker| !asker.outcome.is_closed()));
        }
        if state.calls.len() >= CALLS_MAX {
            return Err(NotSent::Full);
        }
        let seen = state.seen.get(node).filter(|seen| seen.connection.is_some());
        let seen = seen.ok_or(NotSent::Away)?;
        let deferrable = Deferrable::of(seen, &request);
        let request = Weighed::new(request.to_string(), &seen.unread, UNREAD_BYTES_MAX);
        let request = request.ok_or(NotSent::Unread)?;
        let sent = seen.link.send(LinkMessage::Event("node.invoke.request", request));
        sent.map_err(|_| NotSent::Away)?;
        let (outcome, receiver) = oneshot::channel();
        let asked = Asked {
            node: node.to_owned(),
            askers: vec![Asker { outcome, listener }],
            pieces: Pieces::default(),
            deferrable,
            _running: running,
        };
        state.calls.insert(call.to_owned(), asked);
        Ok(receiver)
    }

    /// Waits for the answer to a call that is under way, beside those who wait already; nothing if it
    /// is not.
    pub fn join(
        &self,
        node: &str,
        call: &str,
        listener: Option<Listener>,
    ) -> Option<oneshot::Receiver<Outcome>> {
        let mut state = self.state();
        let asked = state.calls.get_mut(call).filter(|asked| asked.node == node)?;
        asked.askers.retain(|asker| !asker.outcome.is_closed());
        let (outcome, receiver) = oneshot::channel();
        asked.askers.push(Asker { outcome, listener });
        Some(receiver)
    }

    /// What a call asks for, if the node may only be able to do it later.
    pub fn deferrable(&self, node: &str, call: &str) -> Option<Deferrable> {
        let state = self.state();
        let asked = state.calls.get(call).filter(|asked| asked.node == node)?;
        asked.deferrable.clone()
    }

    /// A node says something before it has done: whoever waits is told, in order and once for each
    /// connection, as long as he reads. `false` if nobody does, or it was said before, or too far ahead of what is missing.
    pub fn progressed(&self, node: &str, call: &str, seq: u64, chunk: String) -> bool {
        let mut state = self.state();
        let asked = state.calls.get_mut(call).filter(|asked| asked.node == node);
        let Some(asked) = asked else { return false };
        asked.askers.retain(|asker| !asker.outcome.is_closed());
        // Counted also while nobody listens: whoever asks again hears what comes from then on.
        let Some(ready) = asked.pieces.take(seq, chunk) else { return false };
        let mut connections = BTreeSet::new();
        let listeners: Vec<&Listener> = asked
            .askers
            .iter()
            .filter_map(|asker| asker.listener.as_ref())
            .filter(|listener| connections.insert(listener.link.connection()))
            .collect();
        for (seq, chunk) in ready {
            for listener in &listeners {
                let said = json!({
                    "invokeId": call, "nodeId": node, "seq": seq, "chunk": chunk,
                    "idempotencyKey": listener.key,
                });
                listener.link.tell("node.invoke.progress", said);
            }
        }
        !asked.askers.is_empty()
    }

    /// A node has answered a call; `false` if nobody waits for it.
    pub fn answered(&self, node: &str, call: &str, outcome: &Outcome) -> bool {
        let mut state = self.state();
        if state.calls.get(call).is_none_or(|asked| asked.node != node) {
            return false;
        }
        let asked = state.calls.remove(call);
        drop(state);
        asked.is_some_and(|asked| asked.tell(outcome))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    fn asks_the_same(&self, other: &Self) -> bool {
        self.caps == other.caps && self.commands == other.commands
    }
}

/// What a node wants that is not allowed; nothing if it is content, or gave up long ago.
fn wish(id: &str, seen: &Seen, allowed: &[NodeRecord], now: i64) -> Option<Pending> {
    let is_late = seen.connection.is_none() && now.saturating_sub(seen.at) > PENDING_MILLIS;
    let known = allowed.iter().find(|node| node.id == id);
    let has = |names: &BTreeSet<String>, of: fn(&NodeRecord) -> &Vec<String>| {
        known.is_some_and(|node| names.iter().all(|name| of(node).contains(name)))
    };
    let is_content = has(&seen.offer.caps, |node| &node.caps)
        && has(&seen.offer.commands, |node| &node.commands);
    if seen.is_refused || is_late || is_content {
        return None;
    }
    let list = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>();
    let (caps, commands) = (list(&seen.offer.caps), list(&seen.offer.commands));
    let name = format!("{id}\n{}\n{}\n{}", caps.join(","), commands.join(","), seen.at);
    Some(Pending {
        request_id: super::own_key::short_hash(&name),
        node_id: id.to_owned(),
        client_id: seen.client.id.clone(),
        client_mode: seen.client.mode.clone(),
        platform: seen.client.platform.clone(),
        version: seen.client.version.clone(),
        caps,
        commands,
        ts: seen.at,
    })
}

#[cfg(test)]
#[path = "nodes/tests.rs"]
mod tests;
