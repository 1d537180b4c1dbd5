//! From what a model says to what a person reads: silence and prefixes. All of it is pure.
//!
//! Cutting into parts is the channel's matter: see [`chunk`](crate::channel::chunk).

mod prefix;
mod silent;

pub use prefix::{Speaker, VARIABLES, prefixed};
pub use silent::{Holdback, SILENT_TOKEN, is_silent};
