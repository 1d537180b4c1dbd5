//! What became of a message: read back from the journal, for people.

mod ending;
mod find;
mod origin;
mod view;
mod way;

pub use ending::{Ending, ending};
pub use find::find;
pub use origin::{Origin, origin};
pub use view::{AttemptView, EntryView, Journey, MessageView, ReplayView, TurnView};
