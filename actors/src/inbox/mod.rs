//! What was admitted and is not answered yet, what was seen before, and how far channels have read.

mod record;

pub use record::{
    CursorRecord, DedupeRecord, Fate, InboxRecord, cursor_key, dedupe_key, dedupe_prefix, digest,
    inbox_key, inbox_prefix,
};
