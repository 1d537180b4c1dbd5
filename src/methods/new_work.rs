//! What is not begun any more once the gateway comes to its end: a busy client would stretch the
//! drain to its limit, and what it had begun last would be cut off. Pure.

use serde_json::json;

use crate::frame::ErrorBody;

/// Methods that begin work which a restart would have to wait for.
pub(super) const NEW_WORK: [&str; 8] = [
    "agent",
    "chat.send",
    "node.invoke",
    "send",
    "sessions.compact",
    "sessions.send",
    "telson.deadLetters.replay",
    "tools.invoke",
];

/// What clients know this refusal by.
const REASON: &str = "gateway-restarting";
/// When one may ask again, in milliseconds.
const RETRY_MS: u64 = 1_000;

/// Whether a method may begin now.
///
/// # Errors
/// Not any more; nothing was begun, and the same call may be made again.
pub(super) fn check(method: &str, is_admitting: bool) -> Result<(), ErrorBody> {
    if is_admitting || !NEW_WORK.contains(&method) {
        return Ok(());
    }
    let text = format!("{method} unavailable during gateway restart; nothing was begun, try again");
    let error = ErrorBody::unavailable(text).with(json!({"method": method, "reason": REASON}));
    Err(ErrorBody { retry_after_ms: Some(RETRY_MS), ..error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::methods;

    #[test]
    fn only_what_begins_work_is_refused() {
        for method in methods() {
            let name = method.name;
            assert!(check(name, true).is_ok(), "{name}");
            assert_eq!(check(name, false).is_err(), NEW_WORK.contains(&name), "{name}");
        }
        for name in NEW_WORK {
            assert!(methods().any(|method| method.name == name), "{name} is a method");
        }
        let error = check("chat.send", false).unwrap_err();
        assert!(error.retryable && error.code == "UNAVAILABLE", "{error:?}");
    }
}
