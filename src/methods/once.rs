//! Calls that are made once for each idempotency key: what a repeat is told.

use serde_json::{Value, json};
use telson_actors::answer::CallEnd;
use telson_actors::inbox::digest;

use super::{Call, ErrorBody};
use crate::engine::{Asked, Beginning};

/// What stands for everything that is asked.
pub(super) fn digest_of(parts: &[&dyn std::fmt::Display]) -> u64 {
    let whole: Vec<String> = parts.iter().map(ToString::to_string).collect();
    digest(&whole.join("\n"))
}

/// Where a call stands.
enum Stand {
    /// It is to be made now, or taken back; whoever repeats it waits until then.
    Now(Beginning),
    /// It may be under way.
    Begun,
    /// It has ended like this.
    Ended(CallEnd),
}

/// What a call comes to for whoever asks for it.
pub(super) enum Taken<W> {
    /// It is to be made by him.
    Now(Beginning),
    /// It is under way, and this is how its end is heard.
    Joined(W),
    /// It has ended like this.
    Ended(CallEnd),
}

/// Begins a call, or finds the way to the end of the one that was made; `join` waits for one under
/// way, if it is.
///
/// # Errors
/// As [`begin`]; or it was made, and nobody hears any more how it ends.
pub(super) async fn take<W>(
    call: &Call,
    method: &str,
    (key, shown): (&str, &str),
    asked: u64,
    join: impl Fn() -> Option<W>,
) -> Result<Taken<W>, ErrorBody> {
    // What ends between the first look and the joining is kept, and the second look sees it.
    for _ in 0..2 {
        match begin(call, method, (key, shown), asked).await? {
            Stand::Now(beginning) => return Ok(Taken::Now(beginning)),
            Stand::Ended(end) => return Ok(Taken::Ended(end)),
            Stand::Begun => {
                if let Some(waiting) = join() {
                    return Ok(Taken::Joined(waiting));
                }
            }
        }
    }
    Err(unknown(shown))
}

/// Begins a call, unless it was made before. `key` is what the store knows it by, `shown` what its
/// caller does.
///
/// # Errors
/// The key is that of another call, or nobody knows what has become of it, or the store can't be
/// written; nothing is to be made.
async fn begin(
    call: &Call,
    method: &str,
    (key, shown): (&str, &str),
    asked: u64,
) -> Result<Stand, ErrorBody> {
    let begun = call.engine.begin_call(method, key, asked).await;
    match begun.map_err(|error| ErrorBody::unavailable(error.to_string()))? {
        Asked::Now(beginning) => Ok(Stand::Now(beginning)),
        Asked::Begun => Ok(Stand::Begun),
        Asked::Ended(end) => Ok(Stand::Ended(end)),
        Asked::Lost => Err(unknown(shown)),
        Asked::Other => Err(ErrorBody::invalid(format!(
            "idempotencyKey {shown:?} was used for another call; this one needs a key of its own"
        ))
        .with(json!({"code": "IDEMPOTENCY_KEY_REUSED"}))),
    }
}

/// It was made, and its end was not heard.
pub(super) fn unknown(shown: &str) -> ErrorBody {
    let text = format!(
        "the call with idempotencyKey {shown:?} was made before, and nobody knows what became of \
         it; use another key to make it again"
    );
    let error = ErrorBody::unavailable(text).with(json!({"code": "OUTCOME_UNKNOWN"}));
    ErrorBody { retryable: false, ..error }
}

/// What it gave was too long to be kept.
pub(super) fn too_long(shown: &str, bytes: u64) -> ErrorBody {
    ErrorBody::invalid(format!(
        "the call with idempotencyKey {shown:?} was made before; what it gave, {bytes} bytes, is \
         too long to be kept"
    ))
    .with(json!({"code": "ANSWER_NOT_KEPT"}))
}

/// A kept answer as it was.
pub(super) fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}
