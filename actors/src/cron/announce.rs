//! What is announced of an answer, and where (pure).

use super::job::{Delivered, Job, Place};
use crate::channel::webhook;
use crate::message::{AccountKey, Destination};
use crate::reply::is_silent;

/// What an agent says when a look found nothing to report.
const NOTHING_TO_REPORT: &str = "HEARTBEAT_OK";

/// Whether and where an answer is announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Announcement {
    /// It is, there.
    To(Destination),
    /// It is not.
    Not(Delivered),
}

/// Decides. `last` is where the agent's main session last spoke, `accounts` are those there are,
/// `written` is where the turn has sent messages of its own.
pub(super) fn announcement(
    job: &Job,
    answer: &str,
    written: &[Destination],
    last: Option<&Destination>,
    accounts: &[AccountKey],
) -> Announcement {
    let Some(delivery) = job.spec.delivery.as_ref().filter(|delivery| delivery.announce) else {
        return Announcement::Not(Delivered::NotRequested);
    };
    if let Some(to) = webhook_of(&delivery.to) {
        return Announcement::To(to);
    }
    if answer.trim().is_empty() || is_silent(answer) || is_nothing_to_report(answer) {
        return Announcement::Not(Delivered::Left("the agent had nothing to say".into()));
    }
    match destination(&delivery.to, last, accounts) {
        Ok(to) if written.contains(&to) => {
            let why = format!("the agent has written to {to} itself");
            Announcement::Not(Delivered::Left(why))
        }
        Ok(to) => Announcement::To(to),
        Err(why) if delivery.best_effort => Announcement::Not(Delivered::Left(why)),
        Err(why) => Announcement::Not(Delivered::Nowhere(why)),
    }
}

/// The webhook a place names, if it names one: a program is told of every end, also of silent ones.
pub(super) fn webhook_of(place: &Place) -> Option<Destination> {
    let url = place.to.as_ref().filter(|_| place.channel.as_deref() == Some(webhook::CHANNEL))?;
    Some(webhook::destination(url))
}

/// The destination a place names.
///
/// # Errors
/// There is none, in a sentence.
pub(super) fn destination(
    place: &Place,
    last: Option<&Destination>,
    accounts: &[AccountKey],
) -> Result<Destination, String> {
    let Some(channel) = &place.channel else {
        let last = last.ok_or(
            "the agent's main session has not spoken to anybody on a channel yet; name a place, \
             such as --channel webchat --to <SESSION>",
        )?;
        let mut to = last.clone();
        if let Some(target) = &place.to {
            to.target.clone_from(target);
            to.thread.clone_from(&place.thread);
        }
        return Ok(to);
    };
    let target = place.to.clone().ok_or("no recipient is named")?;
    if channel == webhook::CHANNEL {
        return Ok(webhook::destination(&target));
    }
    let mut of_channel = accounts.iter().filter(|account| account.channel == *channel);
    let account = match &place.account {
        Some(id) => of_channel.find(|account| account.account == *id),
        None => of_channel.next(),
    };
    let account = account.cloned().ok_or_else(|| match &place.account {
        Some(id) => format!("there is no account {channel}/{id}"),
        None => format!("there is no account of the channel {channel}"),
    })?;
    Ok(Destination { account, target, thread: place.thread.clone() })
}

/// The token alone, perhaps with marks around it.
fn is_nothing_to_report(answer: &str) -> bool {
    let bare = answer.trim().trim_matches(|c: char| !c.is_ascii_alphanumeric());
    bare.eq_ignore_ascii_case(NOTHING_TO_REPORT)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::job::{JobId, JobState};
    use super::super::wire::read_spec;
    use super::*;
    use crate::clock::Timestamp;

    fn to(target: &str) -> Destination {
        let account = AccountKey::new("fake", "default");
        Destination { account, target: target.into(), thread: None }
    }

    fn decide(delivery: serde_json::Value, answer: &str, last: Option<&str>) -> Announcement {
        let value = json!({
            "schedule": {"kind": "at", "at": 1}, "delivery": delivery,
            "payload": {"kind": "agentTurn", "message": "m"},
        });
        let job = Job {
            id: JobId::new("j").unwrap(),
            spec: read_spec(&value, Timestamp(0)).unwrap(),
            declared: None,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
            state: JobState::default(),
        };
        let accounts = [AccountKey::new("fake", "default")];
        announcement(&job, answer, &[to("carl")], last.map(to).as_ref(), &accounts)
    }

    #[test]
    fn an_answer_goes_where_the_job_says() {
        let last = json!({"mode": "announce", "channel": "last"});
        assert_eq!(decide(last.clone(), "done", Some("anna")), Announcement::To(to("anna")));
        let named = json!({"mode": "announce", "channel": "fake", "to": "ben"});
        assert_eq!(decide(named, "done", Some("anna")), Announcement::To(to("ben")));
        let none = decide(json!({"mode": "none"}), "done", Some("anna"));
        assert_eq!(none, Announcement::Not(Delivered::NotRequested));
        for silent in ["", " NO_REPLY ", "HEARTBEAT_OK", "**heartbeat_ok.**"] {
            let found = decide(last.clone(), silent, Some("anna"));
            assert!(
                matches!(found, Announcement::Not(Delivered::Left(_))),
                "{silent:?}: {found:?}"
            );
        }
        let written = decide(last.clone(), "done", Some("carl"));
        assert!(matches!(written, Announcement::Not(Delivered::Left(_))), "{written:?}");
    }

    #[test]
    fn nowhere_is_a_failure_unless_it_was_best_effort() {
        let nowhere = decide(json!({"mode": "announce"}), "done", None);
        assert!(matches!(nowhere, Announcement::Not(Delivered::Nowhere(_))), "{nowhere:?}");
        let effort = decide(json!({"mode": "announce", "bestEffort": true}), "done", None);
        assert!(matches!(effort, Announcement::Not(Delivered::Left(_))), "{effort:?}");
        let other = json!({"mode": "announce", "channel": "elsewhere", "to": "x"});
        assert!(matches!(decide(other, "done", None), Announcement::Not(Delivered::Nowhere(_))));
    }
}
