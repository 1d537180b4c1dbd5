//! Where people who wait for approval are told that they have it: one record per account.
//!
//! Pure. Beside the book and not in it, because the book only says who may speak.

use serde::{Deserialize, Serialize};

use super::pairing::PairingBook;
use crate::clock::Timestamp;
use crate::message::Destination;

/// The conversations of those who wait. As many as requests wait, so never more than
/// [`PAIRING_PENDING_MAX`](super::PAIRING_PENDING_MAX).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Callers(Vec<(String, Destination)>);

impl Callers {
    /// Somebody has asked from here. Who no longer waits in `book` is forgotten.
    pub(super) fn add(
        &mut self,
        sender: &str,
        from: Destination,
        book: &PairingBook,
        at: Timestamp,
    ) {
        self.0.push((sender.to_owned(), from));
        self.0.retain(|(sender, _)| book.pending(at).any(|request| request.sender == *sender));
    }

    /// Where somebody waits, who does not any more.
    pub(super) fn take(&mut self, sender: &str) -> Option<Destination> {
        let at = self.0.iter().position(|(caller, _)| caller == sender)?;
        Some(self.0.remove(at).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::AccountKey;
    use crate::router::PAIRING_LIFETIME;

    fn chat(target: &str) -> Destination {
        let account = AccountKey::new("fake", "default");
        Destination { account, target: target.into(), thread: None }
    }

    #[test]
    fn whoever_waits_no_longer_is_forgotten() {
        let (mut book, mut callers) = (PairingBook::default(), Callers::default());
        let (now, late) = (Timestamp(0), Timestamp(0).plus(PAIRING_LIFETIME));
        book.request("ann", now, [1; 8]);
        callers.add("ann", chat("a"), &book, now);
        book.request("bob", late, [2; 8]);
        callers.add("bob", chat("b"), &book, late);
        assert_eq!(callers.take("ann"), None, "the code has expired");
        assert_eq!(callers.take("bob"), Some(chat("b")));
        assert_eq!(callers, Callers::default());
    }
}
