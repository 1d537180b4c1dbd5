//! What was logged last.

use serde::Deserialize;
use serde_json::{Value, json};

use super::params::{Count, read};
use super::{Call, ErrorBody, Method, Scope, ready};

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[Method {
    name: "logs.tail",
    scope: Scope::Read,
    about: "the newest lines of the log",
    run: |call| ready(tail(call)),
}];

const LINES: u64 = 500;
const LINES_MAX: u64 = 5_000;
const BYTES: u64 = 250_000;
const BYTES_MAX: u64 = 1_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Params {
    cursor: Option<u64>,
    limit: Option<Count>,
    max_bytes: Option<Count>,
}

fn tail(call: Call) -> Result<Value, ErrorBody> {
    let params: Params = read("logs.tail", call.params)?;
    let Some(ring) = &call.host.logs else {
        return Err(ErrorBody::unavailable("the logs of an embedded engine are its program's own"));
    };
    let limit = params.limit.map_or(LINES, Count::get).min(LINES_MAX);
    let bytes = params.max_bytes.map_or(BYTES, Count::get).min(BYTES_MAX);
    let tail = ring.tail(params.cursor, usize::try_from(limit).unwrap_or(usize::MAX), bytes);
    Ok(json!({
        "file": "memory",
        "cursor": tail.cursor,
        "size": tail.cursor,
        "lines": tail.lines,
        "truncated": tail.is_truncated,
        "reset": tail.is_reset,
    }))
}
