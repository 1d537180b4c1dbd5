//! What became of a message: read back from the journal, for people.

mod find;
mod view;
mod way;

pub use find::find;
pub use view::{AttemptView, EntryView, Journey, MessageView, TurnView};
