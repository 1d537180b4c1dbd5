//! The rooms of Telson: one folder per concept.
//!
//! ```text
//! channel --> router --> session --> provider        (inbound)
//!             session --> outbox --> channel         (outbound: the only way out)
//! every room --> message, clock, store               dead_letter <-- every room
//! ```
//!
//! A room imports another room's `mod.rs` (its handle and messages), never its `actor.rs`.
//! Nothing in this crate opens a config file, reads an environment variable or listens on a port.

pub mod answer;
pub mod channel;
pub mod client_tool;
pub mod clock;
pub mod context;
pub mod crash_point;
pub mod cron;
pub mod dead_letter;
pub mod disk;
pub mod event;
pub mod heartbeat;
pub mod hook;
pub mod inbox;
pub mod janitor;
pub mod journey;
pub mod load;
pub mod mcp;
pub mod message;
pub mod model;
pub mod node;
pub mod outbox;
pub mod provider;
pub mod reply;
pub mod router;
pub mod session;
pub mod store;
pub mod stream;
pub mod suspension;
pub mod system_event;
pub mod tool;
pub mod usage;
