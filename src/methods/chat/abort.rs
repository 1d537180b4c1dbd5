//! Ending runs.

use serde_json::{Value, json};
use telson_actors::inbox::InboxRecord;
use telson_actors::journey::Ending;
use telson_actors::message::{EnvelopeId, SessionKey};
use telson_actors::session::Stopped;

use super::params::Params;
use super::view::{dedupe_of, run_of};
use super::{Call, ErrorBody, agents};
use crate::engine::Engine;

/// `chat.abort`: the run that is named, running or waiting; else all that waits and what runs.
pub(super) async fn abort(call: Call) -> Result<Value, ErrorBody> {
    let known = ["sessionKey", "agentId", "runId", "preserveSideRuns"];
    let params = Params::new("chat.abort", call.params.clone(), &known)?;
    let (session, _) = agents(&call.host)
        .named(&params.needed("sessionKey")?, params.text("agentId")?.as_deref())?;
    let (_, runs) = end(&call.engine, &session, params.text("runId")?.as_deref()).await?;
    Ok(json!({"ok": true, "aborted": !runs.is_empty(), "runIds": runs}))
}

/// `sessions.abort`: the same for a key, or for a run alone.
pub(in super::super) async fn sessions_abort(call: Call) -> Result<Value, ErrorBody> {
    let known = ["key", "runId", "agentId", "clearQueued"];
    let params = Params::new("sessions.abort", call.params.clone(), &known)?;
    let run = params.text("runId")?;
    let session = match (params.text("key")?, &run) {
        (Some(key), _) => agents(&call.host).named(&key, params.text("agentId")?.as_deref())?.0,
        (None, Some(run)) => {
            let known = call.engine.run_of(&dedupe_of(run)).map_err(ErrorBody::internal)?;
            match known {
                Some((_, session)) => session,
                None => {
                    return Ok(
                        json!({"ok": true, "abortedRunId": null, "status": "no-active-run"}),
                    );
                }
            }
        }
        (None, None) => return Err(params.wrong("key", "a key or a runId is needed")),
    };
    if run.is_none() && !call.engine.knows_session(&session).map_err(ErrorBody::internal)? {
        let help = "`telson why` shows the session of a message";
        return Err(ErrorBody::not_found(format!("there is no session {session}; {help}")));
    }
    let (stopped, runs) = end(&call.engine, &session, run.as_deref()).await?;
    Ok(json!({
        "ok": true,
        "abortedRunId": runs.first(),
        "status": if runs.is_empty() { "no-active-run" } else { "aborted" },
        "session": session.as_str(),
        "stopped": stopped,
    }))
}

/// Ends one run or all of a session; gives what was stopped, and the runs that have so ended.
async fn end(
    engine: &Engine,
    session: &SessionKey,
    run: Option<&str>,
) -> Result<(Stopped, Vec<String>), ErrorBody> {
    let before = engine.waiting_in(session).map_err(ErrorBody::internal)?;
    let stopped = match run {
        None => engine.abort(session).await,
        Some(run) => match before.iter().find(|record| named(record) == run) {
            Some(record) => engine.abort_message(session, record.envelope.id).await,
            None => Ok(Stopped::default()),
        },
    };
    let stopped = stopped.map_err(|error| ErrorBody::unavailable(error.to_string()))?;
    let mut runs = Vec::new();
    for record in &before {
        if was_ended(engine, session, record.envelope.id)? {
            runs.push(named(record));
        }
    }
    Ok((stopped, runs))
}

/// Whether a message was ended, and not answered in the same moment.
fn was_ended(engine: &Engine, session: &SessionKey, id: EnvelopeId) -> Result<bool, ErrorBody> {
    let ending = engine.ending(session, id).map_err(ErrorBody::internal)?;
    Ok(matches!(ending, Ending::Told(exchange) if exchange.unanswered().is_some()))
}

fn named(record: &InboxRecord) -> String {
    run_of(&record.envelope.inbound.dedupe_key, record.envelope.id.0)
}
