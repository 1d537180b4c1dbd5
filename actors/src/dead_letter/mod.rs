//! What was accepted and could not be finished: kept whole, with a typed reason, for a person to
//! replay or drop.

mod actor;
mod done_before;
mod reason;
mod record;
mod replay;

pub use actor::{DeadLetterActor, DeadLetterDeps, DeadLetters};
pub(crate) use done_before::done_key;
pub use done_before::{DoneBefore, DoneCall};
pub use reason::Reason;
pub use record::{DeadLetter, DeadLetterId, Item, add, key, prefix};
pub(crate) use replay::replay_prefix;
pub use replay::{ReplayRecord, Replays};
