//! Letting a client in: [`judge`] decides, this reads what it has to know and performs what it says.

use serde_json::json;
use tokio::sync::broadcast::Receiver;

use super::device::DeviceRecord;
use super::devices::Cut;
use super::enrolment::Voucher;
use super::handshake::{Grant, Judged, Known, Outcome, SetupGrant, Wish, judge, old_token};
use super::refusal::{Reason, Refusal};
use super::settings::Settings;
use super::visitor::{Claim, Visitor};
use super::wire::Connect;
use crate::config::GatewayAuthMode;
use crate::engine::Engine;
use crate::host::Host;
use crate::methods::Scope;

/// A client that is let in.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) grant: Grant,
    /// The token its device is given, and when.
    pub(super) issued: Option<(String, i64)>,
    /// What may end it from now on; nothing where what it has listened to since it began is right:
    /// what was ended before it was judged anew is not this connection.
    pub(super) cuts: Option<Receiver<Cut>>,
}

/// What one client is judged by.
pub(super) struct Hearing<'a> {
    pub(super) settings: &'a Settings,
    pub(super) host: &'a Host,
    pub(super) engine: &'a Engine,
    pub(super) visitor: &'a Visitor,
    pub(super) nonce: &'a str,
    pub(super) ts: i64,
}

/// What follows for a device's token when it is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owed<'a> {
    Nothing,
    /// It is known by something else and has none yet.
    First,
    /// It shows this one, which was replaced while it was away.
    Another(&'a str),
    /// It shows the new one, so that the one before has served.
    Peace,
}

fn owed<'a>(connect: &'a Connect, record: &DeviceRecord, grant: &Grant, now: i64) -> Owed<'a> {
    if grant.method != "device-token" {
        let is_due = record.is_token_due(grant.role);
        return if is_due { Owed::First } else { Owed::Nothing };
    }
    if let Some(shown) = old_token(connect, record, grant.role, now) {
        return Owed::Another(shown);
    }
    let has_old = record.token(grant.role).is_some_and(|token| !token.retiring.is_empty());
    if has_old { Owed::Peace } else { Owed::Nothing }
}

impl Hearing<'_> {
    /// Lets a client in, or does not.
    pub(super) async fn admit(&self, connect: &Connect) -> Result<Admitted, Refusal> {
        let (devices, store) = (&self.host.devices, self.engine.store());
        let identity = self.identity().await;
        let identity = identity.as_ref().map(|(by, who)| (*by, who.as_str()));
        let (judged, record) = self.judged(connect, identity)?;
        let is_plain = match (&judged.outcome, &record) {
            (Outcome::LetIn(grant), Some(record)) => {
                owed(connect, record, grant, self.ts) == Owed::Nothing
            }
            (Outcome::LetIn(_), None) | (Outcome::Refuse(_), _) => true,
            (Outcome::Pair(..) | Outcome::Ask(..), _) => false,
        };
        if is_plain {
            return self.settle(judged, record);
        }
        let vouched = self.vouched(connect, &judged).await;
        // What has been decided is decided again about the record as it is now.
        let _change = devices.change().await;
        let (judged, record) = self.judged(connect, identity)?;
        let now = self.engine.clock().now().0;
        match (judged.outcome.clone(), record) {
            (Outcome::LetIn(grant), Some(record)) => {
                self.note(&judged);
                let (role, device) = (grant.role, record.portrait.device_id.clone());
                // As it was judged: by when the connection began.
                let owed = owed(connect, &record, &grant, self.ts);
                let token = match owed {
                    Owed::First => devices.issue(store, record, role, now).await.map(Some),
                    Owed::Another(shown) => {
                        devices.replace(store, record, (role, shown), now).await.map(Some)
                    }
                    Owed::Peace => devices.settle(store, record, role, now).await.map(|()| None),
                    Owed::Nothing => Ok(None),
                };
                let token = token.map_err(Refusal::later)?;
                if matches!(owed, Owed::Another(_) | Owed::Peace) {
                    // Whoever has come with an older one may not be this device.
                    let (role, why) = (Some(role), "device token rotated");
                    devices.cut(Cut { device, role, except: None, why });
                }
                let (issued, cuts) = (token.map(|token| (token, now)), Some(devices.cuts()));
                Ok(Admitted { grant, issued, cuts })
            }
            (Outcome::Pair(grant, wish, via), record) => {
                self.note(&judged);
                let by = self.give_way(connect, via, record.is_none())?;
                let token = devices.pair(store, &wish, via, by, now).await;
                let token = token.map_err(Refusal::later)?;
                tracing::info!(device = %wish.portrait.device_id, via, "a device was let in");
                Ok(Admitted { grant, issued: Some((token, now)), cuts: None })
            }
            (Outcome::Ask(wish, Reason::NotPaired), None) if vouched.is_some() => {
                self.note(&judged);
                self.enrol(connect, wish, vouched.map_or("", Voucher::name), now).await
            }
            (Outcome::Ask(wish, reason), _) => {
                self.note(&judged);
                Err(self.ask(&wish, reason, now).await)
            }
            (_, record) => self.settle(judged, record),
        }
    }

    /// What is known of it, and what follows.
    fn judged(
        &self,
        connect: &Connect,
        identity: Option<(&'static str, &str)>,
    ) -> Result<(Judged, Option<DeviceRecord>), Refusal> {
        let (devices, clock) = (&self.host.devices, self.engine.clock());
        let record = match &connect.device {
            Some(proof) => devices.get(self.engine.store(), &proof.id).map_err(Refusal::later)?,
            None => None,
        };
        let setup = self.setup(connect);
        let given = identity.map(|(_, who)| self.settings.identity_scopes.of(who));
        let mut judged = judge(
            connect,
            &Known {
                mode: self.settings.mode,
                secret: self.settings.secret.as_deref(),
                nonce: self.nonce,
                ts: self.ts,
                visitor: self.visitor,
                identity,
                given: &given.unwrap_or_default(),
                record: record.as_ref(),
                setup: setup.as_ref(),
                waits: self.settings.waits(self.visitor, clock.steady().0),
            },
        );
        judged.outcome = self.settings.enrolment.narrowed(judged.outcome);
        Ok((judged, record))
    }

    fn setup(&self, connect: &Connect) -> Option<SetupGrant> {
        let shown = connect.auth.as_ref()?.bootstrap_token.as_deref()?;
        self.host.devices.setups().find(shown, self.engine.clock().now().0)
    }

    /// Uses up a setup code, and looks for a place for a new device.
    fn give_way(
        &self,
        connect: &Connect,
        via: &str,
        is_new: bool,
    ) -> Result<Option<String>, Refusal> {
        let devices = &self.host.devices;
        if is_new && !devices.has_room(self.engine.store()).map_err(Refusal::later)? {
            return Err(Refusal::later("too many devices are paired; remove one first"));
        }
        if via != "setup-code" {
            return Ok(None);
        }
        let by = self.setup(connect).map(|setup| setup.by);
        let shown = connect.auth.as_ref().and_then(|auth| auth.bootstrap_token.as_deref());
        if devices.setups().use_up(shown.unwrap_or_default()) {
            Ok(by)
        } else {
            Err(Refusal::later("somebody else has just used this setup code"))
        }
    }

    /// Who vouches for a device that would have to wait for a person.
    async fn vouched(&self, connect: &Connect, judged: &Judged) -> Option<Voucher> {
        let enrolment = &self.settings.enrolment;
        let voucher = enrolment.voucher(connect, judged, self.visitor)?;
        let (Voucher::Key, Outcome::Ask(wish, _)) = (voucher, &judged.outcome) else {
            return Some(voucher);
        };
        let (lookups, now) = (&self.settings.lookups, self.engine.clock().steady().0);
        let lookup = enrolment.ssh.as_ref()?;
        let address = self.visitor.address;
        lookups.vouches(lookup, address, &wish.portrait, now).await.then_some(voucher)
    }

    /// Lets in a node that somebody vouches for. Under [`super::Devices::change`].
    async fn enrol(
        &self,
        connect: &Connect,
        wish: Wish,
        via: &'static str,
        now: i64,
    ) -> Result<Admitted, Refusal> {
        let (devices, store) = (&self.host.devices, self.engine.store());
        self.give_way(connect, via, true)?;
        let token = devices.pair(store, &wish, via, None, now).await.map_err(Refusal::later)?;
        let device = wish.portrait.device_id;
        tracing::info!(%device, via, address = %self.visitor.address, "a node was let in");
        let waiting = devices.requests(store, now).map_err(Refusal::later)?;
        for request in waiting.iter().filter(|it| it.portrait.device_id == device) {
            devices.resolve(store, request, None).await.map_err(Refusal::later)?;
            let told = json!({
                "requestId": request.id, "deviceId": device, "decision": "approved", "ts": now,
            });
            self.host.hub.tell("device.pair.resolved", Some(Scope::Pairing), told);
        }
        let method = match self.settings.mode {
            GatewayAuthMode::Token => "token",
            GatewayAuthMode::Password => "password",
            GatewayAuthMode::TrustedProxy => "trusted-proxy",
            GatewayAuthMode::None => "none",
        };
        let grant = Grant { role: wish.role, scopes: Vec::new(), method, device: Some(device) };
        Ok(Admitted { grant, issued: Some((token, now)), cuts: None })
    }

    async fn ask(&self, wish: &Wish, reason: Reason, now: i64) -> Refusal {
        let (devices, hub, store) = (&self.host.devices, &self.host.hub, self.engine.store());
        let is_more = reason != Reason::NotPaired;
        match devices.ask(store, hub, wish, self.visitor, is_more, now).await {
            Ok(request) => Refusal::pairing_required(reason, &request),
            Err(error) => Refusal::later(error),
        }
    }

    /// An outcome that changes no record.
    fn settle(&self, judged: Judged, record: Option<DeviceRecord>) -> Result<Admitted, Refusal> {
        self.note(&judged);
        match judged.outcome {
            Outcome::LetIn(grant) => {
                if let Some(record) = record {
                    let now = self.engine.clock().now().0;
                    self.host.devices.seen(self.engine.store(), record, now);
                }
                Ok(Admitted { grant, issued: None, cuts: None })
            }
            Outcome::Refuse(refusal) => Err(refusal),
            Outcome::Pair(..) | Outcome::Ask(..) => {
                Err(Refusal::later("the record of this device has just changed"))
            }
        }
    }

    fn note(&self, judged: &Judged) {
        let now = self.engine.clock().steady().0;
        self.settings.note(self.visitor, &judged.failed, judged.proven, now);
    }

    /// Whom somebody before us knows, verified.
    async fn identity(&self) -> Option<(&'static str, String)> {
        match self.visitor.claim.as_ref()? {
            Claim::Proxy(user) => Some(("trusted-proxy", user.clone())),
            Claim::Tailscale(login) => {
                let whois = self.settings.whois.as_ref()?;
                let known = whois.login(self.visitor.address).await?;
                (known == *login).then_some(("tailscale", known))
            }
        }
    }
}
