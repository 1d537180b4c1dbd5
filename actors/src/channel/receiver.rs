//! The receiving half of a platform, for channels that are a loop.

use futures_util::future::BoxFuture;

use crate::router::Admissions;

/// Receives messages for one account until it is dropped. It runs as a supervised actor: when it
/// returns or panics it is started again, with a growing pause.
pub trait Receiver: Send + Sync + 'static {
    /// Receives. Offers every message through `admissions` and acknowledges it to its platform only
    /// after that call has answered `Ok`.
    fn run(&self, admissions: Admissions) -> BoxFuture<'static, ()>;
}
