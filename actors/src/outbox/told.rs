//! What is told of an attempt and of an entry's end: a line for people, an event for hooks.

use super::record::EntryRecord;
use crate::channel::SendOutcome;
use crate::dead_letter::Reason;
use crate::hook::HookEvent;

pub(super) fn sent(entry: &EntryRecord, error: Option<&Reason>) -> HookEvent {
    HookEvent::MessageSent {
        session: entry.session.to_string(),
        channel: entry.to.account.channel.clone(),
        account: entry.to.account.account.clone(),
        to: entry.to.target.clone(),
        content: entry.text.clone(),
        success: error.is_none(),
        error: error.map(Reason::to_string),
    }
}

pub(super) fn describe(outcome: &SendOutcome) -> String {
    match outcome {
        SendOutcome::Sent(receipt) if receipt.note.is_empty() => "sent".into(),
        SendOutcome::Sent(receipt) => format!("sent: {}", receipt.note),
        SendOutcome::NotSent(failure) => format!("not sent: {}", failure.message),
        SendOutcome::InDoubt(reason) => format!("in doubt: {reason}"),
    }
}
