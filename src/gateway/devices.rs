//! The devices that may connect, as the store has them: every change is durable before it is told.
//!
//! One change at a time, so that what is decided about a record is decided about the one that is
//! there. Setup codes and who is connected live in memory only: a restart ends both.

mod setups;

use self::setups::Setups;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use base64::Engine as _;
use telson_actors::node;
use telson_actors::store::{Batch, Key, Space, Store, StoreError};
use tokio::sync::{MutexGuard, broadcast};

use super::device::{DeviceRecord, DeviceRequest, device_key, request_key, shown_request};
use super::device_proof::BASE64;
use super::handshake::Wish;
use super::hub::Hub;
use super::pairing;
use super::visitor::{Page, Visitor};
use crate::methods::{Role, Scope};

/// Devices that are remembered. Beyond it somebody has to remove one.
const DEVICES_MAX: usize = 1000;
/// Requests that wait; the oldest is forgotten first.
const REQUESTS_MAX: usize = 64;
/// How often it is noted that a device is still in use, in milliseconds.
const SEEN_EVERY_MS: i64 = 60 * 1000;
/// Devices told to leave that a slow connection may have missed; it leaves then, too.
const CUTS_KEPT_MAX: usize = 256;

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Devices(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    change: tokio::sync::Mutex<()>,
    cuts: broadcast::Sender<Cut>,
    connected: Mutex<BTreeMap<String, usize>>,
    setups: Setups,
    place: OnceLock<Place>,
}

/// How the gateway is reached, for those who are told to come.
#[derive(Debug, Clone)]
pub struct Place {
    /// `ws` or `wss`.
    pub scheme: &'static str,
    /// Where it listens.
    pub listeners: Vec<SocketAddr>,
    /// What it asks for: `token` or `password`.
    pub auth: &'static str,
}

impl Place {
    /// The addresses that other machines come to, as they are now; none where there are none.
    pub fn urls(&self) -> Vec<String> {
        let hosts = super::reach::hosts(&self.listeners);
        hosts.into_iter().map(|host| format!("{}://{host}", self.scheme)).collect()
    }
}

/// Connections that have to end: those of this device in this role, or in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The device.
    pub device: String,
    /// The role; `None` for all.
    pub role: Option<Role>,
    /// The connection that stays: the one that has asked for this.
    pub except: Option<String>,
    /// Why.
    pub why: &'static str,
}

impl Default for Devices {
    fn default() -> Self {
        Self(Arc::new(Inner {
            change: tokio::sync::Mutex::default(),
            cuts: broadcast::channel(CUTS_KEPT_MAX).0,
            connected: Mutex::default(),
            setups: Setups::default(),
            place: OnceLock::new(),
        }))
    }
}

/// A secret of 256 random bits.
///
/// # Errors
/// The system has no randomness.
pub(crate) fn new_secret() -> Result<String, StoreError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::Database(error.to_string()))?;
    Ok(BASE64.encode(bytes))
}

impl Devices {
    /// Says how the gateway is reached.
    pub fn set_place(&self, place: Place) {
        // An engine that is started anew has the same port.
        drop(self.0.place.set(place));
    }

    /// How the gateway is reached.
    pub fn place(&self) -> Option<&Place> {
        self.0.place.get()
    }

    /// Nobody else changes anything meanwhile.
    pub async fn change(&self) -> MutexGuard<'_, ()> {
        self.0.change.lock().await
    }

    /// What is known of a device.
    ///
    /// # Errors
    /// What the store says.
    pub fn get(&self, store: &Store, id: &str) -> Result<Option<DeviceRecord>, StoreError> {
        store.get(&device_key(id))
    }

    /// Every device, newest first.
    ///
    /// # Errors
    /// What the store says.
    pub fn all(&self, store: &Store) -> Result<Vec<DeviceRecord>, StoreError> {
        let mut devices: Vec<DeviceRecord> = records(store, Space::Device)?;
        devices.sort_by_key(|device| std::cmp::Reverse(device.approved_at));
        Ok(devices)
    }

    /// Every request that still stands, newest first.
    ///
    /// # Errors
    /// What the store says.
    pub fn requests(&self, store: &Store, now: i64) -> Result<Vec<DeviceRequest>, StoreError> {
        let mut requests: Vec<DeviceRequest> = records(store, Space::DeviceRequest)?;
        requests.retain(|request| request.stands(now));
        requests.sort_by_key(|request| std::cmp::Reverse(request.at));
        Ok(requests)
    }

    /// Writes a record, under [`Devices::change`].
    ///
    /// # Errors
    /// Nothing was written.
    pub async fn put(&self, store: &Store, record: &DeviceRecord) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        batch.put(device_key(&record.portrait.device_id), record);
        store.commit(batch).await
    }

    /// Whether there is a place for one more.
    ///
    /// # Errors
    /// What the store says.
    pub fn has_room(&self, store: &Store) -> Result<bool, StoreError> {
        let devices: Vec<DeviceRecord> = records(store, Space::Device)?;
        Ok(devices.len() < DEVICES_MAX)
    }

    /// Lets a device in, or gives it more; answers its token. Under [`Devices::change`].
    ///
    /// # Errors
    /// Nothing was written.
    pub async fn pair(
        &self,
        store: &Store,
        wish: &Wish,
        via: &str,
        by: Option<String>,
        now: i64,
    ) -> Result<String, StoreError> {
        let before = self.get(store, &wish.portrait.device_id)?;
        let record = pairing::let_in(before, wish, via, by, now);
        self.issue(store, record, wish.role, now).await
    }

    /// Gives a device a new token of a role. Under [`Devices::change`].
    ///
    /// # Errors
    /// Nothing was written.
    pub async fn issue(
        &self,
        store: &Store,
        mut record: DeviceRecord,
        role: Role,
        now: i64,
    ) -> Result<String, StoreError> {
        let secret = new_secret()?;
        let known = record.token(role).map(|token| token.scopes.clone());
        let scopes = known.unwrap_or_else(|| pairing::token_scopes(&record, role));
        record.issue(role, scopes, Some(&secret), now);
        record.seen_at = now;
        self.put(store, &record).await?;
        Ok(secret)
    }

    /// Gives a device that came back with a replaced token, the one shown, the new one. Under
    /// [`Devices::change`].
    ///
    /// # Errors
    /// Nothing was written.
    pub async fn replace(
        &self,
        store: &Store,
        mut record: DeviceRecord,
        (role, shown): (Role, &str),
        now: i64,
    ) -> Result<String, StoreError> {
        let secret = new_secret()?;
        record.replace(role, shown, &secret, now);
        record.seen_at = now;
        self.put(store, &record).await?;
        Ok(secret)
    }

    /// Ends the token before the one that a device has shown. Under [`Devices::change`].
    ///
    /// # Errors
    /// Nothing was written.
    pub async fn settle(
        &self,
        store: &Store,
        mut record: DeviceRecord,
        role: Role,
        now: i64,
    ) -> Result<(), StoreError> {
        record.settle(role);
        record.seen_at = now;
        self.put(store, &record).await
    }

    /// Notes that a device is in use, now and then, without waiting for the disk.
    pub fn seen(&self, store: &Store, record: DeviceRecord, now: i64) {
        if now.saturating_sub(record.seen_at) >= SEEN_EVERY_MS {
            // Whoever changes the record now is not overwritten; the visit is noted another time.
            let Ok(_change) = self.0.change.try_lock() else { return };
            let Ok(Some(mut record)) = self.get(store, &record.portrait.device_id) else { return };
            record.seen_at = now;
            let mut batch = Batch::new();
            batch.put(device_key(&record.portrait.device_id), &record);
            if let Err(error) = store.submit_unsynced(batch, |_| ()) {
                tracing::debug!(%error, "a device's visit was not noted");
            }
        }
    }

    /// Writes down that a device asks, and tells those who may approve it. A request that says the
    /// same as before is the same; any other replaces what that device has asked before. Under
    /// [`Devices::change`].
    ///
    /// # Errors
    /// Nothing was written.
    pub async fn ask(
        &self,
        store: &Store,
        hub: &Hub,
        wish: &Wish,
        visitor: &Visitor,
        is_more: bool,
        now: i64,
    ) -> Result<String, StoreError> {
        let all: Vec<DeviceRequest> = records(store, Space::DeviceRequest)?;
        let is_same = |it: &&DeviceRequest| it.stands(now) && pairing::is_same_request(it, wish);
        let same = all.iter().find(is_same).map(|it| it.id.clone());
        let id = match &same {
            Some(id) => id.clone(),
            None => new_secret()?.chars().filter(char::is_ascii_alphanumeric).take(22).collect(),
        };
        let request = DeviceRequest {
            id: id.clone(),
            portrait: wish.portrait.clone(),
            role: wish.role.name().into(),
            scopes: wish.scopes.clone(),
            address: (!visitor.is_local).then(|| visitor.address.to_string()),
            page: match &visitor.page {
                Page::Welcome(page) => Some(page.clone()),
                Page::None | Page::Foreign(_) => None,
            },
            is_more,
            at: now,
        };
        let mut batch = Batch::new();
        let of_device =
            |it: &&DeviceRequest| it.portrait.device_id == wish.portrait.device_id && it.id != id;
        let gone = |it: &&DeviceRequest| of_device(it) || !it.stands(now);
        for old in all.iter().filter(gone) {
            batch.delete(request_key(&old.id));
        }
        let mut left: Vec<_> = all.iter().filter(|it| !gone(it) && it.id != id).collect();
        left.sort_by_key(|it| it.at);
        for old in left.iter().take((left.len() + 1).saturating_sub(REQUESTS_MAX)) {
            batch.delete(request_key(&old.id));
        }
        batch.put(request_key(&id), &request);
        store.commit(batch).await?;
        if same.is_none() {
            let who = &wish.portrait.device_id;
            tracing::warn!(device = %who, request = %id, "a device asks to be let in");
            hub.tell("device.pair.requested", Some(Scope::Pairing), shown_request(&request));
        }
        Ok(id)
    }

    /// Removes a request, with what else is to be written. Under [`Devices::change`].
    ///
    /// # Errors
    /// Nothing was written.
    pub async fn resolve(
        &self,
        store: &Store,
        request: &DeviceRequest,
        record: Option<&DeviceRecord>,
    ) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        batch.delete(request_key(&request.id));
        if let Some(record) = record {
            batch.put(device_key(&record.portrait.device_id), record);
        }
        store.commit(batch).await
    }

    /// Forgets a device with what it was allowed as a node, and ends its connections. Under
    /// [`Devices::change`].
    ///
    /// # Errors
    /// Nothing was written.
    pub async fn remove(&self, store: &Store, id: &str) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        batch.delete(device_key(id));
        node::forget(store, &mut batch, id)?;
        let requests: Vec<DeviceRequest> = records(store, Space::DeviceRequest)?;
        for request in requests.iter().filter(|it| it.portrait.device_id == id) {
            batch.delete(request_key(&request.id));
        }
        store.commit(batch).await?;
        // What it was about to let in stays out with it.
        self.0.setups.forget_those_of(id);
        self.cut(Cut { device: id.into(), role: None, except: None, why: "device removed" });
        Ok(())
    }

    /// Ends connections.
    pub fn cut(&self, cut: Cut) {
        // Nobody may be connected.
        drop(self.0.cuts.send(cut));
    }

    /// Which connections have to end from now on.
    pub fn cuts(&self) -> broadcast::Receiver<Cut> {
        self.0.cuts.subscribe()
    }

    /// Notes that a device is connected, until the answer is dropped.
    pub fn connected(&self, id: &str) -> Connected {
        *lock(&self.0.connected).entry(id.to_owned()).or_default() += 1;
        Connected { devices: self.clone(), id: id.to_owned() }
    }

    /// Whether it is.
    pub fn is_connected(&self, id: &str) -> bool {
        lock(&self.0.connected).contains_key(id)
    }

    /// The codes that let a device in once.
    pub(crate) fn setups(&self) -> &Setups {
        &self.0.setups
    }
}

/// A connection of a device.
#[derive(Debug)]
pub struct Connected {
    devices: Devices,
    id: String,
}

impl Drop for Connected {
    fn drop(&mut self) {
        let mut connected = lock(&self.devices.0.connected);
        if let Some(count) = connected.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                connected.remove(&self.id);
            }
        }
    }
}

fn records<R: telson_actors::store::Record>(
    store: &Store,
    space: Space,
) -> Result<Vec<R>, StoreError> {
    Ok(store.scan(&Key::of(space))?.into_iter().map(|(_, record)| record).collect())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use telson_actors::store::MemoryBackend;

    use super::*;
    use crate::gateway::device::Portrait;
    use crate::gateway::handshake::SetupGrant;
    use crate::gateway::visitor::Via;

    const MINUTE: i64 = 60_000;

    fn wish(seed: usize) -> Wish {
        let portrait = Portrait {
            device_id: format!("device-{seed}"),
            public_key: "key".into(),
            display_name: None,
            platform: "linux".into(),
            device_family: None,
            client_id: "cli".into(),
            client_mode: "cli".into(),
        };
        Wish { portrait, role: Role::Operator, scopes: vec!["operator.read".into()] }
    }

    #[tokio::test]
    async fn a_visit_never_brings_a_removed_device_back() {
        let store = Store::inline(Arc::new(MemoryBackend::new())).unwrap();
        let devices = Devices::default();
        let stale = pairing::let_in(None, &wish(1), "owner", None, 0);
        let id = stale.portrait.device_id.clone();
        devices.put(&store, &stale).await.unwrap();
        // Somebody changes devices at this moment: a visit must not write what it read before.
        let change = devices.change().await;
        devices.seen(&store, stale.clone(), 2 * SEEN_EVERY_MS);
        assert_eq!(devices.get(&store, &id).unwrap(), Some(stale.clone()));
        devices.remove(&store, &id).await.unwrap();
        drop(change);
        devices.seen(&store, stale.clone(), 4 * SEEN_EVERY_MS);
        assert_eq!(devices.get(&store, &id).unwrap(), None);
        devices.put(&store, &stale).await.unwrap();
        devices.seen(&store, stale, 6 * SEEN_EVERY_MS);
        let seen = devices.get(&store, &id).unwrap().unwrap().seen_at;
        assert_eq!(seen, 6 * SEEN_EVERY_MS, "other visits are noted");
    }

    #[tokio::test]
    async fn setup_codes_go_with_the_device_that_made_them() {
        let store = Store::inline(Arc::new(MemoryBackend::new())).unwrap();
        let devices = Devices::default();
        let grant =
            |by: &str| SetupGrant { role: Role::Operator, scopes: Vec::new(), by: by.to_owned() };
        let makers = ["c1/device-1", "c2/device-1", "c3/device-11", "control"];
        let codes = makers.map(|by| devices.setups().add(grant(by), 0).unwrap().0);
        devices.remove(&store, "device-1").await.unwrap();
        let is_good = codes.map(|code| devices.setups().find(&code, 1).is_some());
        assert_eq!(is_good, [false, false, true, true]);
    }

    #[tokio::test]
    async fn a_request_stands_for_five_minutes_and_few_at_once() {
        let store = Store::inline(Arc::new(MemoryBackend::new())).unwrap();
        let (devices, hub) = (Devices::default(), Hub::new());
        let visitor = Visitor {
            address: [203, 0, 113, 7].into(),
            is_placed: true,
            is_local: false,
            proxy: None,
            via: Via::Port,
            page: Page::None,
            claim: None,
            ceiling: None,
        };
        let ask = async |seed, now| {
            devices.ask(&store, &hub, &wish(seed), &visitor, false, now).await.unwrap()
        };
        let first = ask(0, 0).await;
        assert_eq!(ask(0, 4 * MINUTE).await, first, "asking again keeps it standing");
        assert_eq!(devices.requests(&store, 9 * MINUTE - 1).unwrap().len(), 1);
        assert_eq!(devices.requests(&store, 9 * MINUTE).unwrap().len(), 0);
        assert_ne!(ask(0, 9 * MINUTE).await, first, "a request that has lapsed is another one");
        // L1
        for seed in 0..200 {
            ask(seed, 10 * MINUTE).await;
        }
        assert_eq!(devices.requests(&store, 10 * MINUTE).unwrap().len(), REQUESTS_MAX);
    }
}
