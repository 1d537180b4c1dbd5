//! Who is let in, and with which rights.
//!
//! Rights come from the server's own records alone: what a client says of itself only narrows them.
//! A secret counts when it is right, never because it is there. Invariant: X1.

use super::device::{DeviceRecord, Portrait, covers, fingerprint, known_scopes};
use super::device_proof;
use super::identity::common;
use super::limiter::Class;
use super::refusal::{Reason, Refusal};
use super::visitor::{Page, Visitor};
use super::wire::{Connect, Credentials};
use crate::config::GatewayAuthMode;
use crate::methods::{Role, Scope};
use subtle::ConstantTimeEq;

/// The version of the protocol.
pub const PROTOCOL: u32 = 4;
/// Clients that only look may be one version behind.
pub const PROTOCOL_OF_PROBES: u32 = 3;

/// What the server itself knows when it judges.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// What a client has to show.
    pub mode: GatewayAuthMode,
    /// The shared token or password, by the mode.
    pub secret: Option<&'a str>,
    /// The challenge this connection was given.
    pub nonce: &'a str,
    /// When.
    pub ts: i64,
    /// Who is behind the connection.
    pub visitor: &'a Visitor,
    /// By whom somebody was let through before us, and who: `trusted-proxy` or `tailscale`.
    pub identity: Option<(&'static str, &'a str)>,
    /// What whoever that is may do on this connection, whatever its device may.
    pub given: &'a [Scope],
    /// The record of the device it says it is.
    pub record: Option<&'a DeviceRecord>,
    /// What the setup code that it shows allows.
    pub setup: Option<&'a SetupGrant>,
    /// How long it has to wait with a secret of a class, in milliseconds.
    pub waits: [Option<u64>; 3],
}

/// What a setup code allows the device that shows it first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupGrant {
    /// Its role.
    pub role: Role,
    /// Its rights.
    pub scopes: Vec<String>,
    /// Who made the code.
    pub by: String,
}

/// A client that is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// What it is.
    pub role: Role,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// By what it was known: `token`, `password`, `device-token`, ...
    pub method: &'static str,
    /// The device it is, proven by its key.
    pub device: Option<String>,
}

/// What a device wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Who it is.
    pub portrait: Portrait,
    /// The role it wants.
    pub role: Role,
    /// The rights it wants.
    pub scopes: Vec<String>,
}

/// What becomes of a client.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is let in.
    LetIn(Grant),
    /// It is let in and remembered from now on, with the word for how.
    Pair(Grant, Wish, &'static str),
    /// A person has to approve it first.
    Ask(Wish, Reason),
    /// It is not let in.
    Refuse(Refusal),
}

/// A judgement.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// What becomes of the client.
    pub outcome: Outcome,
    /// Which wrong secrets it has shown.
    pub failed: Vec<Class>,
    /// Which right one.
    pub proven: Option<Class>,
}

/// By what a client is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// It has the shared secret, or none is asked for: a full operator.
    Shared(&'static str),
    /// Somebody before us knows it.
    Identity(&'static str),
    /// It has a token of its own.
    Device,
    /// It has a setup code.
    Setup,
}

/// Judges the first request of a client.
pub fn judge(connect: &Connect, known: &Known<'_>) -> Judged {
    let mut failed = Vec::new();
    let mut proven = None;
    let outcome = decide(connect, known, &mut failed, &mut proven).unwrap_or_else(Outcome::Refuse);
    Judged { outcome, failed, proven }
}

fn decide(
    connect: &Connect,
    known: &Known<'_>,
    failed: &mut Vec<Class>,
    proven: &mut Option<Class>,
) -> Result<Outcome, Refusal> {
    check_version(connect)?;
    // Before any secret: a page can't even find out whether it has guessed one.
    if matches!(known.visitor.page, Page::Foreign(_)) {
        return Err(Refusal::foreign_page());
    }
    let name = connect.role.as_deref().unwrap_or("operator");
    let role = Role::named(name).ok_or_else(|| Refusal::plain("invalid role"))?;
    if let Some(proof) = &connect.device {
        device_proof::check(proof, connect, known.nonce, known.ts).map_err(Refusal::proof)?;
    }
    let trust = trust(connect, known, role, failed)?;
    *proven = match trust {
        Trust::Shared("none") | Trust::Identity(_) => None,
        Trust::Shared(_) => Some(Class::Shared),
        Trust::Device => Some(Class::Device),
        Trust::Setup => Some(Class::Setup),
    };
    // A node has no operator's rights, whatever it asks for.
    let asked = if role == Role::Node { Vec::new() } else { known_scopes(&connect.scopes) };
    let asked = match &known.visitor.ceiling {
        None => asked,
        Some(most) => names(&common(&to_scopes(&asked), most)),
    };
    let outcome = match portrait(connect) {
        Some(portrait) => device(Wish { portrait, role, scopes: asked }, trust, known)?,
        None => no_device(connect, known, role, trust, &asked)?,
    };
    Ok(with_given(outcome, trust, known))
}

/// What a person may do who is known to somebody before us comes to what the device may: for this
/// connection, and no further than the proxy lets it.
fn with_given(mut outcome: Outcome, trust: Trust, known: &Known<'_>) -> Outcome {
    let Outcome::LetIn(grant) = &mut outcome else { return outcome };
    if grant.role != Role::Operator || !matches!(trust, Trust::Identity(_)) {
        return outcome;
    }
    let new = known.given.iter().filter(|scope| !grant.scopes.contains(scope));
    let new: Vec<Scope> = new.copied().collect();
    grant.scopes.extend(new);
    if let Some(most) = &known.visitor.ceiling {
        grant.scopes = common(&grant.scopes, most);
    }
    outcome
}

/// Whether somebody before us gives this right; then no device has to have it.
fn is_given(scope: &str, trust: Trust, known: &Known<'_>) -> bool {
    let scope = Scope::named(scope).filter(|_| matches!(trust, Trust::Identity(_)));
    scope.is_some_and(|scope| known.given.iter().any(|given| given.includes(scope)))
}

fn check_version(connect: &Connect) -> Result<(), Refusal> {
    let is_probe = connect.client.mode == "probe"
        || (connect.role.as_deref() == Some("node") && connect.client.mode == "node");
    let oldest = if is_probe { PROTOCOL_OF_PROBES } else { PROTOCOL };
    if connect.min_protocol <= PROTOCOL && connect.max_protocol >= oldest {
        return Ok(());
    }
    Err(Refusal::version(connect))
}

fn portrait(connect: &Connect) -> Option<Portrait> {
    let proof = connect.device.as_ref()?;
    let client = &connect.client;
    Some(Portrait {
        device_id: proof.id.clone(),
        public_key: proof.public_key.clone(),
        display_name: client.display_name.clone(),
        platform: client.platform.clone(),
        device_family: client.device_family.clone(),
        client_id: client.id.clone(),
        client_mode: client.mode.clone(),
    })
}

/// By what it is known, if it is.
fn trust(
    connect: &Connect,
    known: &Known<'_>,
    role: Role,
    failed: &mut Vec<Class>,
) -> Result<Trust, Refusal> {
    let empty = Credentials::default();
    let shown = connect.auth.as_ref().unwrap_or(&empty);
    if known.mode == GatewayAuthMode::None && known.visitor.is_local {
        return Ok(Trust::Shared("none"));
    }
    if let Some((by, _)) = known.identity {
        return Ok(Trust::Identity(by));
    }
    let mut refusal = None;
    match shared(shown, known) {
        Shared::Right(method) => return Ok(Trust::Shared(method)),
        Shared::Wrong(why) => {
            // The same text may be a device's token; a second one beside it must not hide a guess.
            let is_device_token = own_token(shown, known, role)
                .is_some_and(|own| shown.token.as_deref() == Some(own) && shown.password.is_none());
            if !is_device_token {
                failed.push(Class::Shared);
            }
            refusal = Some(why);
        }
        Shared::Locked(why) => refusal = Some(why),
        Shared::Absent => {}
    }
    if connect.device.is_some() {
        match own(shown, known, role, failed) {
            Some(Ok(())) => return Ok(Trust::Device),
            Some(Err(why)) => refusal = refusal.or(Some(why)),
            None => {
                let has_token = known.record.and_then(|record| record.token(role)).is_some();
                refusal =
                    refusal.map(|why| if has_token { why.or_with_device_token() } else { why });
            }
        }
        match setup(shown, known, failed) {
            Some(Ok(())) => return Ok(Trust::Setup),
            Some(Err(why)) => refusal = refusal.or(Some(why)),
            None => {}
        }
    }
    Err(refusal.unwrap_or_else(|| nothing_shown(connect, known)))
}

enum Shared {
    Right(&'static str),
    Wrong(Refusal),
    Locked(Refusal),
    Absent,
}

fn shared(shown: &Credentials, known: &Known<'_>) -> Shared {
    let (method, shown, code, reason, text) = match known.mode {
        GatewayAuthMode::Token => (
            "token",
            &shown.token,
            "AUTH_TOKEN_MISMATCH",
            "token_mismatch",
            "gateway token mismatch (provide gateway auth token)",
        ),
        GatewayAuthMode::Password => (
            "password",
            &shown.password,
            "AUTH_PASSWORD_MISMATCH",
            "password_mismatch",
            "gateway password mismatch (provide gateway auth password)",
        ),
        GatewayAuthMode::TrustedProxy | GatewayAuthMode::None => return Shared::Absent,
    };
    let Some(shown) = shown.as_deref().filter(|shown| !shown.is_empty()) else {
        return Shared::Absent;
    };
    // Who has to wait is not even told whether it has guessed right.
    if let Some(wait) = known.waits[Class::Shared as usize] {
        return Shared::Locked(Refusal::too_many(wait));
    }
    if known.secret.is_some_and(|secret| is_same(shown, secret)) {
        return Shared::Right(method);
    }
    Shared::Wrong(Refusal::unauthorized(code, reason, text))
}

/// Takes the same time whatever is wrong, and says nothing of the secret's length.
pub(super) fn is_same(shown: &str, secret: &str) -> bool {
    !secret.is_empty() && bool::from(fingerprint(shown).ct_eq(&fingerprint(secret)))
}

/// The token of its own that a client shows, if it is right.
fn own_token<'a>(shown: &'a Credentials, known: &Known<'_>, role: Role) -> Option<&'a str> {
    let token = known.record?.token(role)?;
    let mut texts = [&shown.device_token, &shown.token].into_iter().flatten();
    texts.find(|text| token.is(text) || token.was(text, known.ts)).map(String::as_str)
}

/// The token a client shows that is one before the one its device has, or is to have.
pub(super) fn old_token<'a>(
    connect: &'a Connect,
    record: &DeviceRecord,
    role: Role,
    now: i64,
) -> Option<&'a str> {
    let (shown, token) = (connect.auth.as_ref()?, record.token(role)?);
    let mut texts = [&shown.device_token, &shown.token].into_iter().flatten();
    // Whoever shows both has the new one.
    if texts.clone().any(|text| token.is(text)) {
        return None;
    }
    texts.find(|text| token.was(text, now)).map(String::as_str)
}

fn own(
    shown: &Credentials,
    known: &Known<'_>,
    role: Role,
    failed: &mut Vec<Class>,
) -> Option<Result<(), Refusal>> {
    let shown_own = shown.device_token.as_deref().filter(|shown| !shown.is_empty());
    if let Some(wait) = known.waits[Class::Device as usize] {
        return shown_own.map(|_| Err(Refusal::too_many(wait)));
    }
    if own_token(shown, known, role).is_some() {
        return Some(Ok(()));
    }
    shown_own?;
    failed.push(Class::Device);
    Some(Err(Refusal::unauthorized(
        "AUTH_DEVICE_TOKEN_MISMATCH",
        "device_token_mismatch",
        "device token mismatch (rotate/reissue device token)",
    )))
}

fn setup(
    shown: &Credentials,
    known: &Known<'_>,
    failed: &mut Vec<Class>,
) -> Option<Result<(), Refusal>> {
    shown.bootstrap_token.as_deref().filter(|shown| !shown.is_empty())?;
    if let Some(wait) = known.waits[Class::Setup as usize] {
        return Some(Err(Refusal::too_many(wait)));
    }
    if known.setup.is_some() {
        return Some(Ok(()));
    }
    failed.push(Class::Setup);
    Some(Err(Refusal::unauthorized(
        "AUTH_BOOTSTRAP_TOKEN_INVALID",
        "bootstrap_token_invalid",
        "bootstrap token invalid or expired (scan a fresh setup code)",
    )))
}

fn nothing_shown(connect: &Connect, known: &Known<'_>) -> Refusal {
    let (code, reason, text) = match known.mode {
        GatewayAuthMode::TrustedProxy => (
            "AUTH_IDENTITY_HEADER_REQUIRED",
            "trusted_proxy_user_missing",
            "the proxy in front has not said who this is",
        ),
        GatewayAuthMode::None => (
            "AUTH_UNAUTHORIZED",
            "not_local",
            "without authentication only programs of this machine are let in",
        ),
        _ if connect.device.is_none() => return Refusal::device_required(),
        GatewayAuthMode::Token => (
            "AUTH_TOKEN_MISSING",
            "token_missing",
            "gateway token missing (provide gateway auth token)",
        ),
        GatewayAuthMode::Password => (
            "AUTH_PASSWORD_MISSING",
            "password_missing",
            "gateway password missing (provide gateway auth password)",
        ),
    };
    Refusal::unauthorized(code, reason, text)
}

/// A client without a device: only a few kinds keep their rights, and only with the shared secret.
fn no_device(
    connect: &Connect,
    known: &Known<'_>,
    role: Role,
    trust: Trust,
    asked: &[String],
) -> Result<Outcome, Refusal> {
    let (Role::Operator, Trust::Shared(method) | Trust::Identity(method)) = (role, trust) else {
        return Err(Refusal::device_required());
    };
    let is_ours = known.visitor.is_local && matches!(known.visitor.page, Page::Welcome(_));
    let keeps = matches!(trust, Trust::Shared(_))
        && match (connect.client.id.as_str(), connect.client.mode.as_str()) {
            ("cli", "cli") | ("gateway-client", "backend") => true,
            // Our own page, fetched from this machine by somebody who has the secret.
            ("webchat-ui" | "openclaw-control-ui", "webchat" | "ui") => is_ours,
            _ => false,
        };
    let scopes = if keeps { to_scopes(asked) } else { Vec::new() };
    Ok(Outcome::LetIn(Grant { role, scopes, method, device: None }))
}

/// A device, proven by its key.
fn device(mut wish: Wish, trust: Trust, known: &Known<'_>) -> Result<Outcome, Refusal> {
    let grant = |wish: &Wish, method| Grant {
        role: wish.role,
        scopes: to_scopes(&wish.scopes),
        method,
        device: Some(wish.portrait.device_id.clone()),
    };
    if let (Trust::Setup, Some(setup)) = (trust, known.setup) {
        if wish.role != setup.role {
            return Ok(Outcome::Ask(wish, Reason::RoleUpgrade));
        }
        wish.scopes.retain(|scope| covers(&setup.scopes, std::slice::from_ref(scope)));
        return Ok(Outcome::Pair(grant(&wish, "bootstrap-token"), wish, "setup-code"));
    }
    let method = match trust {
        Trust::Shared(method) | Trust::Identity(method) => method,
        Trust::Device | Trust::Setup => "device-token",
    };
    let Some(record) = known.record else {
        return Ok(match trust {
            Trust::Shared(_) if known.visitor.is_local => {
                Outcome::Pair(grant(&wish, method), wish, "silent")
            }
            _ => Outcome::Ask(wish, Reason::NotPaired),
        });
    };
    if !record.has_role(wish.role) {
        return Ok(Outcome::Ask(wish, Reason::RoleUpgrade));
    }
    let has = |scope: &String| covers(&record.scopes, std::slice::from_ref(scope));
    if wish.role == Role::Operator {
        wish.scopes.retain(|scope| has(scope) || !is_given(scope, trust, known));
    }
    if !covers(&record.scopes, &wish.scopes) {
        return Ok(Outcome::Ask(wish, Reason::ScopeUpgrade));
    }
    let carried = record.token(wish.role).map_or(&[][..], |token| &token.scopes);
    if trust == Trust::Device && !covers(carried, &wish.scopes) {
        let what = "device token does not carry these scopes (rotate/reissue device token)";
        return Err(Refusal::unauthorized("AUTH_SCOPE_MISMATCH", "scope_mismatch", what));
    }
    Ok(Outcome::LetIn(grant(&wish, method)))
}

fn names(scopes: &[Scope]) -> Vec<String> {
    scopes.iter().map(|scope| scope.name().to_owned()).collect()
}

fn to_scopes(names: &[String]) -> Vec<Scope> {
    names.iter().filter_map(|name| Scope::named(name)).collect()
}

#[cfg(test)]
mod tests;
