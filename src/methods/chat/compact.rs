//! Having the older part of a session summed up, as `/compact` does in the chat.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use telson_actors::channel::webchat;
use telson_actors::journey::Ending;
use telson_actors::message::SessionKey;

use super::send::{Ask, Begun, begin, random_run};
use super::view::dedupe_of;
use super::wait::end_of;
use super::{Call, ErrorBody, agents};
use crate::engine::{Engine, Outcome};
use crate::methods::params::{Count, Text, read};
use crate::methods::session_edit::changed;

/// Longest wait for a summary. It is written all the same.
const WAIT: Duration = Duration::from_mins(10);
/// Longest wait for what is said about it, and the pause between looks.
const WORDS_MAX: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(10);

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct CompactParams {
    key: Text,
    agent_id: Option<Text>,
    max_lines: Option<Count>,
}

/// `sessions.compact`: answers once the summary is durable, or says why there is none. What was said
/// stays in the transcript.
pub(super) async fn compact(call: Call) -> Result<Value, ErrorBody> {
    let params: CompactParams = read("sessions.compact", call.params.clone())?;
    if params.max_lines.is_some() {
        let why = "maxLines is not supported by this gateway: nothing is cut off, the older part \
                   is summed up";
        return Err(ErrorBody::invalid(format!("invalid sessions.compact params: {why}")));
    }
    let engine = &call.engine;
    let own = params.agent_id.as_ref().map(Text::as_str);
    let (session, agent) = agents(&call.host).session(params.key.as_str(), own)?;
    let not = |reason: &str| json!({"ok": true, "key": session.as_str(), "compacted": false, "reason": reason});
    if !engine.knows_session(&session).map_err(ErrorBody::internal)? {
        return Ok(not("there is no such session"));
    }
    if !engine.waiting_in(&session).map_err(ErrorBody::internal)?.is_empty() {
        let text = format!("an answer is being made in {session}; try again once it is there");
        return Err(ErrorBody::unavailable(text));
    }
    let before = engine.summed_up(&session).map_err(ErrorBody::internal)?;
    let run = random_run()?;
    let reply_to = webchat::destination(&session);
    let ask = Ask {
        run: run.clone(),
        session: session.clone(),
        agent,
        text: "/compact".into(),
        files: Vec::new(),
        reply_to,
    };
    let ending = match begin(&call, ask).await? {
        Begun::Ended(ending) => Some(ending),
        Begun::Started | Begun::InFlight => {
            end_of(engine, &run, WAIT).await.map_err(ErrorBody::internal)?
        }
    };
    let Some(ending) = ending else {
        let text = format!("the summary of {session} is still being written; look again later");
        return Err(ErrorBody::unavailable(text));
    };
    let after = engine.summed_up(&session).map_err(ErrorBody::internal)?;
    changed(&call, &session, "compact");
    if after > before {
        return Ok(json!({
            "ok": true, "key": session.as_str(), "compacted": true, "summarized": after,
        }));
    }
    match &ending {
        Ending::Told(exchange) => Ok(not(exchange.unanswered().unwrap_or(&exchange.answer))),
        Ending::Dead(letter) => Err(ErrorBody::unavailable(letter.reason.to_string())),
        // Commands leave no turn: what was said about it is in the chat.
        Ending::Waiting | Ending::Forgotten => Ok(not(&words(engine, &session, &run).await)),
    }
}

/// What the session said to the command.
async fn words(engine: &Engine, session: &SessionKey, run: &str) -> String {
    let look = async {
        loop {
            let found = engine.run_of(&dedupe_of(run)).ok().flatten();
            if let Some((id, _)) = found
                && let Ok(Outcome::Ended(said)) = engine.outcome(session, id).await
                && !said.is_empty()
            {
                return said.join("\n\n");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let said = tokio::time::timeout(WORDS_MAX, look).await;
    said.unwrap_or_else(|_| "nothing was summed up".into())
}
