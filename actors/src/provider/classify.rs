//! Decides what kind of failure a provider's answer is, and whether and when to try again.

use std::time::Duration;

use serde_json::Value;

use super::overflow;
use super::secret::{Secret, hide};
use super::{Failure, FailureClass, Usage};

/// Attempts of one call which may be followed by another.
pub const RETRIES_MAX: u32 = 3;
/// The longest wish of a provider that is believed: beyond it, a clock or a header is wrong.
pub const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);
/// The longest wish that is slept through; a longer one is shown, so that another model can step in.
pub const RETRY_AFTER_SLEPT_MAX: Duration = Duration::from_mins(1);
/// How much of a provider's error text a failure repeats.
pub const BODY_CHARS_MAX: usize = 300;

/// The pause before the first retry; it doubles from there.
const RETRY_BASE: Duration = Duration::from_secs(1);
/// The largest share of the pause that jitter adds, so that callers do not return in step.
const JITTER_SHARE: f64 = 0.1;
/// How words begin that look like a key. Providers echo a refused key, sometimes in full.
const KEY_PREFIXES: [&str; 9] =
    ["sk-", "sk_", "pk-", "rk-", "gsk_", "xai-", "key-", "AIza", "ya29."];

/// The class of a provider's error answer, from its status and the error type in its body.
///
/// A stream that reports an error in its middle has the status 200: there the type alone decides.
pub fn classify(status: u16, body: &str, retry_after_header: Option<&str>) -> Failure {
    classify_hiding(status, body, retry_after_header, &[])
}

/// [`classify`], with known secrets removed before the text is cut.
pub(super) fn classify_hiding(
    status: u16,
    body: &str,
    retry_after_header: Option<&str>,
    secrets: &[Secret],
) -> Failure {
    let error = ErrorBody::read(body);
    let class = class_of_code(&error)
        .or_else(|| class_of_documented_text(status, &error))
        .or_else(|| {
            overflow::is_told(status, &error.message).then_some(FailureClass::ContextOverflow)
        })
        .or_else(|| class_of_status(status))
        .or_else(|| class_of_type(&error))
        .or_else(|| class_of_status(error.number))
        .unwrap_or(if status < 300 { FailureClass::Server } else { FailureClass::Unclassified });
    let told = excerpt(&error.told(), secrets);
    let told = if told.is_empty() { "no further words".to_owned() } else { told };
    let said =
        if status < 300 { "reported an error".to_owned() } else { format!("answered {status}") };
    Failure {
        class,
        message: format!("the provider {said}: {told}"),
        retry_after: retry_after_header.and_then(retry_after),
        output_started: false,
        usage: Usage::default(),
    }
}

/// Whether the same call may be made again: the fault lies in the moment, and nobody has read
/// any part of the answer.
pub fn is_retryable(failure: &Failure) -> bool {
    !failure.output_started
        && matches!(
            failure.class,
            FailureClass::Timeout
                | FailureClass::Server
                | FailureClass::Overloaded
                | FailureClass::RateLimit
        )
}

/// The pause after failed attempt number `attempt` (the first is 1), or nothing when the failure
/// must be shown. `jitter` is a random share from 0 to 1.
pub fn retry_delay(attempt: u32, failure: &Failure, jitter: f64) -> Option<Duration> {
    if !is_retryable(failure) || !(1..=RETRIES_MAX).contains(&attempt) {
        return None;
    }
    let wish = failure.retry_after.unwrap_or_default();
    if wish > RETRY_AFTER_SLEPT_MAX {
        return None;
    }
    let share = if jitter.is_nan() { 0.0 } else { jitter.clamp(0.0, 1.0) * JITTER_SHARE };
    let pause = (RETRY_BASE * (1 << (attempt - 1))).mul_f64(1.0 + share);
    Some(pause.max(wish))
}

/// A failure found on our own side of the wire.
pub(super) fn failure(class: FailureClass, message: impl Into<String>) -> Failure {
    Failure {
        class,
        message: message.into(),
        retry_after: None,
        output_started: false,
        usage: Usage::default(),
    }
}

/// A foreign text made fit for a message: without secrets and control characters, short.
pub(super) fn excerpt(text: &str, secrets: &[Secret]) -> String {
    let hidden = hide(text, secrets);
    let spaced: String = hidden.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<String> = spaced.split_whitespace().map(hide_key_like).collect();
    words.join(" ").chars().take(BODY_CHARS_MAX).collect()
}

/// A word with everything from the beginning of something like a key onwards hidden.
fn hide_key_like(word: &str) -> String {
    let at_boundary = |at: usize| !word[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
    KEY_PREFIXES
        .iter()
        .flat_map(|prefix| word.match_indices(prefix))
        .map(|(at, _)| at)
        .filter(|at| at_boundary(*at))
        .min()
        .map_or_else(|| word.to_owned(), |at| format!("{}[hidden]", &word[..at]))
}

/// Whole seconds only: a date would need a clock, and no provider sends one.
fn retry_after(header: &str) -> Option<Duration> {
    let digits = header.trim();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let wish = digits.parse().map_or(RETRY_AFTER_MAX, Duration::from_secs);
    Some(wish.min(RETRY_AFTER_MAX))
}

/// The fields of an error body that matter, whatever shape it has.
#[derive(Debug, Default)]
struct ErrorBody {
    code: String,
    kind: String,
    message: String,
    /// A status in the body: proxies report the upstream's one there. 0 when there is none.
    number: u16,
}

impl ErrorBody {
    /// Reads `{"error": {..}}`, `{"error": ".."}`, the bare object, and any of these in a list.
    /// A body which is no JSON is one message.
    fn read(body: &str) -> Self {
        let Ok(json) = serde_json::from_str::<Value>(body) else {
            return Self { message: body.to_owned(), ..Self::default() };
        };
        let outer = json.get(0).unwrap_or(&json);
        let error = outer.get("error").or_else(|| outer.pointer("/response/error"));
        let error = error.unwrap_or(outer);
        let field = |name| error.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let message = error.as_str().map_or_else(|| field("message"), str::to_owned);
        let code = error.get("code");
        Self {
            code: field("code"),
            kind: field("type"),
            message: if message.is_empty() { body.to_owned() } else { message },
            number: code.and_then(Value::as_u64).and_then(|n| n.try_into().ok()).unwrap_or(0),
        }
    }

    /// Code or type, and message, as one line.
    fn told(&self) -> String {
        let label = if self.code.is_empty() { &self.kind } else { &self.code };
        if label.is_empty() { self.message.clone() } else { format!("{label}: {}", self.message) }
    }
}

/// Codes and types that say more than the status they come with.
fn class_of_code(error: &ErrorBody) -> Option<FailureClass> {
    [error.code.as_str(), error.kind.as_str()].into_iter().find_map(|word| match word {
        "context_length_exceeded" | "request_too_large" | "exceed_context_size_error" => {
            Some(FailureClass::ContextOverflow)
        }
        "insufficient_quota"
        | "billing_not_active"
        | "billing_hard_limit_reached"
        | "billing_error" => Some(FailureClass::Billing),
        "model_not_found" => Some(FailureClass::ModelNotFound),
        "overloaded_error"
        | "overloaded"
        | "server_overloaded"
        | "engine_overloaded"
        | "engine_overloaded_error"
        | "slow_down" => Some(FailureClass::Overloaded),
        // LiteLLM's proxy without a database, which it would look up a key in that it does not know.
        "no_db_connection" => Some(FailureClass::Auth),
        "account_deactivated" | "unsupported_country_region_territory" => {
            Some(FailureClass::AuthPermanent)
        }
        _ => None,
    })
}

/// Some documented errors have no type of their own, only the opening words of a 400.
fn class_of_documented_text(status: u16, error: &ErrorBody) -> Option<FailureClass> {
    const OPENINGS: [(&str, FailureClass); 4] = [
        ("prompt is too long", FailureClass::ContextOverflow),
        ("input length and `max_tokens` exceed context limit", FailureClass::ContextOverflow),
        ("This model's maximum context length is", FailureClass::ContextOverflow),
        ("Your credit balance is too low", FailureClass::Billing),
    ];
    let (_, class) = OPENINGS.iter().find(|(opening, _)| error.message.starts_with(opening))?;
    (status == 400).then_some(*class)
}

fn class_of_status(status: u16) -> Option<FailureClass> {
    match status {
        400 | 405 | 406 | 411 | 414 | 415 | 422 => Some(FailureClass::Format),
        401 => Some(FailureClass::Auth),
        402 => Some(FailureClass::Billing),
        403 => Some(FailureClass::AuthPermanent),
        404 => Some(FailureClass::ModelNotFound),
        408 => Some(FailureClass::Timeout),
        413 => Some(FailureClass::ContextOverflow),
        429 => Some(FailureClass::RateLimit),
        529 => Some(FailureClass::Overloaded),
        500..=599 => Some(FailureClass::Server),
        _ => None,
    }
}

/// The general types, asked only where no status speaks: in the middle of a stream.
fn class_of_type(error: &ErrorBody) -> Option<FailureClass> {
    [error.code.as_str(), error.kind.as_str()].into_iter().find_map(|word| match word {
        "authentication_error" | "invalid_api_key" => Some(FailureClass::Auth),
        "permission_error" => Some(FailureClass::AuthPermanent),
        "not_found_error" => Some(FailureClass::ModelNotFound),
        "rate_limit_error" | "rate_limit_exceeded" => Some(FailureClass::RateLimit),
        "timeout_error" => Some(FailureClass::Timeout),
        "api_error" | "server_error" => Some(FailureClass::Server),
        "invalid_request_error" => Some(FailureClass::Format),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
