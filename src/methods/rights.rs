//! Which right a call needs: its method's, and more where its parameters reach further.

use serde_json::Value;

use super::{Caller, Method, Role, Scope};
use crate::frame::ErrorBody;

/// Methods that devices call which we ask to do things, and nobody else.
const NODE_METHODS: &[&str] = &[
    "node.event",
    "node.invoke.progress",
    "node.invoke.result",
    "node.pending.pull",
    "node.pending.ack",
    "node.pending.drain",
];

/// Beginnings of names that only an administrator may call, whatever their method says; and those
/// among them that may be read.
const ADMIN_PREFIXES: &[&str] = &["config.", "exec.approvals.", "wizard.", "update."];
const ADMIN_PREFIXES_READ: &[&str] =
    &["config.get", "config.schema", "config.schema.lookup", "update.status"];

/// Methods that change what is done without anybody asking.
const ADMIN_METHODS: &[&str] = &["cron.add", "cron.update", "cron.remove", "cron.run"];

/// Settings of a session that change how its model works rather than which one it is.
const ADMIN_PATCHES: &[&str] = &[
    "fastMode",
    "reasoningLevel",
    "thinkingLevel",
    "traceLevel",
    "verboseLevel",
    "elevatedLevel",
    "execSecurity",
    "execAsk",
    "execHost",
];

/// Tools that reach what only an administrator may change.
const ADMIN_TOOLS: &[&str] = &["cron", "gateway", "nodes"];

/// The role that may call a method.
pub fn role_of(method: &str) -> Role {
    if NODE_METHODS.contains(&method) { Role::Node } else { Role::Operator }
}

/// The right that a call of a method needs.
pub fn needed(method: &Method, params: &Value) -> Scope {
    let name = method.name;
    let is_reserved = ADMIN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        && !ADMIN_PREFIXES_READ.contains(&name);
    if is_reserved || ADMIN_METHODS.contains(&name) || reaches_far(name, params) {
        return Scope::Admin;
    }
    method.scope
}

/// Whether the parameters ask for more than the method itself does.
fn reaches_far(method: &str, params: &Value) -> bool {
    let text = |key: &str| params.get(key).and_then(Value::as_str).unwrap_or_default().trim_start();
    let begins = |text: &str, command: &str| {
        let rest = text.get(..command.len()).filter(|head| head.eq_ignore_ascii_case(command));
        let next = text.get(command.len()..).and_then(|rest| rest.chars().next());
        rest.is_some() && next.is_none_or(|next| !next.is_ascii_alphanumeric())
    };
    match method {
        "agent" => ["/new", "/reset"].iter().any(|command| begins(text("message"), command)),
        "chat.send" => {
            let mut words = text("message").split_whitespace();
            let command = words.next().unwrap_or_default();
            let verb = words.next().unwrap_or_default();
            let is_config = command.trim_end_matches(':').eq_ignore_ascii_case("/config");
            is_config && !verb.eq_ignore_ascii_case("show") && !verb.eq_ignore_ascii_case("get")
        }
        "sessions.patch" => ADMIN_PATCHES.iter().any(|key| params.get(key).is_some()),
        "tools.invoke" => {
            let tool = ["tool", "name"].iter().map(|key| text(key).trim_end());
            tool.into_iter().any(|tool| ADMIN_TOOLS.contains(&tool))
        }
        _ => false,
    }
}

/// Whether a caller may make a call.
///
/// # Errors
/// What it lacks.
pub fn check(method: &Method, params: &Value, caller: &Caller) -> Result<(), ErrorBody> {
    if caller.role != role_of(method.name) {
        return Err(ErrorBody::invalid(format!("unauthorized role: {}", caller.role.name())));
    }
    let needed = needed(method, params);
    if caller.role == Role::Operator && !caller.may(needed) {
        return Err(ErrorBody::missing_scope(needed.name()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::methods::ready;

    fn method(name: &'static str, scope: Scope) -> Method {
        Method { name, scope, about: "", run: |_| ready(Ok(json!(null))) }
    }

    #[test]
    fn parameters_that_reach_further_need_more() {
        let cases = [
            ("agent", json!({"message": "hello /new"}), Scope::Write),
            ("agent", json!({"message": " /new\nhello"}), Scope::Admin),
            ("agent", json!({"message": "/RESET"}), Scope::Admin),
            ("agent", json!({"message": "/newspaper"}), Scope::Write),
            ("chat.send", json!({"message": "/config set a.b 1"}), Scope::Admin),
            ("chat.send", json!({"message": "/Config\tunset a"}), Scope::Admin),
            ("chat.send", json!({"message": "/config show"}), Scope::Write),
            ("chat.send", json!({"message": "say /config set"}), Scope::Write),
            ("sessions.patch", json!({"model": "a/b", "label": "x"}), Scope::Write),
            ("sessions.patch", json!({"thinkingLevel": null}), Scope::Admin),
            ("tools.invoke", json!({"tool": "cron"}), Scope::Admin),
            ("tools.invoke", json!({"name": "gateway "}), Scope::Admin),
            ("tools.invoke", json!({"tool": "read"}), Scope::Write),
            ("cron.add", json!({}), Scope::Admin),
            ("cron.list", json!({}), Scope::Write),
            ("config.get", json!({}), Scope::Write),
            ("config.apply", json!({}), Scope::Admin),
            ("exec.approvals.set", json!(null), Scope::Admin),
        ];
        for (name, params, expected) in cases {
            assert_eq!(needed(&method(name, Scope::Write), &params), expected, "{name} {params}");
        }
    }

    #[test]
    fn a_role_calls_its_own_methods_only() {
        let caller = |role| Caller { role, ..Caller::local() };
        let asked = method("health", Scope::Read);
        assert!(check(&asked, &json!({}), &caller(Role::Operator)).is_ok());
        let refused = check(&asked, &json!({}), &caller(Role::Node)).unwrap_err();
        assert_eq!(refused.message, "unauthorized role: node");
        let done = method("node.invoke.result", Scope::Write);
        assert!(check(&done, &json!({}), &caller(Role::Operator)).is_err());
        assert!(check(&done, &json!({}), &caller(Role::Node)).is_ok());
    }
}
