//! Who may have an agent do what with jobs, and which sessions jobs may name (pure).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::channel::{webchat, webhook};
use crate::message::{Destination, Inbound, SessionKey};

/// What the dedupe keys of messages from inside begin with, whose writers may make jobs.
const FROM_INSIDE: [&str; 3] = ["chat:", "cron:", "manual:"];

/// Who may do what.
pub(in crate::tool::core) struct Rights {
    /// People, as `channel:id`.
    pub(in crate::tool::core) owners: BTreeSet<String>,
    /// Agents that may run commands.
    pub(in crate::tool::core) commanders: BTreeSet<String>,
}

impl Rights {
    /// Whether the writer of a message may see and make jobs.
    pub(super) fn may_use(&self, inbound: &Inbound) -> bool {
        if inbound.account == webchat::account() {
            return FROM_INSIDE.iter().any(|prefix| inbound.dedupe_key.starts_with(prefix));
        }
        self.is_owner(inbound)
    }

    /// Whether the writer of a message is an owner in person. What comes from inside may have been
    /// said with fewer rights than making such jobs takes.
    pub(super) fn is_owner(&self, inbound: &Inbound) -> bool {
        inbound.account != webchat::account()
            && self.owners.contains(&format!("{}:{}", inbound.account.channel, inbound.sender))
    }

    /// Whether an agent may run commands.
    pub(super) fn commands(&self, agent: &str) -> bool {
        self.commanders.contains(agent)
    }

    /// Whether a job, or a change to one, is about a command.
    pub(super) fn is_command(job: &Value) -> bool {
        let payload = &job["payload"];
        payload["kind"] == "command" || payload.get("argv").is_some()
    }

    /// Whether a job, or a change to one, posts to a program.
    pub(super) fn is_webhook(job: &Value) -> bool {
        let names = |place: &Value| {
            ["mode", "channel", "provider"].iter().any(|key| place[*key] == webhook::CHANNEL)
        };
        ["payload", "delivery", "failureAlert"].iter().any(|part| names(&job[*part]))
    }
}

/// Puts the session a job is made in where the job means it.
///
/// # Errors
/// It means another one, which is not the agent's to speak in.
pub(super) fn place(job: &mut Value, here: &SessionKey) -> Result<(), String> {
    let named = job["sessionTarget"].as_str().map(str::trim);
    match named {
        Some("current") => {
            // A change has no session of its own to go by.
            job["sessionTarget"] = json!(format!("session:{here}"));
            Ok(())
        }
        Some(other) => match other.strip_prefix("session:") {
            Some(session) if session.trim() != here.as_str() => {
                Err("a job of yours runs in a session of its own (isolated) or in this one \
                     (current)"
                    .into())
            }
            Some(_) | None => Ok(()),
        },
        None => Ok(()),
    }
}

/// Puts the conversation a job is made in where the job's answer goes, if it names no other place.
/// `is_main`: the conversation is part of the agent's main session, whose last place it can be.
///
/// # Errors
/// The job would tell somebody else than whoever asks for it.
pub(super) fn deliver(job: &mut Value, here: &Destination, is_main: bool) -> Result<(), String> {
    let kind = job["payload"]["kind"].as_str().unwrap_or_default();
    if kind == "systemEvent" && !is_main {
        return Err("this is not your main session, and nobody here would hear of a systemEvent: \
                    use a payload of kind agentTurn, the answer of which is told here"
            .into());
    }
    let said = |key: &str| job["delivery"].get(key).and_then(Value::as_str);
    let is_place = ["provider", "channel", "to", "deliver"]
        .iter()
        .any(|key| job["payload"].get(*key).is_some_and(|said| !said.is_null()));
    let mut delivery = match &job["delivery"] {
        Value::Null if kind == "agentTurn" && !is_place => {
            json!({"mode": "announce", "bestEffort": true})
        }
        Value::Object(_)
            if matches!(said("mode"), None | Some("announce" | "deliver"))
                && said("to").is_none()
                && (said("channel").is_none() || (said("channel") == Some("last") && !is_main)) =>
        {
            job["delivery"].clone()
        }
        _ => return Ok(()),
    };
    delivery["channel"] = json!(here.account.channel);
    delivery["accountId"] = json!(here.account.account);
    delivery["to"] = json!(here.target);
    if let Some(thread) = &here.thread {
        delivery["threadId"] = json!(thread);
    }
    job["delivery"] = delivery;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::AccountKey;

    #[test]
    fn current_is_the_session_a_job_is_made_in() {
        let here = SessionKey::main("main", "main").unwrap();
        let placed = |target: &str| {
            let mut job = json!({"sessionTarget": target});
            place(&mut job, &here).map(|()| job["sessionTarget"].clone())
        };
        assert_eq!(placed("current"), Ok(json!("session:agent:main:main")));
        assert_eq!(placed("session:agent:main:main"), Ok(json!("session:agent:main:main")));
        assert_eq!(placed("isolated"), Ok(json!("isolated")));
        assert!(placed("session:agent:main:other").is_err());
        assert!(placed("session:other").is_err());
    }

    #[test]
    fn who_asks_for_a_job_is_told_where_they_ask_unless_they_name_a_place() {
        let here = Destination {
            account: AccountKey::new("x", "home"),
            target: "group".into(),
            thread: Some("7".into()),
        };
        let told = |delivery: Value, is_main: bool| {
            let mut job = json!({"payload": {"kind": "agentTurn"}, "delivery": delivery});
            deliver(&mut job, &here, is_main).map(|()| job["delivery"].clone()).unwrap()
        };
        let place = json!({"mode": "announce", "channel": "x", "accountId": "home", "to": "group",
            "threadId": "7"});
        let mut effort = place.clone();
        effort["bestEffort"] = json!(true);
        assert_eq!(told(Value::Null, false), effort);
        assert_eq!(told(json!({"mode": "announce"}), true), place);
        assert_eq!(told(json!({"mode": "announce", "channel": "last"}), false), place);
        for kept in [
            json!({"mode": "none"}),
            json!({"mode": "webhook", "to": "http://x.test"}),
            json!({"mode": "announce", "channel": "y", "to": "ben"}),
            json!({"mode": "announce", "to": "ben"}),
        ] {
            assert_eq!(told(kept.clone(), false), kept);
        }
        let last = json!({"mode": "announce", "channel": "last"});
        assert_eq!(told(last.clone(), true), last);
        let mut older = json!({"payload": {"kind": "agentTurn", "to": "ben"}});
        deliver(&mut older, &here, false).unwrap();
        assert!(older["delivery"].is_null());
        let mut event = json!({"payload": {"kind": "systemEvent"}});
        assert!(deliver(&mut event, &here, true).is_ok() && event["delivery"].is_null());
        assert!(deliver(&mut event, &here, false).unwrap_err().contains("agentTurn"));
    }

    #[test]
    fn programs_are_found_however_they_are_named() {
        for job in [json!({"payload": {"kind": "command"}}), json!({"payload": {"argv": ["x"]}})] {
            assert!(Rights::is_command(&job) && !Rights::is_webhook(&job), "{job}");
        }
        for job in [
            json!({"delivery": {"mode": "webhook"}}),
            json!({"delivery": {"channel": "webhook", "to": "http://x.test"}}),
            json!({"payload": {"kind": "agentTurn", "channel": "webhook"}}),
            json!({"payload": {"kind": "agentTurn", "provider": "webhook"}}),
            json!({"failureAlert": {"mode": "webhook"}}),
        ] {
            assert!(Rights::is_webhook(&job) && !Rights::is_command(&job), "{job}");
        }
        let plain = json!({"payload": {"kind": "agentTurn"}, "delivery": {"to": "x"}});
        assert!(!Rights::is_webhook(&plain) && !Rights::is_command(&plain));
    }
}
