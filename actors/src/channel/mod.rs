//! What a chat platform must be able to do: hand messages in, send, and settle doubt.

mod callback;
mod capabilities;
pub mod chunk;
pub mod imessage;
mod outcome;
pub mod preview;
mod receiver;
pub mod typing;
pub mod webchat;
pub mod webhook;

pub use callback::Callback;
pub use capabilities::{Capabilities, LengthUnit};
pub use outcome::{Evidence, FailureClass, Outbound, Receipt, SendFailure, SendOutcome, Settled};

pub use preview::Previews;
pub use receiver::Receiver;

use std::sync::Arc;

use futures_util::future::BoxFuture;

use typing::Typing;

/// The sending half of a platform, one value per account.
///
/// Three calls, made in this order and never two at a time for one lane: [`prepare`](Self::prepare)
/// before the attempt is journalled, [`send`](Self::send) once, and
/// [`reconcile`](Self::reconcile) when the outcome of a send is unknown.
pub trait Channel: Send + Sync + 'static {
    /// What the platform can do, as data.
    fn capabilities(&self) -> Capabilities;

    /// How it shows that an answer is being made, if it can.
    fn typing(&self) -> Option<Arc<dyn Typing>> {
        None
    }

    /// Collects what will be needed to settle doubt about this attempt. It is journalled before
    /// [`send`](Self::send) is called. An error here proves that nothing was sent.
    fn prepare<'a>(&'a self, part: &'a Outbound) -> BoxFuture<'a, Result<Evidence, SendFailure>>;

    /// Makes one attempt. Must not retry on its own after anything may have left.
    fn send<'a>(&'a self, part: &'a Outbound, evidence: &'a Evidence)
    -> BoxFuture<'a, SendOutcome>;

    /// Asks the platform what became of an attempt whose outcome is unknown.
    fn reconcile<'a>(
        &'a self,
        part: &'a Outbound,
        evidence: &'a Evidence,
    ) -> BoxFuture<'a, Settled>;

    /// How the platform shows an answer while it is made, where it can change what it was sent.
    fn previews(&self) -> Option<&dyn Previews> {
        None
    }
}
