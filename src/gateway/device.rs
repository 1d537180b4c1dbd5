//! What is known of devices: who they are, what they may do, and who asks to be let in.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use telson_actors::store::{Key, Record, Space};

pub(super) mod layouts;

use crate::methods::{Role, Scope};

/// How long a request to be let in stands, in milliseconds.
const REQUEST_MS: i64 = 5 * 60 * 1000;
/// How long a token that was replaced is good for being given the new one, in milliseconds.
const RETIRING_MS: i64 = 30 * 24 * 60 * 60 * 1000;
/// Tokens of a role that are good for that at the same time.
const RETIRING_MAX: usize = 2;

/// What a device says of itself with every connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Portrait {
    /// The fingerprint of its key.
    pub device_id: String,
    /// Its key, as clients write it.
    pub public_key: String,
    /// For people.
    pub display_name: Option<String>,
    /// Its system.
    pub platform: String,
    /// Its kind.
    pub device_family: Option<String>,
    /// The program on it.
    pub client_id: String,
    /// How that is used.
    pub client_mode: String,
}

/// A device that may connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRecord {
    /// As it was when it was let in.
    pub portrait: Portrait,
    /// What its owner calls it.
    pub label: Option<String>,
    /// The roles it may have.
    pub roles: Vec<String>,
    /// The rights it may have.
    pub scopes: Vec<String>,
    /// How it was let in: `silent`, `owner` or `setup-code`.
    pub approved_via: String,
    /// By whom, if by a person: a connection's name, and a device's id behind a slash.
    pub approved_by: Option<String>,
    /// When it was first let in.
    pub created_at: i64,
    /// When last something was added to its rights.
    pub approved_at: i64,
    /// When it last connected.
    pub seen_at: i64,
    /// Its tokens, one for each role.
    pub tokens: Vec<TokenRecord>,
}

/// A token of a device. The token itself is known to the device alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// The role it is for.
    pub role: String,
    /// The rights it carries.
    pub scopes: Vec<String>,
    /// Its fingerprint; `None` where a new one is due with the next connection.
    pub fingerprint: Option<[u8; 32]>,
    /// Those before, as long as the device has not shown the new one: it may have nothing else to
    /// come back with, and its key proves who it is. Two at most: the one it has last shown, and the
    /// newest of those it was given since and may never have heard of.
    pub retiring: Vec<Retiring>,
    /// When the first one was issued.
    pub created_at: i64,
    /// When it was last replaced.
    pub rotated_at: Option<i64>,
    /// When it was taken back: it is not replaced then.
    pub revoked_at: Option<i64>,
}

/// A token that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retiring {
    /// Its fingerprint.
    pub fingerprint: [u8; 32],
    /// When it was first replaced: it is good for a time from then, whatever happens since.
    pub since: i64,
}

impl Retiring {
    fn is_good(&self, now: i64) -> bool {
        now.saturating_sub(self.since) < RETIRING_MS
    }
}

/// A device that asks to be let in, or for more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRequest {
    /// Names it.
    pub id: String,
    /// Who asks.
    pub portrait: Portrait,
    /// The role it asks for.
    pub role: String,
    /// The rights it asks for.
    pub scopes: Vec<String>,
    /// From where.
    pub address: Option<String>,
    /// The page it is, if it is one.
    pub page: Option<String>,
    /// Whether it is known already and asks for more.
    pub is_more: bool,
    /// When.
    pub at: i64,
}

impl Record for DeviceRecord {
    const VERSION: u8 = 3;

    fn from_older(version: u8, payload: &[u8]) -> Option<Self> {
        layouts::older_device(version, payload)
    }
}

impl Record for DeviceRequest {
    const VERSION: u8 = 1;
}

/// Where a device lives.
pub(super) fn device_key(id: &str) -> Key {
    Key::of(Space::Device).text(id)
}

/// Where a request lives.
pub(super) fn request_key(id: &str) -> Key {
    Key::of(Space::DeviceRequest).text(id)
}

/// The fingerprint of a secret. Comparing those tells nothing of the secret, not even its length.
pub(super) fn fingerprint(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

impl DeviceRequest {
    /// Whether it still stands.
    pub fn stands(&self, now: i64) -> bool {
        now.saturating_sub(self.at) < REQUEST_MS
    }
}

impl TokenRecord {
    /// Whether this is the token.
    pub fn is(&self, shown: &str) -> bool {
        self.revoked_at.is_none() && self.fingerprint.is_some_and(|known| is_of(&known, shown))
    }

    /// Whether it is one of those before, which its device may still show to be given this one.
    pub fn was(&self, shown: &str, now: i64) -> bool {
        let is_it = |it: &Retiring| it.is_good(now) && is_of(&it.fingerprint, shown);
        self.revoked_at.is_none() && self.retiring.iter().any(is_it)
    }

    /// What its device may hold, should another take its place: the one it has last shown, and what
    /// it was given since.
    fn may_be_held(&self, now: i64) -> Vec<Retiring> {
        if self.revoked_at.is_some() {
            return Vec::new();
        }
        let newest = self.fingerprint.map(|fingerprint| Retiring { fingerprint, since: now });
        let mut held: Vec<Retiring> = self.retiring.iter().cloned().chain(newest).collect();
        held.retain(|it| it.is_good(now));
        if held.len() > RETIRING_MAX {
            held.drain(1..=held.len() - RETIRING_MAX);
        }
        held
    }

    /// Takes it back: neither it nor those before are good any more.
    pub fn revoke(&mut self, now: i64) {
        self.fingerprint = None;
        self.retiring.clear();
        self.revoked_at = Some(now);
    }
}

/// Takes the same time wherever they differ.
fn is_of(known: &[u8; 32], shown: &str) -> bool {
    known.ct_eq(&fingerprint(shown)).into()
}

impl DeviceRecord {
    /// Whether it may have a role.
    pub fn has_role(&self, role: Role) -> bool {
        self.roles.iter().any(|known| known == role.name())
    }

    /// The token of a role.
    pub fn token(&self, role: Role) -> Option<&TokenRecord> {
        self.tokens.iter().find(|token| token.role == role.name())
    }

    /// Whether a new token is due for a role: it has none, or one with other rights than it may have.
    pub fn is_token_due(&self, role: Role) -> bool {
        self.token(role)
            .is_none_or(|token| token.revoked_at.is_none() && token.fingerprint.is_none())
    }

    /// Gives it a token. The old one of that role is good no more; where the new one can be given
    /// only when the device comes back, it is good for that, and so is the one before it which the
    /// device may hold in its place.
    pub fn issue(&mut self, role: Role, scopes: Vec<String>, secret: Option<&str>, now: i64) {
        let before = self.tokens.iter().position(|token| token.role == role.name());
        let before = before.map(|index| self.tokens.swap_remove(index));
        let held =
            before.as_ref().filter(|_| secret.is_none()).map(|before| before.may_be_held(now));
        self.tokens.push(TokenRecord {
            role: role.name().into(),
            scopes,
            fingerprint: secret.map(fingerprint),
            retiring: held.unwrap_or_default(),
            created_at: before.as_ref().map_or(now, |token| token.created_at),
            rotated_at: before.map(|_| now),
            revoked_at: None,
        });
        self.tokens.sort_by(|a, b| a.role.cmp(&b.role));
    }
}

impl DeviceRecord {
    /// Gives a device that has shown a token before this one the new one. What it has shown is good
    /// until the new one is shown: the answer may get lost on its way. So is what it may have been
    /// given at the same moment over another connection. Whatever else it may have held it does not,
    /// or has not heard of.
    pub fn replace(&mut self, role: Role, shown: &str, secret: &str, now: i64) {
        if let Some(token) = self.tokens.iter_mut().find(|token| token.role == role.name()) {
            token.retiring.retain(|it| is_of(&it.fingerprint, shown));
            let unshown = token.fingerprint.replace(fingerprint(secret));
            let unshown = unshown.map(|fingerprint| Retiring { fingerprint, since: now });
            token.retiring.extend(unshown);
            token.rotated_at = Some(now);
        }
    }

    /// Ends the tokens before: the device has the new one.
    pub fn settle(&mut self, role: Role) {
        if let Some(token) = self.tokens.iter_mut().find(|token| token.role == role.name()) {
            token.retiring.clear();
        }
    }
}

/// Whether rights that are held are enough for others.
pub(super) fn covers(held: &[String], wanted: &[String]) -> bool {
    let held_scopes: Vec<Scope> = held.iter().filter_map(|name| Scope::named(name)).collect();
    wanted.iter().all(|name| match Scope::named(name) {
        Some(wanted) => held_scopes.iter().any(|held| held.includes(wanted)),
        None => false,
    })
}

/// The rights of a list that we know of, each once.
pub(super) fn known_scopes(names: &[String]) -> Vec<String> {
    let mut known: Vec<String> = Vec::new();
    for name in names {
        if Scope::named(name).is_some() && !known.contains(name) {
            known.push(name.clone());
        }
    }
    known
}

/// A request as clients are told of it.
pub(crate) fn shown_request(request: &DeviceRequest) -> Value {
    let portrait = &request.portrait;
    let mut shown = json!({
        "requestId": request.id,
        "deviceId": portrait.device_id,
        "publicKey": portrait.public_key,
        "platform": portrait.platform,
        "clientId": portrait.client_id,
        "clientMode": portrait.client_mode,
        "role": request.role,
        "roles": [request.role],
        "scopes": request.scopes,
        "isRepair": request.is_more,
        "ts": request.at,
    });
    let rest = [
        ("displayName", &portrait.display_name),
        ("deviceFamily", &portrait.device_family),
        ("remoteIp", &request.address),
        ("browserOrigin", &request.page),
    ];
    for (key, value) in rest {
        if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
            shown[key] = json!(value);
        }
    }
    shown
}

#[cfg(test)]
#[path = "device/tests.rs"]
mod tests;
