//! Previews: a message that shows an answer while it is made, and goes when the answer comes.
//!
//! A preview is for the eye. It is thrown away: the answer itself goes through the outbox as
//! always, so a preview that fails, lags or is cut off costs nothing but the sight. Each that stands
//! on its platform is noted, so that a later life removes what an earlier one left; only one that
//! was shown in the very moment of a crash may stay.

mod drafts;
mod record;
mod run;

pub use drafts::{Done, Drafts, Op, PreviewLimits, Whose};
pub use record::{PreviewRecord, preview_key, preview_prefix};
pub use run::{PreviewDeps, run};

use futures_util::future::BoxFuture;

use crate::message::Destination;

/// What a platform must be able to do for previews: change and remove what it was sent.
pub trait Previews: Send + Sync {
    /// Shows a text; answers the platform's id of it.
    fn show<'a>(
        &'a self,
        to: &'a Destination,
        text: &'a str,
    ) -> BoxFuture<'a, Result<String, String>>;

    /// Puts another text in its place.
    fn change<'a>(
        &'a self,
        to: &'a Destination,
        id: &'a str,
        text: &'a str,
    ) -> BoxFuture<'a, Result<(), String>>;

    /// Removes it. One that is not there any more is removed.
    fn remove<'a>(&'a self, to: &'a Destination, id: &'a str) -> BoxFuture<'a, Result<(), String>>;
}
