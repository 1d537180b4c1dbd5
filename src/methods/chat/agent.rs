//! Running an agent for a program: begun, waited for, answered.

use std::time::Duration;

use serde_json::{Value, json};
use telson_actors::journey::Ending;
use telson_actors::session::Exchange;

use super::params::Params;
use super::place::Named;
use super::send::{Ask, Begun, begin, checked_key, noting, reply_to, with_files};
use super::view::{answer_text, model_of};
use super::wait::end_of;
use super::{Call, ErrorBody, agents, by_id};

/// How long `agent` waits where its caller sets no time.
const AGENT_WAIT: Duration = Duration::from_hours(48);
/// How long `agent.wait` waits where its caller sets no time.
const WAIT: u64 = 30_000;

/// `agent`: answers at once that it is accepted, and under the same id again when it has ended. A
/// caller's time limits its waiting; the run goes on.
pub(super) async fn agent(call: Call) -> Result<Value, ErrorBody> {
    let params = Params::new("agent", call.params.clone(), KNOWN)?;
    params.refuse(UNSUPPORTED)?;
    let run = checked_key(&params, params.needed("idempotencyKey")?)?;
    let all = agents(&call.host);
    let agent = params.text("agentId")?;
    let id = params.text("sessionId")?;
    let (session, agent) = match (params.text("sessionKey")?, &id) {
        (Some(key), _) => all.session(&key, agent.as_deref())?,
        (None, Some(id)) => {
            let found = by_id::find(&call, id).await?.ok_or_else(|| {
                params.wrong("sessionId", "is the id of no session; sessions.list shows them")
            })?;
            all.session(found.as_str(), agent.as_deref())?
        }
        (None, None) => all.main_session(agent.as_deref())?,
    };
    by_id::check(&call, &session, id.as_deref()).await?;
    let or = |first: &str, second: &str| Ok(params.text(first)?.or(params.text(second)?));
    let named = Named {
        channel: or("replyChannel", "channel")?.filter(|channel| channel != LAST),
        account: or("replyAccountId", "accountId")?,
        target: or("replyTo", "to")?,
        thread: params.text("threadId")?,
    };
    let limit = match params.number("timeout", (0, u64::from(u32::MAX)))? {
        None | Some(0) => AGENT_WAIT,
        Some(seconds) => Duration::from_secs(seconds),
    };
    let is_best_effort = params.flag("bestEffortDeliver")?;
    let deliver = params.flag("deliver")?.then_some(is_best_effort);
    let reply_to = reply_to(&call.engine, &session, deliver, named)?;
    let (text, files) = with_files(&params, &params.needed("message")?)?;
    let accepted = json!({
        "runId": run,
        "sessionKey": session.as_str(),
        "agentId": agent,
        "status": "accepted",
        "acceptedAt": call.engine.clock().now().0,
    });
    let accepted = noting(accepted, &params.wishes(UNMET));
    let session_key = session.to_string();
    let ask = Ask { run: run.clone(), session, agent, text, files, reply_to };
    if let Begun::Ended(ending) = begin(&call, ask).await? {
        return finished(&run, &session_key, &ending);
    }
    if let Some(link) = &call.link {
        link.answer_early(accepted);
    }
    match end_of(&call.engine, &run, limit).await.map_err(ErrorBody::internal)? {
        Some(ending) => finished(&run, &session_key, &ending),
        None => Ok(json!({
            "runId": run,
            "status": "timeout",
            "summary": "not answered in time; the run goes on",
        })),
    }
}

/// `agent.wait`: never ends a run.
pub(super) async fn wait(call: Call) -> Result<Value, ErrorBody> {
    let params = Params::new("agent.wait", call.params.clone(), &["runId", "timeoutMs"])?;
    let run = params.needed("runId")?;
    let limit = params.number("timeoutMs", (0, u64::from(u32::MAX)))?.unwrap_or(WAIT);
    let ending = end_of(&call.engine, &run, Duration::from_millis(limit)).await;
    let Some(ending) = ending.map_err(ErrorBody::internal)? else {
        return Ok(json!({"runId": run, "status": "timeout"}));
    };
    Ok(match ending {
        Ending::Told(exchange) => {
            let mut answer = json!({
                "runId": run,
                "status": "ok",
                "startedAt": exchange.started_at.0,
                "endedAt": exchange.finished_at.0,
            });
            if let Some(why) = exchange.unanswered() {
                (answer["status"], answer["error"]) = (json!("error"), json!(why));
            }
            answer
        }
        Ending::Dead(letter) => {
            let error = letter.reason.to_string();
            json!({"runId": run, "status": "error", "endedAt": letter.at.0, "error": error})
        }
        Ending::Waiting | Ending::Forgotten => json!({"runId": run, "status": "ok"}),
    })
}

/// `agent.identity.get`
pub(super) fn identity(call: &Call) -> Result<Value, ErrorBody> {
    let params =
        Params::new("agent.identity.get", call.params.clone(), &["agentId", "sessionKey"])?;
    let (all, agent) = (agents(&call.host), params.text("agentId")?);
    let (_, agent) = match params.text("sessionKey")? {
        Some(key) => all.session(&key, agent.as_deref())?,
        None => all.main_session(agent.as_deref())?,
    };
    let entry = call.host.config.as_ref().and_then(|config| config.agents_map().remove(&agent));
    let entry = entry.unwrap_or_default();
    let own = entry.identity.name.or(entry.name);
    let source = if own.is_some() { "config" } else { "default" };
    let mut answer = json!({
        "agentId": agent,
        "name": own.unwrap_or_else(|| "Assistant".into()),
        "nameSource": source,
    });
    if let Some(emoji) = entry.identity.emoji.filter(|emoji| !emoji.is_empty()) {
        answer["emoji"] = json!(emoji);
    }
    Ok(answer)
}

fn finished(run: &str, session: &str, ending: &Ending) -> Result<Value, ErrorBody> {
    match ending {
        Ending::Told(exchange) if exchange.unanswered().is_none() => Ok(json!({
            "runId": run,
            "status": "ok",
            "summary": "completed",
            "result": result(session, exchange),
        })),
        Ending::Told(exchange) => Err(failed(run, exchange.unanswered().unwrap_or_default())),
        Ending::Dead(letter) => Err(failed(run, &letter.reason.to_string())),
        Ending::Waiting | Ending::Forgotten => {
            Ok(json!({"runId": run, "status": "ok", "summary": "completed"}))
        }
    }
}

fn result(session: &str, exchange: &Exchange) -> Value {
    let (provider, model) = model_of(exchange);
    let usage = exchange.usage;
    let texts = answer_text(exchange).into_iter();
    let took = exchange.finished_at.since(exchange.started_at);
    json!({
        "payloads": texts.map(|text| json!({"text": text, "mediaUrl": null})).collect::<Vec<_>>(),
        "meta": {
            "durationMs": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "agentMeta": {
                "sessionKey": session,
                "provider": provider,
                "model": model,
                "usage": {
                    "input": usage.input,
                    "output": usage.output,
                    "total": usage.input.saturating_add(usage.output),
                },
            },
        },
    })
}

/// The same call would find the same end.
fn failed(run: &str, why: &str) -> ErrorBody {
    let details = json!({"runId": run, "status": "error"});
    ErrorBody { retryable: false, ..ErrorBody::unavailable(why).with(details) }
}

/// The channel of the last answer, which is meant where none is named.
const LAST: &str = "last";

/// Wishes about an answer that are met nowhere here: the first answer to the call names them.
const UNMET: &[&str] = &[
    "thinking",
    "lane",
    "promptMode",
    "bootstrapContextMode",
    "sessionEffects",
    "sourceReplyDeliveryMode",
    "forceRestartSafeTools",
    "forceCodeModeTools",
];

/// Everything the protocol knows; most of it is about things this gateway leaves to its config.
const KNOWN: &[&str] = &[
    "message",
    "agentId",
    "provider",
    "model",
    "to",
    "replyTo",
    "sessionId",
    "sessionKey",
    "expectedExistingSessionId",
    "thinking",
    "deliver",
    "attachments",
    "channel",
    "replyChannel",
    "accountId",
    "replyAccountId",
    "threadId",
    "groupId",
    "groupChannel",
    "groupSpace",
    "timeout",
    "bestEffortDeliver",
    "lane",
    "cwd",
    "cleanupBundleMcpOnRunEnd",
    "modelRun",
    "promptMode",
    "extraSystemPrompt",
    "bootstrapContextMode",
    "bootstrapContextRunKind",
    "acpTurnSource",
    "internalRuntimeHandoffId",
    "internalExecutionIdentityRetry",
    "internalExecutionIdentityRecoveryAttempt",
    "execApprovalFollowupExpectedSessionId",
    "internalEvents",
    "inputProvenance",
    "suppressPromptPersistence",
    "sessionEffects",
    "sourceReplyDeliveryMode",
    "disableMessageTool",
    "swarmCollector",
    "swarmOutputSchema",
    "forceRestartSafeTools",
    "forceCodeModeTools",
    "voiceWakeTrigger",
    "idempotencyKey",
    "label",
];

/// Wishes that must not be passed over in silence.
const UNSUPPORTED: &[&str] = &[
    "provider",
    "model",
    "expectedExistingSessionId",
    "cwd",
    "modelRun",
    "extraSystemPrompt",
    "internalEvents",
    "suppressPromptPersistence",
    "disableMessageTool",
    "swarmCollector",
    "swarmOutputSchema",
];
