//! What was accepted and could not be finished: kept whole, with a typed reason, for a person to
//! replay or drop.

mod actor;
mod reason;
mod record;

pub use actor::{DeadLetterActor, DeadLetterDeps, DeadLetters};
pub use reason::Reason;
pub use record::{DeadLetter, DeadLetterId, Item, add, key, prefix};
