//! Devices: which may connect, which ask to, and what tokens they have.
//!
//! Whoever lets a device in gives it no more than he has himself; who did is in the log and in the
//! record.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use super::params::{Nothing, Text, read};
use super::{Call, ErrorBody, Method, Role, Scope};
use crate::gateway::{
    Cut, DeviceRecord, DeviceRequest, Place, SetupGrant, TokenRecord, Wish, may_change, may_give,
    pairing, shown_request,
};

/// Addresses that one code names.
const URLS_MAX: usize = 4;
/// Longest name a person can give a device, in characters.
const LABEL_CHARS_MAX: usize = 64;

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "device.pair.list",
        scope: Scope::Pairing,
        about: "devices that may connect, and those that ask to",
        run: |call| super::ready(list(&call)),
    },
    Method {
        name: "device.pair.approve",
        scope: Scope::Pairing,
        about: "let a device in that asks",
        run: |call| Box::pin(approve(call)),
    },
    Method {
        name: "device.pair.reject",
        scope: Scope::Pairing,
        about: "do not",
        run: |call| Box::pin(reject(call)),
    },
    Method {
        name: "device.pair.remove",
        scope: Scope::Pairing,
        about: "forget a device and end its connections",
        run: |call| Box::pin(remove(call)),
    },
    Method {
        name: "device.pair.rename",
        scope: Scope::Pairing,
        about: "give a device a name",
        run: |call| Box::pin(rename(call)),
    },
    Method {
        name: "device.pair.setupCode",
        scope: Scope::Pairing,
        about: "a code that lets one device in, once, within ten minutes",
        run: |call| super::ready(setup_code(&call)),
    },
    Method {
        name: "device.token.rotate",
        scope: Scope::Pairing,
        about: "replace a device's token",
        run: |call| Box::pin(rotate(call)),
    },
    Method {
        name: "device.token.revoke",
        scope: Scope::Pairing,
        about: "take a device's token back",
        run: |call| Box::pin(revoke(call)),
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RequestParams {
    request_id: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct DeviceParams {
    device_id: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RenameParams {
    device_id: Text,
    label: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RotateParams {
    device_id: Text,
    role: RoleName,
    scopes: Option<Vec<Text>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RevokeParams {
    device_id: Text,
    role: RoleName,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SetupParams {
    bootstrap_profile: Option<Profile>,
    public_url: Option<Text>,
    #[serde(default)]
    include_qr: bool,
    #[serde(default)]
    join_url: bool,
    #[serde(default)]
    prefer_remote_url: bool,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RoleName {
    Operator,
    Node,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Profile {
    Limited,
    Node,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Operator => Self::Operator,
            RoleName::Node => Self::Node,
        }
    }
}

fn failed(error: telson_actors::store::StoreError) -> ErrorBody {
    ErrorBody::unavailable(error.to_string())
}

fn now(call: &Call) -> i64 {
    call.engine.clock().now().0
}

fn device(call: &Call, id: &str) -> Result<DeviceRecord, ErrorBody> {
    let found = call.host.devices.get(call.engine.store(), id).map_err(failed)?;
    found.ok_or_else(|| ErrorBody::invalid(format!("unknown deviceId: {id}")))
}

fn requested(call: &Call, id: &str) -> Result<DeviceRequest, ErrorBody> {
    let all = call.host.devices.requests(call.engine.store(), now(call));
    let found = all.map_err(failed)?.into_iter().find(|request| request.id == id);
    found.ok_or_else(|| ErrorBody::invalid(format!("unknown requestId: {id}")))
}

fn who(call: &Call) -> String {
    match &call.caller.device {
        Some(device) => format!("{}/{device}", call.caller.name),
        None => call.caller.name.clone(),
    }
}

fn list(call: &Call) -> Result<Value, ErrorBody> {
    read::<Nothing>("device.pair.list", call.params.clone())?;
    let (devices, store) = (&call.host.devices, call.engine.store());
    let pending = devices.requests(store, now(call)).map_err(failed)?;
    let paired = devices.all(store).map_err(failed)?;
    let paired: Vec<Value> = paired.iter().map(|device| shown(call, device)).collect();
    let pending: Vec<Value> = pending.iter().map(shown_request).collect();
    Ok(json!({"pending": pending, "paired": paired}))
}

fn shown(call: &Call, device: &DeviceRecord) -> Value {
    let portrait = &device.portrait;
    let mut shown = json!({
        "deviceId": portrait.device_id,
        "publicKey": portrait.public_key,
        "platform": portrait.platform,
        "clientId": portrait.client_id,
        "clientMode": portrait.client_mode,
        "role": device.roles.first(),
        "roles": device.roles,
        "scopes": device.scopes,
        "approvedVia": device.approved_via,
        "createdAtMs": device.created_at,
        "approvedAtMs": device.approved_at,
        "lastSeenAtMs": device.seen_at,
        "lastSeenReason": "connect",
        "connected": call.host.devices.is_connected(&portrait.device_id),
        "tokens": device.tokens.iter().map(shown_token).collect::<Vec<_>>(),
    });
    let rest = [
        ("displayName", device.label.as_ref().or(portrait.display_name.as_ref())),
        ("label", device.label.as_ref()),
        ("deviceFamily", portrait.device_family.as_ref()),
        ("approvedBy", device.approved_by.as_ref()),
    ];
    for (key, value) in rest {
        if let Some(value) = value {
            shown[key] = json!(value);
        }
    }
    shown
}

fn shown_token(token: &TokenRecord) -> Value {
    let mut shown =
        json!({"role": token.role, "scopes": token.scopes, "createdAtMs": token.created_at});
    for (key, at) in [("rotatedAtMs", token.rotated_at), ("revokedAtMs", token.revoked_at)] {
        if let Some(at) = at {
            shown[key] = json!(at);
        }
    }
    shown
}

async fn approve(call: Call) -> Result<Value, ErrorBody> {
    let params: RequestParams = read("device.pair.approve", call.params.clone())?;
    let devices = call.host.devices.clone();
    let _change = devices.change().await;
    let request = requested(&call, params.request_id.as_str())?;
    let role = Role::named(&request.role)
        .ok_or_else(|| ErrorBody::internal("the request names no role"))?;
    may_give(&call.caller, role, &request.scopes)?;
    let before = devices.get(call.engine.store(), &request.portrait.device_id);
    let before = before.map_err(failed)?;
    if before.is_none() && !devices.has_room(call.engine.store()).map_err(failed)? {
        return Err(ErrorBody::unavailable("too many devices are paired; remove one first"));
    }
    let (portrait, scopes) = (request.portrait.clone(), request.scopes.clone());
    let wish = Wish { portrait, role, scopes };
    let record = pairing::let_in(before, &wish, "owner", Some(who(&call)), now(&call));
    let written = devices.resolve(call.engine.store(), &request, Some(&record)).await;
    written.map_err(failed)?;
    resolved(&call, &request, "approved");
    Ok(json!({"requestId": request.id, "device": shown(&call, &record)}))
}

async fn reject(call: Call) -> Result<Value, ErrorBody> {
    let params: RequestParams = read("device.pair.reject", call.params.clone())?;
    let devices = call.host.devices.clone();
    let _change = devices.change().await;
    let request = requested(&call, params.request_id.as_str())?;
    let written = devices.resolve(call.engine.store(), &request, None).await;
    written.map_err(failed)?;
    resolved(&call, &request, "rejected");
    Ok(json!({"requestId": request.id, "deviceId": request.portrait.device_id}))
}

fn resolved(call: &Call, request: &DeviceRequest, decision: &str) {
    let device = &request.portrait.device_id;
    tracing::info!(%device, request = %request.id, by = %who(call), decision, "a device's request");
    let payload = json!({
        "requestId": request.id,
        "deviceId": device,
        "decision": decision,
        "ts": now(call),
    });
    call.host.hub.tell("device.pair.resolved", Some(Scope::Pairing), payload);
}

async fn remove(call: Call) -> Result<Value, ErrorBody> {
    let params: DeviceParams = read("device.pair.remove", call.params.clone())?;
    let id = params.device_id.to_string();
    may_change(&call.caller, &id)?;
    let _turn = call.host.guests.nodes().turn(&id).await;
    let devices = call.host.devices.clone();
    let _change = devices.change().await;
    device(&call, &id)?;
    devices.remove(call.engine.store(), &id).await.map_err(failed)?;
    call.host.guests.nodes().remove(&id);
    tracing::info!(device = %id, by = %who(&call), "a device was removed");
    Ok(json!({"deviceId": id}))
}

async fn rename(call: Call) -> Result<Value, ErrorBody> {
    let params: RenameParams = read("device.pair.rename", call.params.clone())?;
    let id = params.device_id.to_string();
    let label = params.label.as_str().trim().to_owned();
    if label.is_empty() || label.chars().count() > LABEL_CHARS_MAX {
        let wrong = format!("params.label: 1 to {LABEL_CHARS_MAX} characters");
        return Err(ErrorBody::invalid(wrong));
    }
    may_change(&call.caller, &id)?;
    let devices = call.host.devices.clone();
    let _change = devices.change().await;
    let mut record = device(&call, &id)?;
    record.label = Some(label.clone());
    devices.put(call.engine.store(), &record).await.map_err(failed)?;
    Ok(json!({"deviceId": id, "label": label}))
}

async fn rotate(call: Call) -> Result<Value, ErrorBody> {
    let params: RotateParams = read("device.token.rotate", call.params.clone())?;
    let (id, role) = (params.device_id.to_string(), Role::from(params.role));
    let asked = params.scopes;
    let asked = asked.map(|scopes| scopes.iter().map(ToString::to_string).collect::<Vec<_>>());
    let devices = call.host.devices.clone();
    let _change = devices.change().await;
    let mut record = device(&call, &id)?;
    let scopes = pairing::rotation(&call.caller, &record, role, asked.as_deref())?;
    let is_own = call.caller.device.as_deref() == Some(&id);
    let secret = if is_own {
        Some(crate::gateway::new_secret().map_err(ErrorBody::internal)?)
    } else {
        None
    };
    let at = now(&call);
    record.issue(role, scopes.clone(), secret.as_deref(), at);
    devices.put(call.engine.store(), &record).await.map_err(failed)?;
    tracing::info!(device = %id, role = role.name(), by = %who(&call), "a token was replaced");
    let mut answer =
        json!({"deviceId": id, "role": role.name(), "scopes": scopes, "rotatedAtMs": at});
    if let Some(secret) = secret {
        answer["token"] = json!(secret);
        answer["tokenDelivery"] = json!("in-band");
    } else {
        // The device is given its new token itself, when it next connects.
        answer["tokenDelivery"] = json!("withheld-cross-device");
    }
    if !is_own {
        // It may hold fewer rights now than what it has offered.
        devices.setups().forget_those_of(&id);
    }
    let except = is_own.then(|| call.caller.name.clone());
    devices.cut(Cut { device: id, role: Some(role), except, why: "device token rotated" });
    Ok(answer)
}

async fn revoke(call: Call) -> Result<Value, ErrorBody> {
    let params: RevokeParams = read("device.token.revoke", call.params.clone())?;
    let (id, role) = (params.device_id.to_string(), Role::from(params.role));
    may_change(&call.caller, &id)?;
    let devices = call.host.devices.clone();
    let _change = devices.change().await;
    let mut record = device(&call, &id)?;
    let at = now(&call);
    let token = record.tokens.iter_mut().find(|token| token.role == role.name());
    let token = token.ok_or_else(|| ErrorBody::invalid("this device has no token of this role"))?;
    token.revoke(at);
    devices.put(call.engine.store(), &record).await.map_err(failed)?;
    tracing::info!(device = %id, role = role.name(), by = %who(&call), "a token was taken back");
    // A right that is taken back lets nobody in any more.
    devices.setups().forget_those_of(&id);
    let why = "device token revoked";
    devices.cut(Cut { device: id.clone(), role: Some(role), except: None, why });
    Ok(json!({"deviceId": id, "role": role.name(), "revokedAtMs": at}))
}

fn setup_code(call: &Call) -> Result<Value, ErrorBody> {
    let params: SetupParams = read("device.pair.setupCode", call.params.clone())?;
    let wishes = [
        ("includeQr", params.include_qr),
        ("joinUrl", params.join_url),
        ("preferRemoteUrl", params.prefer_remote_url),
    ];
    if let Some((key, _)) = wishes.iter().find(|(_, is_wanted)| *is_wanted) {
        let wrong = format!("params.{key}: not offered here; give the code itself to the device");
        return Err(ErrorBody::invalid(wrong));
    }
    let (role, scopes, access) = match params.bootstrap_profile {
        None => (Role::Operator, Scope::ALL.map(Scope::name).to_vec(), "full"),
        Some(Profile::Limited) => {
            (Role::Operator, vec![Scope::Read.name(), Scope::Write.name()], "limited")
        }
        Some(Profile::Node) => (Role::Node, Vec::new(), "node"),
    };
    let scopes: Vec<String> = scopes.into_iter().map(str::to_owned).collect();
    may_give(&call.caller, role, &scopes)?;
    let place = call.host.devices.place();
    let place = place.ok_or_else(|| ErrorBody::unavailable("no gateway is listening"))?;
    let Way { urls, source, fingerprint } = way(call, place, params.public_url.as_ref())?;
    let grant = SetupGrant { role, scopes, by: who(call) };
    let (token, expires_at) = call.host.devices.setups().add(grant, now(call))?;
    let mut code = json!({
        "url": urls[0], "bootstrapToken": token, "expiresAtMs": expires_at,
    });
    if urls.len() > 1 {
        code["urls"] = json!(urls);
    }
    if let Some(fingerprint) = fingerprint {
        code["tlsFingerprint"] = json!(fingerprint);
    }
    Ok(json!({
        "setupCode": BASE64.encode(code.to_string()),
        "gatewayUrl": urls[0],
        "gatewayUrls": urls,
        "auth": place.auth,
        "urlSource": source,
        "access": access,
        "expiresAtMs": expires_at,
    }))
}

/// Where a device is to come.
struct Way {
    /// At least one.
    urls: Vec<String>,
    source: &'static str,
    /// By what it knows the gateway's own certificate.
    fingerprint: Option<String>,
}

/// Where a device is to come: where somebody says, else over Tailscale, else to this machine's own
/// addresses.
fn way(call: &Call, place: &Place, said: Option<&Text>) -> Result<Way, ErrorBody> {
    let elsewhere = |url: String, source| Way { urls: vec![url], source, fingerprint: None };
    if let Some(url) = said {
        return Ok(elsewhere(url.to_string(), "params.publicUrl"));
    }
    if let Some(url) = call.host.tailnet_url() {
        let url = url.trim_end_matches('/').replacen("https://", "wss://", 1);
        return Ok(elsewhere(url, "gateway.tailscale"));
    }
    let mut urls = place.urls();
    urls.truncate(URLS_MAX);
    if urls.is_empty() {
        let text = "the gateway is only bound to loopback, where no other device reaches it: set \
                    gateway.bind to lan, switch gateway.tailscale on, or give publicUrl";
        return Err(ErrorBody::invalid(text));
    }
    let tls = call.host.tls.get().filter(|_| place.scheme == "wss");
    let fingerprint = tls.map(|tls| tls.fingerprint().to_string());
    Ok(Way { urls, source: "gateway.bind", fingerprint })
}
