//! The only way out: entries, durable before anyone tries to send them, leaving in order per lane.
//!
//! A lane is a [`Destination`](crate::message::Destination). [`Outbox`] is what the session writes
//! through; one delivery actor per account sends. [`entry`] and [`dispatch`] decide.

mod actor;
mod crashes;
pub mod dispatch;
pub mod entry;
mod handle;
mod record;
mod told;

pub use actor::{DeliveryActor, DeliveryDeps, DeliveryMessage, UnsettledSends};
pub use handle::{Backlog, Draft, Outbox, Style};
pub use record::{
    AttemptNote, EntryId, EntryRecord, EntryState, ReceiptRecord, entry_key, entry_prefix,
    receipt_key, receipt_prefix,
};
