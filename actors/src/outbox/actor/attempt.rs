//! One attempt at an entry, or one look at what became of it: a task beside the delivery actor, to
//! which it reports.
//!
//! The attempt is journalled with its evidence before it is made (D6). When the actor is gone by its
//! end, the end is written down here.

use std::time::Duration;

use ractor::MessagingErr;

use super::writing::take;
use super::{DeliveryDeps, DeliveryMessage, Myself};
use crate::channel::{Evidence, Outbound, SendFailure, SendOutcome, Settled};
use crate::crash_point::crash_point;
use crate::event::JourneyStep;
use crate::outbox::entry::{note, requeue};
use crate::outbox::record::{EntryRecord, EntryState, ReceiptRecord, entry_key, receipt_key};
use crate::outbox::told::describe;
use crate::store::{Batch, Expect, StoreError};

/// No attempt may take longer, whatever the channel does: beyond it the outcome is in doubt.
const ATTEMPT_MAX: Duration = Duration::from_mins(10);
/// No look at the platform may take longer: one that hangs would hold its lane for ever.
const LOOK_MAX: Duration = Duration::from_mins(1);
/// The next look after one that hung or crashed.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// One attempt, or one look for evidence; reports to the actor.
pub(super) async fn work(
    deps: DeliveryDeps,
    entry: EntryRecord,
    evidence: Option<Evidence>,
    actor: Myself,
) {
    let message = match evidence {
        None => attempt(&deps, entry).await,
        Some(evidence) => {
            let settled = look(&deps, &entry, &evidence).await;
            crash_point("doubt.looked");
            DeliveryMessage::Settled(entry, settled)
        }
    };
    if let Err(MessagingErr::SendErr(DeliveryMessage::Attempted(entry, outcome))) =
        actor.send_message(message)
    {
        record_late(&deps, entry, outcome).await;
    }
}

/// Asks the platform what became of an attempt. Silence settles nothing.
async fn look(deps: &DeliveryDeps, entry: &EntryRecord, evidence: &Evidence) -> Settled {
    let part = outbound(deps, entry);
    let looked = tokio::time::timeout(LOOK_MAX, deps.channel.reconcile(&part, evidence)).await;
    looked.unwrap_or_else(|_| {
        let note = "the platform does not say what became of a send in doubt";
        deps.health.set_note(Some(note.into()));
        Settled::Wait(LOOK_AGAIN)
    })
}

/// Records the end of an attempt whose actor is stopping. Without it the entry would be in doubt
/// after the next start, although everything is known.
async fn record_late(deps: &DeliveryDeps, mut entry: EntryRecord, outcome: SendOutcome) {
    let now = deps.clock.now();
    let key = entry_key(&entry.to, entry.id);
    note(&mut entry, now, describe(&outcome));
    let mut batch = Batch::new();
    match outcome {
        SendOutcome::Sent(receipt) => {
            let id = receipt_key(entry.id);
            take(&mut batch, &entry.to, entry.id);
            batch.put(id, &ReceiptRecord { entry, at: now, receipt });
        }
        SendOutcome::NotSent(_) => {
            requeue(&mut entry, now);
            batch.put(key, &entry);
        }
        SendOutcome::InDoubt(_) => {
            batch.put(key, &entry);
        }
    }
    crash_point("stop.before_late");
    if let Err(error) = deps.store.commit(batch).await {
        tracing::warn!(%error, "the end of an attempt could not be recorded; it will be settled");
    }
    crash_point("stop.after_late");
}

/// Journals the attempt with its evidence, then makes it.
async fn attempt(deps: &DeliveryDeps, mut entry: EntryRecord) -> DeliveryMessage {
    use DeliveryMessage::{Attempted, Gone};
    let part = outbound(deps, &entry);
    entry.attempts += 1;
    let evidence = match tokio::time::timeout(LOOK_MAX, deps.channel.prepare(&part)).await {
        Ok(Ok(evidence)) => evidence,
        Ok(Err(failure)) => return Attempted(entry, SendOutcome::NotSent(failure)),
        Err(_) => {
            let failure = SendFailure::transient("the channel was not ready within a minute");
            return Attempted(entry, SendOutcome::NotSent(failure));
        }
    };
    entry.state = EntryState::Sending { since: part.attempted_at, evidence: evidence.clone() };
    // One that has ended meanwhile is gone: whoever told of it was late.
    let (mut batch, key) = (Batch::new(), entry_key(&entry.to, entry.id));
    batch.expect(Expect::Present(key.clone())).put(key, &entry);
    crash_point("send.before_commit");
    match deps.store.commit(batch).await {
        Ok(()) => {}
        Err(StoreError::Conflict) => return Gone(entry),
        Err(error) => {
            let failure = SendFailure::transient(error.to_string());
            return Attempted(entry, SendOutcome::NotSent(failure));
        }
    }
    crash_point("send.after_commit");
    let step = JourneyStep::Sending { entry: entry.id.0, attempt: entry.attempts };
    deps.journal.tell(part.attempted_at, Some(entry.session.as_str()), step);
    let outcome = tokio::time::timeout(ATTEMPT_MAX, deps.channel.send(&part, &evidence))
        .await
        .unwrap_or_else(|_| SendOutcome::InDoubt("no answer within ten minutes".into()));
    crash_point("send.after_wire");
    Attempted(entry, outcome)
}

fn outbound(deps: &DeliveryDeps, entry: &EntryRecord) -> Outbound {
    let attempted_at = match &entry.state {
        EntryState::Sending { since, .. } => *since,
        EntryState::Pending { .. } => deps.clock.now(),
    };
    Outbound {
        entry: entry.id.to_string(),
        to: entry.to.clone(),
        text: entry.text.clone(),
        attempted_at,
    }
}
