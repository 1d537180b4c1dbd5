//! The iMessage channel: a watcher over Messages' chat.db, a sender through `imsg`.
//!
//! There is no interface for bots: the only truth is the database that Messages keeps. Reading it
//! is done here, read-only; sending is done by a child process; and what was sent is believed when
//! its row is seen.

mod account;
pub mod chatdb;
mod cursor;
mod echoes;
pub mod inbound;
pub mod previews;
pub mod row;
mod rpc;
mod scanner;
mod sender;
pub mod text_hash;
pub mod typedstream;
pub mod verdict;
mod watcher;
pub mod wire;

pub use account::{ImessageConfig, ImessageDeps, build};
