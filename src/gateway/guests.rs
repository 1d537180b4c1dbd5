//! Who is connected, shared by the connections and the methods: presence, and the nodes among them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use telson_actors::clock::Clock;
use telson_actors::node::NodeRecord;

use super::handshake::Grant;
use super::hub::Hub;
use super::link::LinkSender;
use super::nodes::Nodes;
use super::presence::{self, Entry, Roll, is_tracked};
use super::wire::Connect;
use crate::methods::{Role, Scope};

/// See the module. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Guests(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    roll: Mutex<Roll>,
    /// The presence keys of live connections, by connection.
    connected: Mutex<BTreeMap<String, String>>,
    nodes: Nodes,
    health: AtomicU64,
}

/// A client that was let in; it leaves when this is dropped.
pub(super) struct Visit {
    guests: Guests,
    hub: Hub,
    clock: Clock,
    connection: String,
    key: Option<String>,
}

impl Guests {
    /// Notes that a client was let in.
    pub(super) fn arrive(&self, newcomer: &Newcomer<'_>) -> Visit {
        let Newcomer { connect, grant, connection, address, hub, clock, .. } = newcomer;
        let device = connect.device.as_ref().map(|device| device.id.as_str());
        let instance = connect.client.instance_id.as_deref();
        let key =
            is_tracked(&connect.client.mode).then(|| presence::key(device, instance, connection));
        if let Some(key) = &key {
            lock(&self.0.roll).put(key.clone(), entry(connect, grant, *address, clock.now().0));
            lock(&self.0.connected).insert((*connection).to_owned(), key.clone());
        }
        if grant.role == Role::Node {
            let id = device.or(instance).unwrap_or(connection);
            let now = clock.now().0;
            self.0.nodes.connect(id, connect, (connection, newcomer.link), now);
            let wish = self.0.nodes.pending(newcomer.allowed, now);
            if let Some(wish) = wish.into_iter().find(|wish| wish.node_id == id) {
                hub.tell("node.pair.requested", Some(Scope::Pairing), json!(wish));
            }
        }
        let visit = Visit {
            guests: self.clone(),
            hub: (*hub).clone(),
            clock: *clock,
            connection: (*connection).to_owned(),
            key,
        };
        visit.tell();
        visit
    }

    /// Everybody, newest first, this gateway among them.
    pub fn presence(&self, now: i64) -> Vec<Entry> {
        let mut list = vec![own(now)];
        list.extend(lock(&self.0.roll).list());
        list
    }

    /// The numbers of the newest presence and health.
    pub fn state_version(&self) -> Value {
        let health = self.0.health.load(Ordering::Relaxed);
        json!({"presence": lock(&self.0.roll).version(), "health": health})
    }

    /// Counts one more report of health.
    pub(crate) fn health_told(&self) {
        self.0.health.fetch_add(1, Ordering::Relaxed);
    }

    /// Drops who was not heard of for too long, and says so.
    pub(crate) fn pass(&self, hub: &Hub, now: i64) {
        let connected: Vec<String> = lock(&self.0.connected).values().cloned().collect();
        if lock(&self.0.roll).pass(&connected, now) {
            hub.tell("presence", None, json!({"presence": self.presence(now)}));
        }
    }

    /// The nodes.
    pub fn nodes(&self) -> &Nodes {
        &self.0.nodes
    }
}

/// A client at the moment it is let in.
pub(super) struct Newcomer<'a> {
    pub(super) connect: &'a Connect,
    pub(super) grant: &'a Grant,
    pub(super) connection: &'a str,
    pub(super) address: IpAddr,
    pub(super) hub: &'a Hub,
    pub(super) clock: Clock,
    pub(super) allowed: &'a [NodeRecord],
    pub(super) link: &'a LinkSender,
}

impl Visit {
    fn tell(&self) {
        if self.key.is_some() {
            let now = self.clock.now().0;
            let presence = json!({"presence": self.guests.presence(now)});
            self.hub.tell("presence", None, presence);
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let now = self.clock.now().0;
        self.guests.0.nodes.disconnect(&self.connection, now);
        if let Some(key) = &self.key {
            let is_last = {
                let mut connected = lock(&self.guests.0.connected);
                connected.remove(&self.connection);
                !connected.values().any(|other| other == key)
            };
            if is_last {
                lock(&self.guests.0.roll).gone(key, now);
            }
            self.tell();
        }
    }
}

fn entry(connect: &Connect, grant: &Grant, address: IpAddr, now: i64) -> Entry {
    let client = &connect.client;
    let host = client.display_name.clone().unwrap_or_else(|| client.id.clone());
    Entry {
        text: format!("Node: {host} · mode {}", client.mode),
        host,
        ip: (!address.is_loopback()).then(|| address.to_string()),
        version: client.version.clone(),
        platform: client.platform.clone(),
        device_family: client.device_family.clone(),
        mode: client.mode.clone(),
        reason: "connect".into(),
        device_id: connect.device.as_ref().map(|device| device.id.clone()),
        roles: vec![grant.role.name().to_owned()],
        scopes: grant.scopes.iter().map(|scope| scope.name().to_owned()).collect(),
        instance_id: client.instance_id.clone(),
        ts: now,
    }
}

fn own(now: i64) -> Entry {
    let version = env!("CARGO_PKG_VERSION");
    Entry {
        host: "telson".into(),
        version: version.into(),
        platform: std::env::consts::OS.into(),
        mode: "gateway".into(),
        reason: "self".into(),
        text: format!("Gateway: telson · app {version} · mode gateway · reason self"),
        ts: now,
        ..Entry::default()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
