//! Reading a conversation back.

use serde_json::{Value, json};
use telson_actors::channel::webchat::KEPT_MAX;
use telson_actors::inbox::InboxRecord;
use telson_actors::journey::{Ending, Origin, origin};
use telson_actors::message::{EnvelopeId, SessionKey};
use telson_actors::session::Exchange;
use telson_actors::store::StoreError;

use super::params::Params;
use super::view::{self, Shown};
use super::{Call, ErrorBody, agents, by_id};
use crate::engine::Engine;

/// Messages of one answer, where nobody says otherwise and at most.
const LIMIT: (u64, u64) = (200, 1_000);
/// Characters of one text, where nobody says otherwise and at most.
const CHARS: (u64, u64) = (12_000, 500_000);
/// Bytes of all messages of one answer.
const BYTES_MAX: usize = 6 * 1024 * 1024;
/// Exchanges read first; then four times as many, as long as they are not enough.
const READ_FIRST: usize = 64;
/// Exchanges read at most.
const READ_MAX: usize = 16 * 1024;

/// `chat.history`: the newest messages, oldest first.
pub(super) async fn history(call: Call) -> Result<Value, ErrorBody> {
    let known = [
        "sessionKey",
        "agentId",
        "cursor",
        "limit",
        "offset",
        "pendingBefore",
        "inputRunIds",
        "messageId",
        "sessionId",
        "maxChars",
    ];
    let params = Params::new("chat.history", call.params.clone(), &known)?;
    params.refuse(&["messageId"])?;
    let (session, agent) = agents(&call.host)
        .named(&params.needed("sessionKey")?, params.text("agentId")?.as_deref())?;
    by_id::check(&call, &session, params.text("sessionId")?.as_deref()).await?;
    if params.any_text("cursor")?.is_some() {
        // Whoever reads on from a place reads anew: no place is handed out.
        return Ok(json!({"kind": "reset"}));
    }
    let number = |key, min, (usual, max)| {
        let number = params.number(key, (min, max))?.unwrap_or(usual);
        Ok(usize::try_from(number).unwrap_or(usize::MAX))
    };
    let limit = number("limit", 1, LIMIT)?;
    let offset = number("offset", 0, (0, u64::from(u32::MAX)))?;
    let chars_max = number("maxChars", 1, CHARS)?;
    let (engine, of) = (call.engine.clone(), session.clone());
    let read = move || newest(&engine, &of, limit.saturating_add(offset));
    let read = tokio::task::spawn_blocking(read).await.map_err(ErrorBody::internal)?;
    let Conversation { mut shown, is_all, waiting } = read.map_err(ErrorBody::internal)?;
    shown.truncate(shown.len().saturating_sub(offset));
    let mut has_more = !is_all || shown.len() > limit;
    shown.drain(..shown.len().saturating_sub(limit));
    has_more |= bound(&mut shown, chars_max);
    let runs: Vec<String> = waiting.iter().map(run_of_waiting).collect();
    let kind = if session.as_str() == "global" { "global" } else { "direct" };
    Ok(json!({
        "sessionKey": session.as_str(),
        "messages": shown.into_iter().map(|shown| shown.value).collect::<Vec<_>>(),
        "hasMore": has_more,
        "thinkingLevel": "off",
        "sessionInfo": {
            "key": session.as_str(),
            "agentId": agent,
            "kind": kind,
            "hasActiveRun": !runs.is_empty(),
            "activeRunIds": runs,
        },
    }))
}

/// `chat.message.get`: one message by its id, whole.
pub(super) fn get(call: &Call) -> Result<Value, ErrorBody> {
    let known = ["sessionKey", "agentId", "messageId", "maxChars"];
    let params = Params::new("chat.message.get", call.params.clone(), &known)?;
    let (session, _) = agents(&call.host)
        .named(&params.needed("sessionKey")?, params.text("agentId")?.as_deref())?;
    let id = params.needed("messageId")?;
    let chars_max = params.number("maxChars", (1, 2_000_000))?.unwrap_or(2_000_000);
    let found = find(&call.engine, &session, &id).map_err(ErrorBody::internal)?;
    let Some(mut found) = found else {
        return Ok(json!({"ok": false, "unavailableReason": "not_found"}));
    };
    if view::cut(&mut found.value, usize::try_from(chars_max).unwrap_or(usize::MAX)) {
        return Ok(json!({"ok": false, "unavailableReason": "oversized"}));
    }
    Ok(json!({"ok": true, "message": found.value}))
}

/// A conversation, as far as it was read.
struct Conversation {
    shown: Vec<Shown>,
    is_all: bool,
    waiting: Vec<InboxRecord>,
}

/// The newest messages of a session, at least so many if there are, oldest first: the transcript,
/// what web chat keeps beside it, and what waits.
fn newest(
    engine: &Engine,
    session: &SessionKey,
    wanted: usize,
) -> Result<Conversation, StoreError> {
    // Before the transcript: what ends meanwhile is then seen twice here, and not nowhere.
    let waiting = engine.waiting_in(session)?;
    let mut count = READ_FIRST;
    let (exchanges, is_all) = loop {
        let exchanges = engine.newest_exchanges(session, count)?;
        let is_all = exchanges.len() < count;
        let messages: usize = exchanges.iter().map(|it| it.said.len() + 1).sum();
        if is_all || messages >= wanted || count >= READ_MAX {
            break (exchanges, is_all);
        }
        count = (count * 4).min(READ_MAX);
    };
    let is_told = |id: EnvelopeId| {
        exchanges.iter().flat_map(|exchange| &exchange.said).any(|said| said.envelope == id)
    };
    let waiting: Vec<InboxRecord> =
        waiting.into_iter().filter(|record| !is_told(record.envelope.id)).collect();
    let beside = beside(engine, session, &exchanges, is_all)?;
    let mut shown: Vec<Shown> = exchanges.iter().flat_map(view::exchange).collect();
    for message in beside {
        let at = shown.partition_point(|shown| shown.at <= message.at);
        shown.insert(at, message);
    }
    shown.extend(waiting.iter().map(view::waiting));
    Ok(Conversation { shown, is_all, waiting })
}

/// What web chat keeps and no exchange shows: notices, and what an operator or another session has
/// put there.
fn beside(
    engine: &Engine,
    session: &SessionKey,
    exchanges: &[Exchange],
    is_all: bool,
) -> Result<Vec<Shown>, StoreError> {
    let from = exchanges.first().filter(|_| !is_all).map(|exchange| exchange.started_at);
    let answers = exchanges.iter().filter(|exchange| view::answer_text(exchange).is_some());
    let shown: std::collections::BTreeSet<u64> =
        answers.flat_map(|exchange| exchange.entries.iter().copied()).collect();
    let kept = engine.web_chat().newest(session, KEPT_MAX)?;
    let beside = kept.iter().filter(|record| {
        from.is_none_or(|from| record.at >= from)
            && record.entry.is_none_or(|entry| !shown.contains(&entry))
    });
    let shown = beside.map(|record| {
        let from = match origin(engine.store(), record)? {
            Origin::Elsewhere(from) => Some(from),
            Origin::Turn(_) | Origin::Hand | Origin::Forgotten => None,
        };
        Ok(view::kept(record, from.as_ref()))
    });
    shown.collect()
}

/// Cuts texts, and drops the oldest messages beyond the size of an answer; whether any were.
fn bound(shown: &mut Vec<Shown>, chars_max: usize) -> bool {
    let mut bytes = 0;
    let mut from = shown.len();
    for (place, message) in shown.iter_mut().enumerate().rev() {
        view::cut(&mut message.value, chars_max);
        bytes += message.value.to_string().len();
        if bytes > BYTES_MAX {
            break;
        }
        from = place;
    }
    shown.drain(..from);
    from > 0
}

fn find(engine: &Engine, session: &SessionKey, id: &str) -> Result<Option<Shown>, StoreError> {
    let Some((kind, rest)) = id.split_at_checked(1) else { return Ok(None) };
    let number = rest.split('.').next().and_then(|number| number.parse::<u64>().ok());
    let Some(number) = number else { return Ok(None) };
    match kind {
        "m" => {
            let waits = engine.waiting_in(session)?;
            let own = EnvelopeId(number);
            if let Some(record) = waits.iter().find(|record| record.envelope.id == own) {
                return Ok(Some(view::waiting(record)));
            }
            Ok(match engine.ending(session, own)? {
                Ending::Told(exchange) => {
                    exchange.said.iter().find(|said| said.envelope == own).map(view::said)
                }
                Ending::Waiting | Ending::Dead(_) | Ending::Forgotten => None,
            })
        }
        "t" => {
            let exchange = engine.exchange(session, number)?;
            let all = exchange.iter().flat_map(view::exchange);
            Ok(all.into_iter().find(|shown| shown.id == id))
        }
        "w" => {
            let kept = engine.web_chat().message(session, number)?;
            Ok(kept.map(|record| view::kept(&record, None)))
        }
        _ => Ok(None),
    }
}

fn run_of_waiting(record: &InboxRecord) -> String {
    view::run_of(&record.envelope.inbound.dedupe_key, record.envelope.id.0)
}
