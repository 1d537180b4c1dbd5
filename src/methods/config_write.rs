//! Writing the config file: only by whoever has seen it, only one that the service can start with,
//! and never half of it.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use serde_json::{Value, json};

use super::config_file::{File, read_file};
use super::params::{Text, read};
use super::{Call, ErrorBody, Scope};
use crate::assembly::assemble;
use crate::config;
use crate::config::change::{Withheld, merge, redact, restore, restore_text};
use crate::{gateway, put_file};

/// Writes in one window, and how long that is, in milliseconds.
const WRITES_MAX: (usize, i64) = (30, 60_000);
/// Rights of the file: it holds credentials.
const MODE: u32 = 0o600;

/// When the config was written from afar, by method; held while one is written.
#[derive(Debug, Default)]
pub struct ConfigWrites {
    writes: Mutex<BTreeMap<&'static str, VecDeque<i64>>>,
    is_waiting: AtomicBool,
}

impl ConfigWrites {
    /// What a person should know of it.
    pub(super) fn notice(&self) -> Option<&'static str> {
        self.is_waiting.load(Ordering::Acquire).then_some(
            "the config file was changed; the change counts from the next start on, or from \
             `telson gateway call gateway.restart.request` on",
        )
    }
}

/// Which file a change is made to.
#[derive(Clone, Copy)]
pub(super) enum Base<'a> {
    /// The one its writer has seen.
    Seen(Option<&'a Text>),
    /// Whatever is there: the change is made here.
    Any,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SetParams {
    raw: Text,
    base_hash: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "what is wanted besides is read by whoever sees to it")]
struct ChangeParams {
    raw: Text,
    base_hash: Option<Text>,
    session_key: Option<String>,
    delivery_context: Option<Value>,
    note: Option<String>,
    restart_delay_ms: Option<u64>,
    #[serde(default)]
    replace_paths: Vec<Text>,
}

/// A new text, and what it is made of.
pub(super) struct Draft {
    text: String,
    value: Value,
}

impl Draft {
    /// The text of a value.
    pub(super) fn of(value: Value) -> Result<Self, ErrorBody> {
        let text = serde_json::to_string_pretty(&value).map_err(ErrorBody::internal)? + "\n";
        Ok(Self { text, value })
    }
}

/// `config.set`.
pub(super) fn set(call: &Call) -> Result<Value, ErrorBody> {
    let params: SetParams = read("config.set", call.params.clone())?;
    let raw = params.raw;
    write("config.set", call, Base::Seen(params.base_hash.as_ref()), &|file| whole(&raw, file))
}

/// `config.apply`.
pub(super) fn apply(call: &Call) -> Result<Value, ErrorBody> {
    let params: ChangeParams = read("config.apply", call.params.clone())?;
    if !params.replace_paths.is_empty() {
        let text = "invalid config.apply params: at root: unexpected property 'replacePaths'";
        return Err(ErrorBody::invalid(text));
    }
    let raw = params.raw;
    write("config.apply", call, Base::Seen(params.base_hash.as_ref()), &|file| whole(&raw, file))
}

/// `config.patch`.
pub(super) fn patch(call: &Call) -> Result<Value, ErrorBody> {
    let params: ChangeParams = read("config.patch", call.params.clone())?;
    let replace: Vec<String> = params.replace_paths.iter().map(ToString::to_string).collect();
    write("config.patch", call, Base::Seen(params.base_hash.as_ref()), &|file| {
        let (patch, old) = (parsed(params.raw.as_str())?, current(file)?);
        let value = merge(&old, &patch, &replace).map_err(ErrorBody::invalid)?;
        Draft::of(restore(&value, &old).map_err(withheld)?)
    })
}

/// A whole new text, with the credentials its writer was not shown. It may also replace one that
/// can't be read: there is nothing of it to keep, and its writer has seen it.
fn whole(raw: &Text, file: &File) -> Result<Draft, ErrorBody> {
    let new = parsed(raw.as_str())?;
    let old = current(file).unwrap_or_else(|_| json!({}));
    let value = restore(&new, &old).map_err(withheld)?;
    guard(&value, &old, raw.as_str(), file)?;
    Ok(Draft { text: restore_text(raw.as_str(), &new, &value), value })
}

fn parsed(raw: &str) -> Result<Value, ErrorBody> {
    let value: Value = json5::from_str(raw)
        .map_err(|error| ErrorBody::invalid(format!("raw is no JSON5: {error}")))?;
    if value.is_object() { Ok(value) } else { Err(ErrorBody::invalid("raw must be an object")) }
}

/// What it says; nothing where there is no file. A change of what can't be read would leave nothing
/// but the change.
pub(super) fn current(file: &File) -> Result<Value, ErrorBody> {
    let Some(text) = file.text.as_deref().filter(|text| !text.trim().is_empty()) else {
        return Ok(json!({}));
    };
    let why = match json5::from_str::<Value>(text) {
        Ok(value) if value.is_object() => return Ok(value),
        Ok(_) => "it is no object".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(ErrorBody::invalid(format!(
        "{}: {why}; nothing was changed; correct the file first",
        file.path.display()
    )))
}

fn withheld(Withheld(path): Withheld) -> ErrorBody {
    ErrorBody::invalid(format!(
        "{path}: a placeholder stands where no credential was; write the credential itself"
    ))
}

/// Against a client that writes back what it has only half understood.
fn guard(new: &Value, old: &Value, raw: &str, file: &File) -> Result<(), ErrorBody> {
    let lost = |pointer: &str| old.pointer(pointer).is_some() && new.pointer(pointer).is_none();
    let before = file.text.as_deref().map_or(0, str::len);
    let why = if lost("/gateway/mode") {
        "it drops gateway.mode"
    } else if lost("/meta") {
        "it drops meta"
    } else if raw.len() < before / 2 {
        "it is less than half as long as the file"
    } else {
        return Ok(());
    };
    Err(ErrorBody::invalid(format!("refused to overwrite the config: {why}; use config.patch")))
}

/// Everything that is the same for all who write it.
pub(super) fn write(
    method: &'static str,
    call: &Call,
    base: Base<'_>,
    make: &dyn Fn(&File) -> Result<Draft, ErrorBody>,
) -> Result<Value, ErrorBody> {
    let now = call.engine.clock().now().0;
    let mut writes = call.host.config_writes.writes.lock().unwrap_or_else(PoisonError::into_inner);
    limit(writes.entry(method).or_default(), now)?;
    let file = read_file(call)?;
    if let Base::Seen(base) = base {
        check_base(&file, base)?;
    }
    let Draft { text, value } = make(&file)?;
    let draft = put_file::draft(&file.path, text.as_bytes(), MODE)
        .map_err(|error| ErrorBody::unavailable(format!("{}: {error}", file.path.display())))?;
    if let Err(why) = check(&draft, &file.path) {
        let rejected = file.path.with_extension(format!("json.rejected.{now}"));
        // For a person to look at; the answer says what is wrong anyhow.
        drop(std::fs::rename(&draft, &rejected));
        return Err(ErrorBody::invalid(format!("{why}\nit is kept as {}", rejected.display())));
    }
    // Somebody else may have changed it by hand in the meantime.
    if read_file(call)?.hash != file.hash {
        drop(std::fs::remove_file(&draft));
        return Err(changed());
    }
    put_file::replace(&draft, &file.path)
        .map_err(|error| ErrorBody::unavailable(format!("{}: {error}", file.path.display())))?;
    let hash = read_file(call)?.hash;
    tracing::info!(path = %file.path.display(), by = call.caller.name, "the config was changed");
    call.host.config_writes.is_waiting.store(true, Ordering::Release);
    let restart = json!({"required": true, "message": "the change counts from the next start on"});
    let told = json!({"path": file.path, "hash": hash, "restart": restart});
    call.host.hub.tell("config.changed", Some(Scope::Read), told);
    Ok(json!({
        "ok": true,
        "path": file.path,
        "hash": hash,
        "config": redact(&value),
        "restart": restart,
    }))
}

fn limit(writes: &mut VecDeque<i64>, now: i64) -> Result<(), ErrorBody> {
    let (most, window) = WRITES_MAX;
    writes.retain(|at| now.saturating_sub(*at) < window);
    if writes.len() < most {
        writes.push_back(now);
        return Ok(());
    }
    let wait = writes.front().map_or(window, |first| window - now.saturating_sub(*first));
    let error = ErrorBody::unavailable(format!("at most {most} changes a minute"));
    Err(ErrorBody { retry_after_ms: u64::try_from(wait).ok(), ..error })
}

fn check_base(file: &File, base: Option<&Text>) -> Result<(), ErrorBody> {
    let Some(hash) = &file.hash else { return Ok(()) };
    match base {
        None => Err(ErrorBody::invalid("config base hash required; re-run config.get and retry")),
        Some(base) if base.as_str() != hash => Err(changed()),
        Some(_) => Ok(()),
    }
}

fn changed() -> ErrorBody {
    ErrorBody::invalid("config changed since last load; re-run config.get and retry")
}

/// Whether the service would start with it.
pub(super) fn check(draft: &Path, path: &Path) -> Result<(), String> {
    let env = |name: &str| std::env::var(name).ok();
    let named =
        |why: String| why.replace(&draft.display().to_string(), &path.display().to_string());
    let loaded = config::load(draft, &env).map_err(|error| named(error.to_string()))?;
    assemble(&loaded.config, &env).map(drop).map_err(named)?;
    gateway::check(&loaded.config, &env).map(drop)
}
