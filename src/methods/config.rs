//! The config file, seen from afar.

use serde::Deserialize;
use serde_json::{Value, json};
use telson_actors::cron::wire::config_without_secrets;

use super::config_file::{File, read_file};
use super::config_wishes::with_wishes;
use super::config_write::{apply, patch, set};
use super::params::{Nothing, Text, read};
use super::{Answer, Call, ErrorBody, Method, Scope, ready};
use crate::config::change::{lookup, redact, redact_text};
use crate::config::{self, schema};

/// The methods of this family. A change counts from the next start of the service on.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "config.get",
        scope: Scope::Read,
        about: "the config file, without its credentials",
        run: |call| blocking(call, get),
    },
    Method {
        name: "config.schema",
        scope: Scope::Read,
        about: "what a config can say",
        run: |call| ready(whole_schema(call)),
    },
    Method {
        name: "config.schema.lookup",
        scope: Scope::Read,
        about: "one setting of it",
        run: |call| ready(one(call)),
    },
    Method {
        name: "config.set",
        scope: Scope::Admin,
        about: "write the config file; a restart applies it",
        run: |call| blocking(call, set),
    },
    Method {
        name: "config.apply",
        scope: Scope::Admin,
        about: "the same",
        run: |call| with_wishes(call, apply),
    },
    Method {
        name: "config.patch",
        scope: Scope::Admin,
        about: "change a part of the config file; a restart applies it",
        run: |call| with_wishes(call, patch),
    },
];

/// Longest path of a setting, in bytes.
const PATH_MAX: usize = 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LookupParams {
    path: Text,
}

fn get(call: &Call) -> Result<Value, ErrorBody> {
    read::<Nothing>("config.get", call.params.clone())?;
    let File { path, text, hash } = read_file(call)?;
    let env = |name: &str| std::env::var(name).ok();
    let loaded = config::load(&path, &env);
    let parsed = text.as_deref().map(json5::from_str::<Value>);
    let parsed = parsed.and_then(Result::ok).unwrap_or_else(|| json!({}));
    let mut shown = redact(&parsed);
    let is_owner = call.caller.may(Scope::Admin);
    if let Some(cron) = shown.get_mut("cron").filter(|_| !is_owner) {
        // As `cron.list` shows jobs.
        *cron = config_without_secrets(cron.take());
    }
    // A text that can't be read can't be searched for credentials either.
    let raw = text.as_deref().filter(|text| json5::from_str::<Value>(text).is_ok());
    let (issues, warnings, files) = match &loaded {
        Ok(loaded) => (Vec::new(), loaded.warnings.clone(), loaded.files.clone()),
        Err(error) => {
            let issue = |it: &config::Problem| json!({"path": it.path, "message": it.message});
            (error.problems.iter().map(issue).collect(), Vec::new(), Vec::new())
        }
    };
    let warnings: Vec<Value> =
        warnings.into_iter().map(|text| json!({"path": "", "message": text})).collect();
    Ok(json!({
        "path": path,
        "exists": text.is_some(),
        // Comments may hold what stood there before: only whoever may write the file sees them.
        "raw": raw.map(|text| if is_owner {
            redact_text(text, &parsed)
        } else {
            format!("{shown:#}\n")
        }),
        "parsed": shown,
        "sourceConfig": shown,
        "resolved": shown,
        "runtimeConfig": shown,
        "config": shown,
        "valid": loaded.is_ok(),
        "hash": hash,
        "includedPaths": files.iter().skip(1).collect::<Vec<_>>(),
        "issues": issues,
        "warnings": warnings,
        "legacyIssues": [],
    }))
}

fn whole_schema(call: Call) -> Result<Value, ErrorBody> {
    read::<Nothing>("config.schema", call.params)?;
    let now = jiff::Timestamp::from_millisecond(call.engine.clock().now().0);
    Ok(json!({
        "schema": schema(),
        "uiHints": {},
        "version": env!("CARGO_PKG_VERSION"),
        "generatedAt": now.map_err(ErrorBody::internal)?.to_string(),
    }))
}

fn one(call: Call) -> Result<Value, ErrorBody> {
    let LookupParams { path } = read("config.schema.lookup", call.params)?;
    let is_named = |c: char| c.is_ascii_alphanumeric() || "_./[]-*".contains(c);
    if path.as_str().len() > PATH_MAX || !path.as_str().chars().all(is_named) {
        let text = "invalid config.schema.lookup params: at path: not the path of a setting";
        return Err(ErrorBody::invalid(text));
    }
    lookup(&schema(), path.as_str())
        .ok_or_else(|| ErrorBody::invalid(format!("config schema path not found: {path}")))
}

/// Files may lie on a disk that has gone away: never on a thread that serves others.
fn blocking(call: Call, work: fn(&Call) -> Result<Value, ErrorBody>) -> Answer {
    Box::pin(async move {
        tokio::task::spawn_blocking(move || work(&call)).await.map_err(ErrorBody::internal)?
    })
}
