//! What web chat keeps for a session's readers: reading on from a number, and putting in by hand.

use serde_json::{Value, json};

use super::params::Params;
use super::{Call, ErrorBody, agents, view};
use crate::gateway::narrator::{shown_kept, tale::topic_of};
use crate::methods::Scope;

/// Messages of one page, where nobody says otherwise and at most.
const PAGE: (u64, u64) = (200, 500);
/// Longest label, in characters.
const LABEL_CHARS_MAX: usize = 100;

/// `telson.webchat.since`: what was kept behind a number, oldest first. Numbers grow and are never
/// used again, and nothing appears behind one that was seen: a reader that asks for what follows the
/// last number it has seen gets each message once. A session keeps its newest thousand messages for
/// a month; `oldest` is the first it still has.
pub(super) fn since(call: &Call) -> Result<Value, ErrorBody> {
    let known = ["sessionKey", "agentId", "after", "limit"];
    let params = Params::new("telson.webchat.since", call.params.clone(), &known)?;
    let (session, _) = agents(&call.host)
        .named(&params.needed("sessionKey")?, params.text("agentId")?.as_deref())?;
    let after = params.number("after", (0, u64::MAX))?.unwrap_or(0);
    let limit = params.number("limit", (1, PAGE.1))?.unwrap_or(PAGE.0);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let chat = call.engine.web_chat();
    let mut page = chat.since(&session, after, limit + 1).map_err(ErrorBody::internal)?;
    let has_more = page.len() > limit;
    page.truncate(limit);
    let oldest = chat.since(&session, 0, 1).map_err(ErrorBody::internal)?;
    Ok(json!({
        "sessionKey": session.as_str(),
        "messages": page.iter().map(|it| shown_kept(call.engine.store(), it)).collect::<Vec<_>>(),
        "next": page.last().map_or(after, |record| record.number),
        "oldest": oldest.first().map(|record| record.number),
        "hasMore": has_more,
    }))
}

/// `chat.inject`: a message before a session's readers that no agent has written or will read.
pub(super) async fn inject(call: Call) -> Result<Value, ErrorBody> {
    let known = ["sessionKey", "agentId", "message", "label"];
    let params = Params::new("chat.inject", call.params.clone(), &known)?;
    let (session, agent) = agents(&call.host)
        .session(&params.needed("sessionKey")?, params.text("agentId")?.as_deref())?;
    let message = params.needed("message")?;
    let text = match params.any_text("label")?.filter(|label| !label.trim().is_empty()) {
        Some(label) if label.chars().count() > LABEL_CHARS_MAX => {
            return Err(params.wrong("label", &format!("at most {LABEL_CHARS_MAX} characters")));
        }
        Some(label) => format!("[{}]\n\n{message}", label.trim()),
        None => message,
    };
    let now = call.engine.clock().now();
    let kept = call.engine.web_chat().put(&session, &text, now).await;
    let kept = kept.map_err(|error| ErrorBody::unavailable(error.to_string()))?;
    let shown = view::kept(&kept, None);
    let hub = &call.host.hub;
    let told = json!({
        "runId": format!("inject-{}", shown.id),
        "sessionKey": session.as_str(),
        "agentId": agent,
        "seq": 0,
        "state": "final",
        "message": shown.value,
    });
    hub.tell("chat", Some(Scope::Read), told);
    let told = json!({
        "sessionKey": session.as_str(),
        "agentId": agent,
        "message": shown.value,
        "messageId": shown.id,
    });
    hub.tell_topics("session.message", Some(Scope::Read), &[topic_of(session.as_str())], told);
    Ok(json!({"ok": true, "messageId": shown.id}))
}
