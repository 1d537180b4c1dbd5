//! The last word before a call: a point where a call can be refused, or wait for a person.
//!
//! What an agent may use at all is its [policy](super::policy). The gate sees each single call with
//! its arguments. Today it answers by policy alone; who asks a person puts its own gate here.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::message::SessionKey;

/// What a gate is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The agent that calls.
    pub agent: &'a str,
    /// In which session.
    pub session: &'a SessionKey,
    /// The tool.
    pub tool: &'a str,
    /// The arguments, which fit the tool's schema.
    pub arguments: &'a Value,
    /// The same for every attempt at this call and for no other.
    pub idempotency_key: &'a str,
}

/// A gate's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Make the call.
    Allow,
    /// Don't; the model is told why.
    Refuse(String),
}

/// Judges calls. It may take its time; the call's own deadline begins after it.
pub trait Gate: Send + Sync + 'static {
    /// Judges one call.
    fn decide<'a>(&'a self, asked: Asked<'a>) -> BoxFuture<'a, Verdict>;
}

/// Whether commands may be run on this machine, as the config says it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExecMode {
    /// Never.
    #[default]
    Deny,
    /// Only what a list of approvals allows.
    Allowlist,
    /// After a person agreed.
    Ask,
    /// After a classifier or a person agreed.
    Auto,
    /// Always.
    Full,
}

/// Answers by policy: commands run where the agent's mode is [`ExecMode::Full`], and nowhere else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyGate {
    /// The modes by agent; an agent that is not here runs none.
    pub exec: BTreeMap<String, ExecMode>,
}

impl PolicyGate {
    fn judge(&self, asked: Asked<'_>) -> Verdict {
        if asked.tool != "exec" {
            return Verdict::Allow;
        }
        let refuse = |why: &str| Verdict::Refuse(format!("the command was not run: {why}"));
        match self.exec.get(asked.agent).copied().unwrap_or_default() {
            ExecMode::Full => Verdict::Allow,
            ExecMode::Deny => refuse("this agent may not run commands (tools.exec.mode is deny)"),
            ExecMode::Allowlist => refuse("it is on no list of approved commands"),
            ExecMode::Ask | ExecMode::Auto => {
                refuse("it needs a person's approval, and there is no way to ask for one yet")
            }
        }
    }
}

impl Gate for PolicyGate {
    fn decide<'a>(&'a self, asked: Asked<'a>) -> BoxFuture<'a, Verdict> {
        Box::pin(std::future::ready(self.judge(asked)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_run_only_where_the_mode_is_full() {
        let session = SessionKey::main("a", "main").unwrap();
        let judge = |mode: Option<ExecMode>, tool: &str| {
            let gate =
                PolicyGate { exec: mode.map(|mode| ("a".into(), mode)).into_iter().collect() };
            let arguments = Value::Null;
            gate.judge(Asked {
                agent: "a",
                session: &session,
                tool,
                arguments: &arguments,
                idempotency_key: "k",
            })
        };
        assert_eq!(judge(Some(ExecMode::Full), "exec"), Verdict::Allow);
        assert_eq!(judge(None, "read"), Verdict::Allow);
        let refused = [ExecMode::Deny, ExecMode::Allowlist, ExecMode::Ask, ExecMode::Auto];
        for mode in refused.map(Some).into_iter().chain([None]) {
            assert!(matches!(judge(mode, "exec"), Verdict::Refuse(_)), "{mode:?}");
        }
    }
}
