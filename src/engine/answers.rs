//! Calls under an idempotency key: made once, and answered the same whenever they are asked again.

use telson_actors::answer::{AnswerRecord, CallEnd, answer_key};
use telson_actors::provider::ToolResult;
use telson_actors::store::{Batch, Expect, StoreError};
use tokio::sync::oneshot;

use super::Engine;
use super::beginning::Beginning;

/// Where a call stands that somebody wants to make.
pub(crate) enum Asked {
    /// It is to be made now.
    Now(Beginning),
    /// It was made before in this life, and may be under way.
    Begun,
    /// It was made in an earlier life that ended before it did.
    Lost,
    /// It was made, and came to this.
    Ended(CallEnd),
    /// The key is that of another call.
    Other,
}

impl Engine {
    /// Notes that a call is made, unless it was before. Durable when it returns; where it is to be
    /// made now, others who ask for it wait until it is.
    pub(crate) async fn begin_call(
        &self,
        method: &str,
        key: &str,
        asked: u64,
    ) -> Result<Asked, StoreError> {
        let (own, epoch) = (answer_key(method, key), self.0.store.epoch().0);
        let turn = self.0.keys.of(&own).await;
        let mut beginning = Beginning::new(self.0.store.clone(), own.clone(), turn);
        // Whoever leaves before he is answered takes back his own note, and nobody else's.
        beginning.set_noted(!self.0.store.contains(&own)?);
        let record = AnswerRecord { at: self.0.clock.now(), epoch, asked, end: CallEnd::Open };
        let mut batch = Batch::new();
        batch.expect(Expect::Absent(own.clone())).put(own.clone(), &record);
        let noted = self.0.store.commit(batch).await;
        beginning.set_noted(noted.is_ok());
        match noted {
            Ok(()) => return Ok(Asked::Now(beginning)),
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(error),
        }
        let known: Option<AnswerRecord> = self.0.store.get(&own)?;
        Ok(match known {
            Some(known) if known.asked != asked => Asked::Other,
            Some(known) if known.end != CallEnd::Open => Asked::Ended(known.end),
            Some(known) if known.epoch == epoch => Asked::Begun,
            // Forgotten between two looks: whoever asks again finds out.
            Some(_) | None => Asked::Lost,
        })
    }

    /// Waits for the end of a tool's call that is under way; nothing where it is not.
    pub(crate) fn join_call(
        &self,
        method: &str,
        key: &str,
    ) -> Option<oneshot::Receiver<ToolResult>> {
        self.0.calls.join(&answer_key(method, key))
    }

    /// Notes what a call has come to, if nobody has before. Durable when it returns.
    pub(crate) async fn end_call(
        &self,
        method: &str,
        key: &str,
        end: CallEnd,
    ) -> Result<(), StoreError> {
        match self.ending_of(method, key, end)? {
            Some(batch) => self.0.store.commit(batch).await,
            None => Ok(()),
        }
    }

    /// What has to be written for that; nothing where it is known, or no call was noted.
    pub(super) fn ending_of(
        &self,
        method: &str,
        key: &str,
        end: CallEnd,
    ) -> Result<Option<Batch>, StoreError> {
        let own = answer_key(method, key);
        let known: Option<AnswerRecord> = self.0.store.get(&own)?;
        Ok(known.filter(|known| known.end == CallEnd::Open).map(|known| {
            let mut batch = Batch::new();
            batch.put(own, &AnswerRecord { end, ..known });
            batch
        }))
    }
}
