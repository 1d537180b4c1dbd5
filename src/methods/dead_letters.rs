//! What could not be finished: shown, put back to work, forgotten.

use serde::Deserialize;
use serde_json::{Value, json};
use telson_actors::dead_letter::DeadLetterId;

use super::params::{Nothing, Text, read};
use super::{Call, ErrorBody, Method, Scope, letter, ready};

/// Longest text a person can give a dead letter.
const TEXT_BYTES_MAX: usize = 256 * 1024;

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "telson.deadLetters.list",
        scope: Scope::Read,
        about: "what could not be finished",
        run: |call| ready(list_dead(call)),
    },
    Method {
        name: "telson.deadLetters.show",
        scope: Scope::Read,
        about: "one dead letter, whole",
        run: |call| ready(show_dead(call)),
    },
    Method {
        name: "telson.deadLetters.replay",
        scope: Scope::Write,
        about: "put a dead letter back to work, as it is or with another text",
        run: |call| Box::pin(replay_dead(call)),
    },
    Method {
        name: "telson.deadLetters.drop",
        scope: Scope::Write,
        about: "forget a dead letter",
        run: |call| Box::pin(drop_dead(call)),
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IdParams {
    id: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplayParams {
    id: Text,
    /// What it says from now on.
    text: Option<String>,
    /// A person knows what a replay does again.
    yes: Option<bool>,
}

fn list_dead(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    read::<Nothing>("telson.deadLetters.list", params)?;
    let letters = engine.dead_letters().list().map_err(ErrorBody::internal)?;
    let damaged = engine.dead_letters().damaged().map_err(ErrorBody::internal)?;
    Ok(json!({
        "deadLetters": letters.iter().map(letter::short).collect::<Vec<_>>(),
        "damaged": damaged.iter().map(letter::damaged).collect::<Vec<_>>(),
    }))
}

fn show_dead(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let params: IdParams = read("telson.deadLetters.show", params)?;
    if let Some(id) = damaged_id(&params.id) {
        let damaged = engine.dead_letters().damaged().map_err(ErrorBody::internal)?;
        let found = damaged.iter().find(|damaged| damaged.id() == id);
        return found.map(letter::damaged_whole).ok_or_else(|| no_damaged(id));
    }
    let id = letter_id(&params.id)?;
    let letter = engine.dead_letters().get(id).map_err(ErrorBody::internal)?;
    let letter = letter.ok_or_else(|| {
        ErrorBody::not_found(format!("there is no dead letter {id}; list them to see which are"))
    })?;
    let done = engine.dead_letters().done_before(id).map_err(ErrorBody::internal)?;
    let mut shown = letter::whole(&letter);
    if !done.calls.is_empty() {
        shown["ranTools"] = done.calls.iter().map(ToString::to_string).collect();
        shown["runAgainByReplay"] = json!(done.repeated());
    }
    Ok(shown)
}

async fn replay_dead(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let params: ReplayParams = read("telson.deadLetters.replay", params)?;
    if let Some(id) = damaged_id(&params.id) {
        let text = format!("{id} is damaged and can't be put back to work; it can only be dropped");
        return Err(ErrorBody::invalid(text));
    }
    let id = letter_id(&params.id)?;
    let done = engine.dead_letters().done_before(id).map_err(ErrorBody::internal)?;
    let repeated = done.repeated();
    if !repeated.is_empty() && params.yes != Some(true) {
        let text = format!(
            "the turn of {id} has already run {}, and a replay would run that again; confirm it \
             with --yes, or see `telson dead-letters show {id}`",
            repeated.join(", ")
        );
        return Err(ErrorBody::invalid(text));
    }
    let result = match new_text(params.text)? {
        Some(text) => engine.dead_letters().replay_as(id, text).await,
        None => engine.dead_letters().replay(id).await,
    };
    result.map(|text| json!({"result": text})).map_err(ErrorBody::not_found)
}

/// The text a person gives it, if they do.
fn new_text(text: Option<String>) -> Result<Option<String>, ErrorBody> {
    match text {
        None => Ok(None),
        Some(text) if !text.trim().is_empty() && text.len() <= TEXT_BYTES_MAX => Ok(Some(text)),
        Some(_) => {
            let range = format!("a text of 1 to {TEXT_BYTES_MAX} bytes");
            Err(ErrorBody::invalid(format!(
                "params.text: {range}; leave it out to keep the old one"
            )))
        }
    }
}

async fn drop_dead(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let params: IdParams = read("telson.deadLetters.drop", params)?;
    if let Some(id) = damaged_id(&params.id) {
        let dropped =
            engine.dead_letters().forget_damaged(id).await.map_err(ErrorBody::internal)?;
        let text = format!("{id} is dropped");
        return dropped.then(|| json!({"result": text})).ok_or_else(|| no_damaged(id));
    }
    let id = letter_id(&params.id)?;
    let result = engine.dead_letters().drop_letter(id).await;
    result.map(|()| json!({"result": format!("{id} is dropped")})).map_err(ErrorBody::not_found)
}

/// `q` and the eight digits of a damaged record.
fn damaged_id(id: &Text) -> Option<&str> {
    Some(id.as_str()).filter(|id| id.starts_with('q'))
}

fn no_damaged(id: &str) -> ErrorBody {
    ErrorBody::not_found(format!("there is no damaged record {id}; list them to see which are"))
}

/// `d7` or `7`.
fn letter_id(id: &Text) -> Result<DeadLetterId, ErrorBody> {
    let id = id.as_str();
    id.strip_prefix('d')
        .unwrap_or(id)
        .parse()
        .map(DeadLetterId)
        .map_err(|_| ErrorBody::invalid(format!("{id:?} is no dead letter, such as d7")))
}
