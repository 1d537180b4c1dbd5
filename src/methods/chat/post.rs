//! `send`: a text for a place on a platform, without an agent.

use serde_json::{Value, json};
use telson_actors::outbox::Draft;

use super::params::Params;
use super::place::Named;
use super::send::checked_key;
use super::{Call, ErrorBody, agents};

/// Answers once the text is durable in the outbox; a repeat of its key finds the same entry. That it
/// arrived is told by its journey.
pub(super) async fn post(call: Call) -> Result<Value, ErrorBody> {
    let params = Params::new("send", call.params.clone(), KNOWN)?;
    params.refuse(UNSUPPORTED)?;
    let key = checked_key(&params, params.needed("idempotencyKey")?)?;
    let text = params.needed("message")?;
    let named = Named {
        channel: params.text("channel")?,
        account: params.text("accountId")?,
        target: Some(params.needed("to")?),
        thread: params.text("threadId")?,
    };
    let (all, agent) = (agents(&call.host), params.text("agentId")?);
    let (session, _) = match params.text("sessionKey")? {
        Some(key) => all.session(&key, agent.as_deref())?,
        None => all.main_session(agent.as_deref())?,
    };
    let Some(to) = named.destination(call.engine.accounts())? else {
        return Err(params.wrong("to", "a place is needed"));
    };
    let (channel, target) = (to.account.channel.clone(), to.target.clone());
    let draft = Draft { session, turn: 0, to, text, speaker: None };
    let entry = call.engine.post(&format!("send:{key}"), &draft).await;
    let entry = entry.map_err(|error| ErrorBody::unavailable(error.to_string()))?;
    let Some(entry) = entry else {
        return Err(params.wrong(
            "idempotencyKey",
            &format!("{key:?} was used for another text or place; this one needs a key of its own"),
        ));
    };
    Ok(json!({
        "runId": key,
        "messageId": format!("e{entry}"),
        "channel": channel,
        "to": target,
        "queued": true,
    }))
}

const KNOWN: &[&str] = &[
    "to",
    "message",
    "mediaUrl",
    "mediaUrls",
    "buffer",
    "filename",
    "contentType",
    "asVoice",
    "gifPlayback",
    "channel",
    "accountId",
    "agentId",
    "replyToId",
    "threadId",
    "forceDocument",
    "silent",
    "parseMode",
    "sessionKey",
    "idempotencyKey",
];

/// Only text is sent.
const UNSUPPORTED: &[&str] =
    &["mediaUrl", "mediaUrls", "buffer", "asVoice", "gifPlayback", "replyToId", "parseMode"];
