//! Writing down what became of an entry: each end, and each change on the way, is one commit.

use super::{Delivery, Outcome};
use crate::channel::Receipt;
use crate::clock::Timestamp;
use crate::crash_point::crash_point;
use crate::dead_letter::{self, DeadLetter, DeadLetterId, Item, Reason};
use crate::event::JourneyStep;
use crate::hook::Moment;
use crate::message::{AccountKey, Destination};
use crate::outbox::entry::requeue;
use crate::outbox::record::{EntryId, EntryRecord, ReceiptRecord, entry_key, receipt_key};
use crate::outbox::told::sent;
use crate::store::{Batch, Expect, Space, StoreError};

impl Delivery {
    pub(super) fn delivered(&mut self, entry: EntryRecord, receipt: Receipt) -> Outcome {
        let now = self.deps.clock.now();
        self.deps.hooks.tell(Moment::MessageSent, || sent(&entry, None));
        let (id, to, session) = (entry.id, entry.to.clone(), entry.session.clone());
        let mut batch = Batch::new();
        take(&mut batch, &to, id);
        batch.put(receipt_key(id), &ReceiptRecord { entry, at: now, receipt });
        crash_point("receipt.before_commit");
        self.write_receipt(batch)?;
        self.done(&to, id);
        let step = JourneyStep::Delivered { entry: id.0 };
        self.deps.journal.tell(now, Some(session.as_str()), step);
        self.deps.health.set_note(None);
        self.deps.health.completed();
        Ok(())
    }

    pub(super) fn retry(&mut self, mut entry: EntryRecord, at: Timestamp) -> Outcome {
        if let Some(poison) = self.crashes.poison(entry.id) {
            return self.dead(entry, poison);
        }
        requeue(&mut entry, at);
        self.save(&entry, at)
    }

    pub(super) fn dead(&mut self, entry: EntryRecord, reason: Reason) -> Outcome {
        let now = self.deps.clock.now();
        let letter = DeadLetter {
            id: DeadLetterId(self.deps.store.next_id()?),
            at: now,
            reason,
            item: Item::Outbound(Box::new(entry.clone())),
        };
        let mut batch = Batch::new();
        take(&mut batch, &entry.to, entry.id);
        dead_letter::add(&mut batch, &letter);
        crash_point("dead_letter.before_reply");
        self.write(batch, || crash_point("dead_letter.after_reply"))?;
        self.done(&entry.to, entry.id);
        self.deps.hooks.tell(Moment::MessageSent, || sent(&entry, Some(&letter.reason)));
        tracing::warn!(entry = %entry.id, to = %entry.to, reason = %letter.reason,
            "reply became dead letter {}: see `telson dead-letters show {}`", letter.id, letter.id);
        let step = JourneyStep::DeadLettered {
            dead_letter: letter.id.0,
            reason: letter.reason.to_string(),
        };
        self.deps.journal.tell(now, Some(entry.session.as_str()), step);
        Ok(())
    }

    pub(super) fn done(&mut self, to: &Destination, id: EntryId) {
        self.crashes.forget(id);
        self.lanes.finish(to, id);
    }

    pub(super) fn save(&mut self, entry: &EntryRecord, look_at: Timestamp) -> Outcome {
        let mut batch = Batch::new();
        batch.put(entry_key(&entry.to, entry.id), entry);
        crash_point("doubt.before_commit");
        self.write(batch, || crash_point("doubt.after_commit"))?;
        self.lanes.replace(entry.clone(), look_at);
        Ok(())
    }

    /// Queues a write without waiting: writes become durable in order, so the next attempt's own
    /// commit stands behind it.
    fn write(&self, batch: Batch, written: fn()) -> Outcome {
        Ok(self.deps.store.submit(batch, recorded(&self.deps.account, written))?)
    }

    /// As [`write`](Self::write), and where the platform itself remembers, the receipt rides on the
    /// next commit: it spares a lone message one of four syncs.
    fn write_receipt(&self, batch: Batch) -> Outcome {
        let written = || crash_point("receipt.after_commit");
        if !self.deps.channel.capabilities().leaves_evidence {
            return self.write(batch, written);
        }
        Ok(self.deps.store.submit_unsynced(batch, recorded(&self.deps.account, written))?)
    }
}

/// Reports a write that nobody waits for.
fn recorded(
    account: &AccountKey,
    written: fn(),
) -> impl FnOnce(Result<(), StoreError>) + Send + 'static {
    let account = account.clone();
    move |result| match result {
        // A conflict: a predecessor had recorded the same end already.
        Ok(()) | Err(StoreError::Conflict) => written(),
        Err(error) => tracing::error!(%account, %error, "delivery could not be recorded"),
    }
}

/// The entry ends with this batch, and only once.
pub(super) fn take(batch: &mut Batch, to: &Destination, id: EntryId) {
    let key = entry_key(to, id);
    batch.expect(Expect::Present(key.clone())).delete(key).tally(Space::Outbox, -1);
}
