//! Looking at sessions.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use telson_actors::message::SessionKey;

use super::models::{chain, window};
use super::params::{Count, Text, read};
use super::report::{default_agent, store_path};
use super::session_rows::{Extras, key_of, row, session_id};
use super::{Call, ErrorBody, Method, Scope};
use crate::engine::SessionFacts;

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "sessions.list",
        scope: Scope::Read,
        about: "the sessions, newest first",
        run: |call| Box::pin(list(call)),
    },
    Method {
        name: "sessions.describe",
        scope: Scope::Read,
        about: "one session, or null",
        run: |call| Box::pin(describe(call)),
    },
    Method {
        name: "sessions.resolve",
        scope: Scope::Read,
        about: "the key of a session, by its id or label",
        run: |call| Box::pin(resolve(call)),
    },
];

const LIMIT: u64 = 100;
const LIMIT_MAX: u64 = 1_000;
/// Letters of an id that are enough to mean it.
const SHORT_ID_MIN: usize = 4;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the protocol's own wishes")]
struct ListParams {
    limit: Option<Count>,
    #[serde(default)]
    offset: u64,
    active_minutes: Option<Count>,
    #[serde(default)]
    require_last_interaction: bool,
    #[expect(dead_code, reason = "both are the end of the last turn here")]
    sort_by: Option<SortBy>,
    include_global: Option<bool>,
    #[expect(dead_code, reason = "every session here has a kind")]
    include_unknown: Option<bool>,
    #[serde(default)]
    configured_agents_only: bool,
    #[serde(default)]
    include_derived_titles: bool,
    #[serde(default)]
    include_last_message: bool,
    label: Option<Text>,
    board_face: Option<Face>,
    creator_id: Option<Text>,
    owner_id: Option<Text>,
    #[expect(dead_code, reason = "nobody owns a session here")]
    owner_first: Option<bool>,
    #[serde(default)]
    involving_me: bool,
    involving_profile_id: Option<Text>,
    #[expect(dead_code, reason = "no people are known here")]
    include_people: Option<bool>,
    spawned_by: Option<Text>,
    agent_id: Option<Text>,
    search: Option<String>,
    archived: Option<Archived>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum SortBy {
    UpdatedAt,
    LastInteractionAt,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
enum Face {
    Chat,
    Dashboard,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Archived {
    Only(bool),
    Word(AllWord),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum AllWord {
    All,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct DescribeParams {
    key: Text,
    #[serde(default)]
    include_derived_titles: bool,
    #[serde(default)]
    include_last_message: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ResolveParams {
    key: Option<Text>,
    session_id: Option<Text>,
    label: Option<Text>,
    short_id: Option<Text>,
    #[expect(dead_code, reason = "only a hint")]
    slug_hint: Option<Text>,
    agent_id: Option<Text>,
    spawned_by: Option<Text>,
    #[expect(dead_code, reason = "a key that is named is meant")]
    include_global: Option<bool>,
    #[expect(dead_code, reason = "every session here has a kind")]
    include_unknown: Option<bool>,
    #[serde(default)]
    allow_missing: bool,
}

type Facts = Arc<SessionFacts>;

async fn list(call: Call) -> Result<Value, ErrorBody> {
    let params: ListParams = read("sessions.list", call.params.clone())?;
    let now = call.engine.clock().now().0;
    let agents = super::report::agent_ids(&call.host);
    let mut found = all(&call).await?;
    found.retain(|facts| params.wants(facts, now, &agents));
    found.sort_by_key(|facts| {
        (std::cmp::Reverse(facts.note.pinned_at.is_some()), std::cmp::Reverse(facts.updated_at()))
    });
    let total = found.len();
    let limit = params.limit.map_or(LIMIT, Count::get).min(LIMIT_MAX);
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let page: Vec<&Facts> = found.iter().skip(size(params.offset)).take(size(limit)).collect();
    let next = size(params.offset).saturating_add(page.len());
    let extras =
        Extras { titles: params.include_derived_titles, last: params.include_last_message };
    let busy = busy(&call)?;
    let shown = |facts: &&Facts| row(&call.host, facts, busy.contains(&facts.key), extras);
    let rows: Vec<Value> = page.iter().map(shown).collect();
    let agent = params.agent_id.map_or_else(|| default_agent(&call.host), |id| id.to_string());
    Ok(json!({
        "ts": now,
        "path": store_path(&call.host),
        "count": rows.len(),
        "totalCount": total,
        "limitApplied": limit,
        "nextOffset": (next < total).then_some(next),
        "hasMore": next < total,
        "owners": [],
        "defaults": defaults(&call, &agent),
        "sessions": rows,
    }))
}

/// What a session uses that has chosen nothing.
fn defaults(call: &Call, agent: &str) -> Value {
    let model = chain(&call.host, agent).into_iter().next().unwrap_or_default();
    let (provider, name) = model.split_once('/').unwrap_or(("", &model));
    json!({
        "modelProvider": provider,
        "model": name,
        "contextTokens": window(&call.host, &model),
        "thinkingLevels": [{"id": "off", "label": "off"}],
        "thinkingOptions": ["off"],
        "thinkingDefault": "off",
    })
}

impl ListParams {
    fn wants(&self, facts: &SessionFacts, now: i64, agents: &[String]) -> bool {
        // Sessions here have neither owners nor people, start no others and show no boards.
        let asks_for_more = self.creator_id.is_some()
            || self.owner_id.is_some()
            || self.involving_me
            || self.involving_profile_id.is_some()
            || self.spawned_by.is_some()
            || self.board_face == Some(Face::Dashboard);
        let is_archived = facts.note.archived_at.is_some();
        let archived = match &self.archived {
            None => !is_archived,
            Some(Archived::Only(only)) => *only == is_archived,
            Some(Archived::Word(AllWord::All)) => true,
        };
        let is_active = self.active_minutes.is_none_or(|minutes| {
            let span = i64::try_from(minutes.get()).unwrap_or(i64::MAX).saturating_mul(60_000);
            now.saturating_sub(facts.updated_at().0) <= span
        });
        !asks_for_more
            && archived
            && is_active
            && (!self.require_last_interaction || facts.last.is_some())
            && (self.include_global != Some(false) || facts.key.agent().is_some())
            && (!self.configured_agents_only || agents.contains(&facts.agent))
            && self.agent_id.as_ref().is_none_or(|id| facts.agent == id.as_str())
            && self.label.as_ref().is_none_or(|label| has_label(facts, label))
            && self.search.as_deref().is_none_or(|text| mentions(facts, text))
    }
}

fn has_label(facts: &SessionFacts, label: &Text) -> bool {
    facts.note.label.as_deref() == Some(label.as_str())
}

fn mentions(facts: &SessionFacts, text: &str) -> bool {
    let text = text.trim().to_lowercase();
    let texts = [Some(facts.key.as_str()), facts.note.label.as_deref(), facts.opening.as_deref()];
    texts.into_iter().flatten().any(|it| it.to_lowercase().contains(&text))
}

async fn describe(call: Call) -> Result<Value, ErrorBody> {
    let params: DescribeParams = read("sessions.describe", call.params.clone())?;
    let key = key_of(&call.host, params.key.as_str(), None)?;
    let extras =
        Extras { titles: params.include_derived_titles, last: params.include_last_message };
    let is_busy = busy(&call)?.contains(&key);
    let facts = find(&call, &key).await?;
    Ok(json!({"session": facts.map(|facts| row(&call.host, &facts, is_busy, extras))}))
}

async fn resolve(call: Call) -> Result<Value, ErrorBody> {
    let params: ResolveParams = read("sessions.resolve", call.params.clone())?;
    let key = params.key.as_ref();
    let key =
        key.map(|key| key_of(&call.host, key.as_str(), params.agent_id.as_ref().map(Text::as_str)));
    let key = key.transpose()?;
    if key.is_none()
        && [&params.session_id, &params.label, &params.short_id].iter().all(|it| it.is_none())
    {
        return Err(ErrorBody::invalid(
            "invalid sessions.resolve params: one of key, sessionId, label and shortId is needed",
        ));
    }
    let is_meant = |facts: &Facts| {
        let id = session_id(&facts.key, facts.note.life);
        key.as_ref().is_none_or(|key| facts.key == *key)
            && params.session_id.as_ref().is_none_or(|it| *it.as_str() == id)
            && params.label.as_ref().is_none_or(|label| has_label(facts, label))
            && params.short_id.as_ref().is_none_or(|short| {
                short.as_str().len() >= SHORT_ID_MIN && id.starts_with(short.as_str())
            })
            && params.agent_id.as_ref().is_none_or(|agent| facts.agent == agent.as_str())
            && params.spawned_by.is_none()
    };
    let found: Vec<Facts> = all(&call).await?.into_iter().filter(is_meant).collect();
    let named = |facts: &Facts| json!({"key": facts.key, "agentId": facts.agent});
    match found.as_slice() {
        [facts] => Ok(json!({"ok": true, "key": facts.key, "agentId": facts.agent})),
        [] if params.allow_missing => Ok(json!({"ok": false})),
        [] => Err(ErrorBody::invalid("no session is meant by that; sessions.list shows them")),
        several => Ok(json!({
            "ok": false,
            "candidates": several.iter().map(named).collect::<Vec<_>>(),
        })),
    }
}

async fn all(call: &Call) -> Result<Vec<Facts>, ErrorBody> {
    call.engine.sessions().await.map_err(ErrorBody::internal)
}

/// One session.
pub(super) async fn find(call: &Call, key: &SessionKey) -> Result<Option<Facts>, ErrorBody> {
    Ok(all(call).await?.into_iter().find(|facts| facts.key == *key))
}

/// Those in which something runs or waits.
pub(super) fn busy(call: &Call) -> Result<BTreeSet<SessionKey>, ErrorBody> {
    call.engine.busy_sessions().map_err(ErrorBody::internal)
}
