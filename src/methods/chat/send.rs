//! Sending a message to a session: durable before it is acknowledged, once for each key.

use serde_json::{Value, json};
use telson_actors::channel::webchat;
use telson_actors::clock::Clock;
use telson_actors::journey::Ending;
use telson_actors::message::session_key::{KeyParts, Place, RoomKind};
use telson_actors::message::{ChatKind, Destination, Inbound, SessionKey};
use telson_actors::router::{AdmitError, Relayed};
use telson_actors::session::command::{Command, once};
use telson_actors::session::lane::Mode;

use super::attachments::{File, attached};
use super::files::keep;
use super::params::Params;
use super::place::Named;
use super::view::dedupe_of;
use super::{Call, ErrorBody, agents, by_id};
use crate::engine::Engine;
use crate::gateway::At;
use crate::methods::params::{KEY_BYTES_MAX, is_key};

/// When a client may ask again where too much waits.
const BUSY_RETRY_MS: u64 = 1_000;
/// Who writes, where nobody else is named.
const SENDER: &str = "gateway";

/// A message to be admitted.
pub(super) struct Ask {
    pub(super) run: String,
    pub(super) session: SessionKey,
    pub(super) agent: String,
    pub(super) text: String,
    pub(super) files: Vec<File>,
    pub(super) reply_to: Destination,
}

/// Where a run stands once its message is durable.
pub(super) enum Begun {
    /// It was not known before.
    Started,
    /// It was, and goes on.
    InFlight,
    /// It was, and has ended.
    Ended(Ending),
}

pub(super) async fn send(call: Call) -> Result<Value, ErrorBody> {
    let params = Params::new("chat.send", call.params.clone(), KNOWN)?;
    params.refuse(UNSUPPORTED)?;
    let run = checked_key(&params, params.needed("idempotencyKey")?)?;
    let (session, agent) = agents(&call.host)
        .session(&params.needed("sessionKey")?, params.text("agentId")?.as_deref())?;
    by_id::check(&call, &session, params.text("sessionId")?.as_deref()).await?;
    let text = params.needed_any("message")?;
    if params.flag("suppressCommandInterpretation")? && Command::parse(&text).is_some() {
        return Err(
            params.wrong("message", "would be read as a command, and that can't be suppressed")
        );
    }
    let mode = params.text("queueMode")?;
    let mode = mode.map(|mode| queue_mode(&params, &mode)).transpose()?;
    let named = Named {
        channel: params.text("originatingChannel")?,
        account: params.text("originatingAccountId")?,
        target: params.text("originatingTo")?,
        thread: params.text("originatingThreadId")?,
    };
    // Who names no place sees the answer here, where the session has no place of its own.
    let is_best_effort = named.is_nowhere();
    let deliver = params.flag("deliver")?.then_some(is_best_effort);
    let reply_to = reply_to(&call.engine, &session, deliver, named)?;
    let (text, files) = with_files(&params, &text)?;
    let text = match mode {
        Some(mode) if !text.trim().is_empty() && Command::parse(&text).is_none() => {
            once(mode, &text)
        }
        _ => text,
    };
    let ask = Ask { run: run.clone(), session, agent, text, files, reply_to };
    let wishes = params.wishes(UNMET);
    Ok(noting(shown(&run, begin(&call, ask).await?), &wishes))
}

/// The protocol's names alone: a person may type others.
fn queue_mode(params: &Params, mode: &str) -> Result<Mode, ErrorBody> {
    let is_known = ["steer", "followup", "collect", "interrupt"].contains(&mode);
    let mode = Mode::named(mode).filter(|_| is_known);
    mode.ok_or_else(|| {
        params.wrong("queueMode", "must be one of steer, followup, collect, interrupt")
    })
}

/// Names in an answer what was understood and changes nothing here.
pub(super) fn noting(mut answer: Value, wishes: &[&str]) -> Value {
    if !wishes.is_empty() {
        answer["notApplied"] = json!(wishes);
    }
    answer
}

pub(super) async fn sessions_send(call: Call) -> Result<Value, ErrorBody> {
    let known =
        ["key", "agentId", "message", "thinking", "attachments", "timeoutMs", "idempotencyKey"];
    let params = Params::new("sessions.send", call.params.clone(), &known)?;
    let run = match params.text("idempotencyKey")? {
        Some(run) => checked_key(&params, run)?,
        None => random_run()?,
    };
    let (session, agent) =
        agents(&call.host).session(&params.needed("key")?, params.text("agentId")?.as_deref())?;
    let (text, files) = with_files(&params, &params.needed_any("message")?)?;
    let reply_to = webchat::destination(&session);
    let ask = Ask { run: run.clone(), session, agent, text, files, reply_to };
    let wishes = params.wishes(UNMET);
    Ok(noting(shown(&run, begin(&call, ask).await?), &wishes))
}

/// Everything the protocol knows; most of it is about things this gateway leaves to its config.
const KNOWN: &[&str] = &[
    "sessionKey",
    "agentId",
    "sessionId",
    "message",
    "thinking",
    "fastMode",
    "fastAutoOnSeconds",
    "queueMode",
    "deliver",
    "originatingChannel",
    "originatingTo",
    "originatingAccountId",
    "originatingThreadId",
    "replyToId",
    "attachments",
    "timeoutMs",
    "systemInputProvenance",
    "systemProvenanceReceipt",
    "suppressCommandInterpretation",
    "idempotencyKey",
    "intent",
    "toolBindings",
    "expectedLeafEntryId",
    "expectedSessionRoutingContract",
    "expectedPermissionMode",
    "expectedToolOverrides",
];

/// Wishes about an answer that are met nowhere here: the answer to the call names them.
pub(super) const UNMET: &[&str] = &["thinking", "fastMode", "timeoutMs", "replyToId"];

/// Conditions and wishes without which something else would be done.
const UNSUPPORTED: &[&str] = &[
    "intent",
    "toolBindings",
    "expectedLeafEntryId",
    "expectedSessionRoutingContract",
    "expectedPermissionMode",
    "expectedToolOverrides",
];

/// Admits a message, or finds what became of it.
pub(super) async fn begin(call: &Call, ask: Ask) -> Result<Begun, ErrorBody> {
    let Ask { run, session, agent, text, mut files, reply_to } = ask;
    let (engine, runs) = (&call.engine, &call.host.runs);
    if text.trim().is_empty() {
        return Err(ErrorBody::invalid("message or attachment required"));
    }
    let clock = engine.clock();
    // A run that has ended is not opened again: its end would be told twice.
    if let Some((_, first)) = engine.run_of(&dedupe_of(&run)).map_err(ErrorBody::internal)? {
        check_session(&run, &first, &session)?;
        check_text(engine, &run, &text)?;
        let begun = known(engine, &run)?;
        if matches!(begun, Begun::Ended(_)) {
            return Ok(begun);
        }
        // What came along with it is there.
        files.clear();
    }
    // Before anything is waited for: whoever stops it from now on means it.
    let is_new = runs.open(&run, session.as_str(), &agent, at(&clock));
    let attachments = match keep(call, &run, (&session, &agent), files).await {
        Ok(attachments) => attachments,
        Err(error) => {
            if is_new {
                runs.forget(&run);
            }
            return Err(error);
        }
    };
    let inbound = Inbound {
        account: webchat::account(),
        dedupe_key: dedupe_of(&run),
        chat: chat_of(&session),
        peer: session.to_string(),
        peer_aliases: Vec::new(),
        thread: None,
        sender: SENDER.into(),
        reply_to,
        text,
        attachments,
        sent_at: clock.now(),
    };
    let (own, said) = (session.clone(), inbound.text.clone());
    let begun = match engine.relay(Relayed { session, agent, inbound, tools: None }).await {
        Ok(relay) if relay.is_new => Ok(Begun::Started),
        // Somebody else was quicker with the same key.
        Ok(relay) => check_session(&run, &relay.session, &own)
            .and_then(|()| check_text(engine, &run, &said))
            .and_then(|()| known(engine, &run)),
        Err(error) => Err(refused(&error)),
    };
    if is_new && !matches!(begun, Ok(Begun::Started | Begun::InFlight)) {
        leave(call, &run, &own)?;
    }
    begun
}

/// A message under this key has not begun, or not this one. Where another one has won the key, its
/// end is told all the same: whoever sent it waits for that.
fn leave(call: &Call, run: &str, own: &SessionKey) -> Result<(), ErrorBody> {
    let (engine, runs) = (&call.engine, &call.host.runs);
    let winner = engine.run_of(&dedupe_of(run)).map_err(ErrorBody::internal)?;
    let winner = winner.map(|(_, session)| session);
    let is_under_way = winner.is_some() && matches!(known(engine, run)?, Begun::InFlight);
    match winner.filter(|_| is_under_way) {
        Some(session) if session == *own => {}
        Some(session) => {
            runs.forget(run);
            let (session, agent) = agents(&call.host).session(session.as_str(), None)?;
            runs.open(run, session.as_str(), &agent, at(&engine.clock()));
        }
        None => runs.forget(run),
    }
    Ok(())
}

/// A key names one message. What another session was sent under it says nothing about this one, and
/// an answer that sounded as if it did would lose a message.
pub(super) fn check_session(
    key: &str,
    first: &SessionKey,
    own: &SessionKey,
) -> Result<(), ErrorBody> {
    if first == own {
        return Ok(());
    }
    Err(ErrorBody::invalid(format!(
        "idempotencyKey {key:?} was used in session {first}; a message for session {own} needs a \
         key of its own"
    ))
    .with(json!({"code": "IDEMPOTENCY_KEY_REUSED", "sessionKey": first.as_str()})))
}

/// The same for another text in the same session.
fn check_text(engine: &Engine, key: &str, text: &str) -> Result<(), ErrorBody> {
    if engine.said_under(&dedupe_of(key), text).map_err(ErrorBody::internal)? {
        return Ok(());
    }
    Err(ErrorBody::invalid(format!(
        "idempotencyKey {key:?} was used for another text; this message needs a key of its own"
    ))
    .with(json!({"code": "IDEMPOTENCY_KEY_REUSED"})))
}

/// What became of a run that was begun before.
fn known(engine: &Engine, run: &str) -> Result<Begun, ErrorBody> {
    let found = engine.run_of(&dedupe_of(run)).map_err(ErrorBody::internal)?;
    let Some((id, session)) = found else {
        // It was forgotten between two looks.
        return Ok(Begun::Ended(Ending::Forgotten));
    };
    Ok(match engine.ending(&session, id).map_err(ErrorBody::internal)? {
        Ending::Waiting => Begun::InFlight,
        ending => Begun::Ended(ending),
    })
}

fn shown(run: &str, begun: Begun) -> Value {
    match begun {
        Begun::Started => json!({"runId": run, "status": "started"}),
        Begun::InFlight => json!({"runId": run, "status": "in_flight"}),
        Begun::Ended(Ending::Dead(letter)) => {
            json!({"runId": run, "status": "error", "summary": letter.reason.to_string()})
        }
        Begun::Ended(_) => json!({"runId": run, "status": "ok"}),
    }
}

/// Where the answer goes: to web chat's readers; if it is to be delivered, to the place that is
/// named, else to where the session's last answer to a platform went. Where that leads nowhere, web
/// chat's readers have it only if delivering is `Some(true)`, by best effort.
pub(super) fn reply_to(
    engine: &Engine,
    session: &SessionKey,
    deliver: Option<bool>,
    named: Named,
) -> Result<Destination, ErrorBody> {
    let here = webchat::destination(session);
    let Some(is_best_effort) = deliver.filter(|_| !named.is_web_chat()) else {
        return Ok(here);
    };
    let is_meant = named.clone();
    let place = match named.destination(engine.accounts()) {
        Ok(None) => {
            let last = engine.last_place(session).map_err(ErrorBody::internal)?;
            last.filter(|place| is_meant.may_be(&place.account))
        }
        Ok(place) => place,
        Err(_) if is_best_effort => None,
        Err(error) => return Err(error),
    };
    match place {
        Some(place) => Ok(place),
        None if is_best_effort => Ok(here),
        None => Err(ErrorBody::invalid(format!(
            "there is no place to deliver the answer to: session {session} has answered nobody \
             there yet; name where to, or leave delivering to best effort"
        ))),
    }
}

pub(super) fn with_files(params: &Params, text: &str) -> Result<(String, Vec<File>), ErrorBody> {
    attached(text, params.list("attachments")?).map_err(|why| params.wrong("attachments", &why))
}

pub(super) fn checked_key(params: &Params, key: String) -> Result<String, ErrorBody> {
    if !is_key(&key) {
        let why = format!("must be at most {KEY_BYTES_MAX} bytes without control characters");
        return Err(params.wrong("idempotencyKey", &why));
    }
    Ok(key)
}

pub(super) fn at(clock: &Clock) -> At {
    At { wall: clock.now(), steady: clock.steady() }
}

pub(super) fn random_run() -> Result<String, ErrorBody> {
    crate::hex::random::<16>().map_err(ErrorBody::internal)
}

/// Nothing was admitted: the client keeps its message and sends it again.
fn refused(error: &AdmitError) -> ErrorBody {
    let retry_after_ms = Some(BUSY_RETRY_MS);
    ErrorBody { retry_after_ms, ..ErrorBody::unavailable(error.to_string()) }
}

fn chat_of(session: &SessionKey) -> ChatKind {
    match session.parts() {
        KeyParts::Agent { place: Place::Room { kind: RoomKind::Group, .. }, .. } => ChatKind::Group,
        KeyParts::Agent { place: Place::Room { kind: RoomKind::Channel, .. }, .. } => {
            ChatKind::Channel
        }
        KeyParts::Agent { .. } | KeyParts::Global => ChatKind::Direct,
    }
}
