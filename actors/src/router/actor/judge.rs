//! Approving people who want in, and rejecting them.
//!
//! The book, the person's place in it and the note to them are one commit; only then does the book
//! in memory change and is the operator answered.

use super::super::handle::normalise;
use super::super::pairing::{CodeError, PairingBook};
use super::super::pairings::{Judged, PairingError, Verdict};
use super::super::record::{callers_key, pairing_key};
use super::{Router, note_of_gateway};
use crate::clock::Timestamp;
use crate::message::AccountKey;
use crate::store::Batch;

/// What a person reads who has been approved.
const APPROVED: &str = "You are approved. Please write again: what you wrote before was not \
                        processed.";

impl Router {
    pub(super) async fn judge(
        &mut self,
        account: &AccountKey,
        verdict: Verdict,
    ) -> Result<Judged, PairingError> {
        let now = self.deps.clock.now();
        let mut book = self.pairing.get(account).cloned().unwrap_or_default();
        let (sender, note) = match decided(&mut book, verdict, now) {
            Ok(decided) => decided,
            Err(Refused::Code(code, error)) => return Err(self.no_code(account, &code, error, now)),
            Err(Refused::NotPaired(sender)) => {
                return Err(PairingError::NotPaired { sender, account: account.clone() });
            }
        };
        let mut callers = self.callers.get(account).cloned().unwrap_or_default();
        let to = callers.take(&sender).filter(|_| note.is_some());
        let mut batch = Batch::new();
        batch.put(pairing_key(account), &book).put(callers_key(account), &callers);
        let note = note.zip(to).map(|(text, to)| note_of_gateway(text, to));
        let entries = match &note {
            Some(draft) => self.deps.outbox.add(&mut batch, draft, now)?,
            None => Vec::new(),
        };
        self.deps.store.commit(batch).await?;
        tracing::info!(%account, %sender, paired = book.is_paired(&sender), "pairing decided");
        self.pairing.insert(account.clone(), book);
        self.callers.insert(account.clone(), callers);
        let is_told = !entries.is_empty();
        self.deps.outbox.written(entries);
        Ok(Judged { sender, is_told })
    }

    /// A code nobody waits with here may be one of another account.
    fn no_code(
        &self,
        account: &AccountKey,
        code: &str,
        error: CodeError,
        now: Timestamp,
    ) -> PairingError {
        let waits = |book: &PairingBook| {
            book.pending(now).any(|request| request.code.eq_ignore_ascii_case(code.trim()))
        };
        let mut others = self.pairing.iter().filter(|(other, _)| other.channel == account.channel);
        match others.find(|(other, book)| *other != account && waits(book)) {
            Some((right, _)) => {
                PairingError::Elsewhere { named: account.clone(), right: right.clone() }
            }
            None => error.into(),
        }
    }
}

enum Refused {
    Code(String, CodeError),
    NotPaired(String),
}

/// Whom a verdict is about, and what they are told.
fn decided(
    book: &mut PairingBook,
    verdict: Verdict,
    now: Timestamp,
) -> Result<(String, Option<&'static str>), Refused> {
    match verdict {
        Verdict::Approve(code) => match book.approve(&code, now) {
            Ok(sender) => Ok((sender, Some(APPROVED))),
            Err(error) => Err(Refused::Code(code, error)),
        },
        // Nobody is told that they are unwanted: it would only answer a stranger once more.
        Verdict::Reject(code) => match book.dismiss(&code) {
            Ok(request) => Ok((request.sender, None)),
            Err(error) => Err(Refused::Code(code, error)),
        },
        Verdict::Revoke(sender) if book.revoke(&sender) => Ok((normalise(&sender), None)),
        Verdict::Revoke(sender) => Err(Refused::NotPaired(sender)),
    }
}
