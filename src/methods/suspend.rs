//! Becoming quiet, so that a supervisor may suspend the machine: a lease that is asked for, looked at
//! and given back, and that ends by itself.

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::{Value, json};
use telson_actors::clock::Timestamp;
use telson_actors::suspension::lease::Wish;
use telson_actors::suspension::{
    Blocker, Leased, OtherLease, Phase, Prepared, Refused, Standing, SuspensionAbsent,
};

use super::params::read;
use super::{Call, ErrorBody, Method, Scope};
use crate::restart::Restart;

/// How the names of these methods begin, which are heard at any time.
pub(super) const FAMILY: &str = "gateway.suspend.";
/// Longest name of a request or a lease, in characters.
const NAME_CHARS_MAX: usize = 128;
/// When to ask again while something is under way, in milliseconds: turns take seconds.
const RETRY_MS: u64 = 1_000;

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "gateway.suspend.prepare",
        scope: Scope::Admin,
        about: "begin nothing new for two minutes, so that the machine may be suspended",
        run: |call| Box::pin(prepare(call)),
    },
    Method {
        name: "gateway.suspend.status",
        scope: Scope::Read,
        about: "how far a suspension has got",
        run: |call| Box::pin(status(call)),
    },
    Method {
        name: "gateway.suspend.resume",
        scope: Scope::Admin,
        about: "go on after a suspension",
        run: |call| Box::pin(resume(call)),
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PrepareParams {
    request_id: Name,
    #[serde(default)]
    terminal_policy: TerminalPolicy,
    #[serde(default)]
    drain: bool,
}

/// What becomes of open terminals. This gateway has none, so both mean the same; who asks for the
/// other asks for another lease all the same.
#[derive(Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TerminalPolicy {
    #[default]
    Preserve,
    Terminate,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct LeaseParams {
    suspension_id: Name,
}

/// A name that says something.
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        if name.trim().is_empty() || name.chars().count() > NAME_CHARS_MAX {
            let why = format!("must have 1 to {NAME_CHARS_MAX} characters that are no blanks");
            return Err(D::Error::custom(why));
        }
        Ok(Self(name.trim().to_owned()))
    }
}

async fn prepare(call: Call) -> Result<Value, ErrorBody> {
    let params: PrepareParams = read("gateway.suspend.prepare", call.params)?;
    let suspension = call.engine.suspension();
    let is_restarting = call.host.restart.as_ref().is_some_and(Restart::is_asked);
    // One that is asked for while a lease is held waits for the end of that.
    if is_restarting && suspension.phase() == Phase::Accepting {
        return Ok(restarting());
    }
    let wish = Wish {
        request: params.request_id.0,
        ends_terminals: params.terminal_policy == TerminalPolicy::Terminate,
        drains: params.drain,
    };
    match suspension.prepare(wish).await {
        Ok(Prepared::Ready(lease)) => Ok(leased("ready", &lease, &[])),
        Ok(Prepared::Draining(lease, blockers)) => {
            let mut answer = leased("draining", &lease, &blockers);
            answer["retryAfterMs"] = json!(RETRY_MS);
            Ok(answer)
        }
        Ok(Prepared::Busy(blockers)) => Ok(busy("active-work", &blockers)),
        Err(Refused::Ending) => Ok(restarting()),
        Err(error) => Err(unavailable(&error)),
    }
}

async fn status(call: Call) -> Result<Value, ErrorBody> {
    let params: LeaseParams = read("gateway.suspend.status", call.params)?;
    let standing = call.engine.suspension().status(params.suspension_id.0).await;
    match standing.map_err(|error| unavailable(&error))?.map_err(other)? {
        Standing::Running => Ok(json!({"status": "running"})),
        Standing::Ready(until) => Ok(json!({"status": "ready", "expiresAtMs": millis(until)})),
        Standing::Draining(until, blockers) => Ok(json!({
            "status": "draining",
            "expiresAtMs": millis(until),
            "retryAfterMs": RETRY_MS,
            "activeCount": count(&blockers),
            "blockers": shown(&blockers),
        })),
    }
}

async fn resume(call: Call) -> Result<Value, ErrorBody> {
    let params: LeaseParams = read("gateway.suspend.resume", call.params)?;
    let resumed = call.engine.suspension().resume(params.suspension_id.0).await;
    let resumed = resumed.map_err(absent)?.map_err(other)?;
    Ok(json!({"ok": true, "status": "running", "resumed": resumed}))
}

fn leased(status: &str, lease: &Leased, blockers: &[Blocker]) -> Value {
    json!({
        "status": status,
        "suspensionId": lease.id,
        "expiresAtMs": millis(lease.until),
        "activeCount": count(blockers),
        "blockers": shown(blockers),
    })
}

fn busy(reason: &str, blockers: &[Blocker]) -> Value {
    json!({
        "status": "busy",
        "reason": reason,
        "retryAfterMs": RETRY_MS,
        "activeCount": count(blockers),
        "blockers": shown(blockers),
    })
}

/// Another engine is about to take over; it may be asked.
fn restarting() -> Value {
    busy("gateway-draining", &[])
}

fn count(blockers: &[Blocker]) -> u64 {
    blockers.iter().map(|blocker| blocker.count).sum()
}

fn shown(blockers: &[Blocker]) -> Vec<Value> {
    let shown = |blocker: &Blocker| {
        let Blocker { kind, count, what } = blocker;
        json!({"kind": kind, "count": count, "message": format!("{what}: {count}")})
    };
    blockers.iter().map(shown).collect()
}

fn millis(at: Timestamp) -> i64 {
    at.0.max(0)
}

fn unavailable(error: &Refused) -> ErrorBody {
    let retry_after_ms = match error {
        Refused::Taken(rest) => u64::try_from(rest.as_millis()).unwrap_or(u64::MAX),
        Refused::Ending | Refused::TooSlow | Refused::Store(_) | Refused::Absent(_) => RETRY_MS,
    };
    let error = ErrorBody::unavailable(error.to_string());
    ErrorBody { retry_after_ms: Some(retry_after_ms), ..error }
}

fn absent(error: SuspensionAbsent) -> ErrorBody {
    unavailable(&error.into())
}

/// Whose lease it is stays between its holder and the gateway.
fn other(error: OtherLease) -> ErrorBody {
    ErrorBody::invalid(format!("{error} under another suspensionId"))
}
