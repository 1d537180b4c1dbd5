//! Ending runs.

use std::time::Duration;

use serde_json::{Value, json};
use telson_actors::inbox::InboxRecord;
use telson_actors::journey::Ending;
use telson_actors::message::{EnvelopeId, SessionKey};
use telson_actors::session::Stopped;
use tokio::time::{Instant, sleep};

use super::params::Params;
use super::view::{dedupe_of, number_of_run, run_of};
use super::{Call, ErrorBody, agents};
use crate::engine::{AbortError, Engine};

/// Longest wait for messages that are on their way in: whoever sends one and stops it at once means
/// it. Their commits take moments.
const ARRIVE_MAX: Duration = Duration::from_secs(5);
/// The pause between looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// `chat.abort`: the run that is named, running or waiting; else all that waits and what runs.
pub(super) async fn abort(call: Call) -> Result<Value, ErrorBody> {
    let known = ["sessionKey", "agentId", "runId", "preserveSideRuns"];
    let params = Params::new("chat.abort", call.params.clone(), &known)?;
    let (session, _) = agents(&call.host)
        .named(&params.needed("sessionKey")?, params.text("agentId")?.as_deref())?;
    let (_, runs) = end(&call, &session, params.text("runId")?.as_deref()).await?;
    Ok(json!({"ok": true, "aborted": !runs.is_empty(), "runIds": runs}))
}

/// `sessions.abort`: the same for a key, or for a run alone.
pub(in super::super) async fn sessions_abort(call: Call) -> Result<Value, ErrorBody> {
    let known = ["key", "runId", "agentId", "clearQueued"];
    let params = Params::new("sessions.abort", call.params.clone(), &known)?;
    let run = params.text("runId")?;
    let session = match (params.text("key")?, &run) {
        (Some(key), _) => agents(&call.host).named(&key, params.text("agentId")?.as_deref())?.0,
        (None, Some(run)) => match session_of(&call, run)? {
            Some(session) => session,
            None => {
                return Ok(json!({"ok": true, "abortedRunId": null, "status": "no-active-run"}));
            }
        },
        (None, None) => return Err(params.wrong("key", "a key or a runId is needed")),
    };
    if run.is_none() && !call.engine.knows_session(&session).map_err(ErrorBody::internal)? {
        let help = "`telson why` shows the session of a message";
        return Err(ErrorBody::not_found(format!("there is no session {session}; {help}")));
    }
    let (stopped, runs) = end(&call, &session, run.as_deref()).await?;
    Ok(json!({
        "ok": true,
        "abortedRunId": runs.first(),
        "status": if runs.is_empty() { "no-active-run" } else { "aborted" },
        "session": session.as_str(),
        "stopped": stopped,
    }))
}

/// The session of a run that was admitted, or is about to be.
fn session_of(call: &Call, run: &str) -> Result<Option<SessionKey>, ErrorBody> {
    let known = call.engine.run_of(&dedupe_of(run)).map_err(ErrorBody::internal)?;
    if let Some((_, session)) = known {
        return Ok(Some(session));
    }
    Ok(call.host.runs.session_of(run).and_then(|key| SessionKey::parse(&key).ok()))
}

/// Ends one run or all of a session; gives what was stopped, and the runs that have so ended.
async fn end(
    call: &Call,
    session: &SessionKey,
    run: Option<&str>,
) -> Result<(Stopped, Vec<String>), ErrorBody> {
    let engine = &call.engine;
    let until = Instant::now() + ARRIVE_MAX;
    while Instant::now() < until && is_awaited(call, session, run)? {
        sleep(LOOK_EVERY).await;
    }
    let mut before = engine.waiting_in(session).map_err(ErrorBody::internal)?;
    before.retain(|record| run.is_none_or(|run| named(record) == run));
    let unavailable = |error: AbortError| ErrorBody::unavailable(error.to_string());
    let mut stopped = match (run, before.first()) {
        (None, _) => engine.abort(session).await.map_err(unavailable)?,
        (Some(_), Some(record)) => {
            engine.abort_message(session, record.envelope.id).await.map_err(unavailable)?
        }
        (Some(_), None) => Stopped::default(),
    };
    // What is in the store may still be on its way to its session.
    while Instant::now() < until {
        let late = still_waiting(engine, session, &before)?;
        if late.is_empty() {
            break;
        }
        for id in late {
            let more = engine.abort_message(session, id).await.map_err(unavailable)?;
            stopped.turn = stopped.turn.or(more.turn);
            stopped.messages += more.messages;
        }
        sleep(LOOK_EVERY).await;
    }
    let mut runs = Vec::new();
    for record in &before {
        if was_ended(engine, session, record.envelope.id)? {
            runs.push(named(record));
        }
    }
    Ok((stopped, runs))
}

/// Whether a run that is meant has been asked for, and its message is not in the store yet.
fn is_awaited(call: &Call, session: &SessionKey, run: Option<&str>) -> Result<bool, ErrorBody> {
    for open in call.host.runs.open_in(session.as_str()) {
        let is_meant = run.is_none_or(|run| open == run) && number_of_run(&open).is_none();
        let known = || call.engine.run_of(&dedupe_of(&open)).map_err(ErrorBody::internal);
        if is_meant && known()?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn still_waiting(
    engine: &Engine,
    session: &SessionKey,
    meant: &[InboxRecord],
) -> Result<Vec<EnvelopeId>, ErrorBody> {
    let waiting = engine.waiting_in(session).map_err(ErrorBody::internal)?;
    let waiting = waiting.into_iter().map(|record| record.envelope.id);
    Ok(waiting.filter(|id| meant.iter().any(|record| record.envelope.id == *id)).collect())
}

/// Whether a message was ended, and not answered in the same moment.
fn was_ended(engine: &Engine, session: &SessionKey, id: EnvelopeId) -> Result<bool, ErrorBody> {
    let ending = engine.ending(session, id).map_err(ErrorBody::internal)?;
    Ok(matches!(ending, Ending::Told(exchange) if exchange.unanswered().is_some()))
}

fn named(record: &InboxRecord) -> String {
    run_of(&record.envelope.inbound.dedupe_key, record.envelope.id.0)
}
