//! A channel that is a function: for programs that show answers themselves.

use futures_util::future::BoxFuture;

use super::{
    Capabilities, Channel, Evidence, LengthUnit, Outbound, Receipt, SendFailure, SendOutcome,
    Settled,
};

/// Calls `deliver` for every part of an answer. It proves nothing about a call that was cut off by
/// a crash: such a part becomes a dead letter.
#[derive(Debug, Clone, Copy)]
pub struct Callback<F>(F);

impl<F> Callback<F>
where
    F: Fn(&Outbound) -> Result<(), SendFailure> + Send + Sync + 'static,
{
    /// A channel over `deliver`, which must not block for long.
    pub fn new(deliver: F) -> Self {
        Self(deliver)
    }
}

impl<F> Channel for Callback<F>
where
    F: Fn(&Outbound) -> Result<(), SendFailure> + Send + Sync + 'static,
{
    fn capabilities(&self) -> Capabilities {
        // Nobody limits a function; this only keeps single parts readable.
        Capabilities {
            text_max: 16_000,
            text_unit: LengthUnit::Chars,
            sends_in_flight_max: 16,
            leaves_evidence: false,
        }
    }

    fn prepare<'a>(&'a self, _: &'a Outbound) -> BoxFuture<'a, Result<Evidence, SendFailure>> {
        Box::pin(std::future::ready(Ok(Evidence::default())))
    }

    fn send<'a>(&'a self, part: &'a Outbound, _: &'a Evidence) -> BoxFuture<'a, SendOutcome> {
        let outcome = match (self.0)(part) {
            Ok(()) => {
                let platform_id = part.entry.clone();
                SendOutcome::Sent(Receipt { platform_id, note: String::new() })
            }
            Err(failure) => SendOutcome::NotSent(failure),
        };
        Box::pin(std::future::ready(outcome))
    }

    fn reconcile<'a>(&'a self, _: &'a Outbound, _: &'a Evidence) -> BoxFuture<'a, Settled> {
        let why = "the call was cut off; whether it was shown is unknown";
        Box::pin(std::future::ready(Settled::Unresolved(why.into())))
    }
}
