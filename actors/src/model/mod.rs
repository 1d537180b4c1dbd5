//! Which models there are to ask, and in which order: names, aliases, chains, a session's choice.
//!
//! Everything here is pure. What a config or a person writes goes through [`Catalog::resolve`]; what
//! a turn asks is a [`Candidates`], the first of them before the others.

mod candidates;
mod catalog;
mod choice;
mod reference;

pub use candidates::Candidates;
pub use catalog::{Catalog, Refusal};
pub use choice::{Choice, choice_key};
pub use reference::{Malformed, ModelRef};
