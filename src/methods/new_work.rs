//! What is not begun once the gateway comes to its end or becomes quiet: a busy client would stretch
//! the wait for what is under way to its limit, and what it had begun last would be cut off. Pure.

use serde_json::json;

use super::{Method, Scope, suspend};
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

/// What a node writes although it may only look: its answers end calls, and what waits for it is
/// handed over.
const WRITTEN_BY_NODES: [&str; 4] =
    ["node.invoke.result", "node.pending.ack", "node.pending.drain", "node.pending.pull"];
/// What ends work, and is lost where it is refused: a node says it once.
const ENDS_WORK: [&str; 3] = ["node.invoke.progress", "node.invoke.result", "node.pending.ack"];
/// Waits for what is counted already, and changes nothing.
const ONLY_WAITS: &str = "agent.wait";
/// When one may ask again, in milliseconds.
const RETRY_MS: u64 = 1_000;

/// What the gateway takes at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taking {
    /// Everything.
    All,
    /// No new work: it comes to its end.
    Ending,
    /// No new work: it becomes quiet.
    Quieter,
    /// Nothing that is not about being quiet, but for what ends work.
    Nothing,
}

/// Whether a suspension has to wait for the end of a call.
pub(super) fn counts(method: &Method) -> bool {
    let is_heard = method.name.starts_with(suspend::FAMILY) || method.name == ONLY_WAITS;
    let changes = method.scope != Scope::Read || WRITTEN_BY_NODES.contains(&method.name);
    changes && !is_heard
}

/// Whether a method may begin now; `looks_from_here` says that somebody on this machine only looks,
/// who may want to know why nothing happens.
///
/// # Errors
/// Not any more; nothing was begun, and the same call may be made again.
pub(super) fn check(method: &str, taking: Taking, looks_from_here: bool) -> Result<(), ErrorBody> {
    let is_new = NEW_WORK.contains(&method);
    let (what, reason) = match taking {
        Taking::Ending if is_new => ("restart", "gateway-restarting"),
        Taking::Quieter if is_new => ("suspension", "gateway-suspending"),
        Taking::Nothing if !is_heard_in_quiet(method) && !looks_from_here => {
            ("suspension", "gateway-suspending")
        }
        Taking::All | Taking::Ending | Taking::Quieter | Taking::Nothing => return Ok(()),
    };
    let text = format!("{method} unavailable during gateway {what}; nothing was begun, try again");
    let error = ErrorBody::unavailable(text).with(json!({"method": method, "reason": reason}));
    Err(ErrorBody { retry_after_ms: Some(RETRY_MS), ..error })
}

fn is_heard_in_quiet(method: &str) -> bool {
    method.starts_with(suspend::FAMILY) || ENDS_WORK.contains(&method)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::methods;

    #[test]
    fn only_what_begins_work_is_refused() {
        for method in methods() {
            let name = method.name;
            assert!(check(name, Taking::All, false).is_ok(), "{name}");
            for taking in [Taking::Ending, Taking::Quieter] {
                let refused = check(name, taking, false).is_err();
                assert_eq!(refused, NEW_WORK.contains(&name), "{name} {taking:?}");
            }
        }
        for name in NEW_WORK {
            assert!(methods().any(|method| method.name == name), "{name} is a method");
        }
        let error = check("chat.send", Taking::Ending, false).unwrap_err();
        assert!(error.retryable && error.code == "UNAVAILABLE", "{error:?}");
    }

    #[test]
    fn what_is_quiet_hears_its_supervisor_and_the_end_of_work_and_is_looked_at_from_here() {
        let ends = ["node.invoke.progress", "node.invoke.result", "node.pending.ack"];
        for name in ends {
            assert!(methods().any(|method| method.name == name), "{name} is a method");
        }
        for method in methods() {
            let name = method.name;
            let is_heard = name.starts_with("gateway.suspend.") || ends.contains(&name);
            assert_eq!(check(name, Taking::Nothing, false).is_ok(), is_heard, "{name}");
            assert!(check(name, Taking::Nothing, true).is_ok(), "{name}");
        }
    }

    #[test]
    fn what_changes_something_is_waited_for() {
        let counted = |name: &str| methods().any(|method| method.name == name && counts(method));
        assert!(NEW_WORK.into_iter().all(counted));
        assert!(counted("config.patch") && counted("cron.run"));
        for name in ["drain", "pull", "ack"].map(|name| format!("node.pending.{name}")) {
            assert!(counted(&name), "{name}");
        }
        assert!(counted("node.invoke.result"));
        for name in ["gateway.suspend.prepare", "gateway.suspend.resume", "agent.wait", "health"] {
            assert!(!counted(name), "{name}");
        }
    }
}
