//! Servers of the Model Context Protocol: programs and addresses that bring tools along.
//!
//! ```text
//! session --> toolbox --> catalog        what there is (never waits for a server)
//! tool actor --> tool --> actor --> connection --> the server
//! ```
//!
//! Each configured server has an actor of its own, named `mcp/<server>`, so that one which dies or
//! hangs costs its own calls and nothing else. The actor connects when the engine starts, to learn
//! which tools there are, and hands the connection to calls. A server nobody asks for a while is
//! stopped and started again by the next call; what it offered stays known.
//! A call that was cut off is made again only where the server declares its tool harmless to
//! repeat; otherwise the model is told that nobody knows whether it took effect.

mod actor;
mod catalog;
mod child;
mod client;
mod config;
mod connection;
mod http;
pub mod life;
pub mod names;
mod tool;
pub mod wire;

pub use actor::{McpActor, McpDeps, McpMessage};
pub use catalog::Catalog;
pub use config::{McpServer, Transport, server_name};
