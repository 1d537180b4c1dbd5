//! The local control socket: how the command line asks the running service.
//!
//! It speaks request and response frames, one JSON object per line, and offers the methods of one
//! table: a method added there is reachable from every transport.

mod client;
mod connection;
mod frame;
mod letter;
mod listener;
mod methods;
mod sessions;
mod standby;

pub use client::{CallError, Client};
pub use frame::{ErrorBody, Frame, Request, Response};
pub use listener::{ControlSpec, socket_path};
pub use methods::{METHODS, Method, Scope};
pub(crate) use standby::Standby;
