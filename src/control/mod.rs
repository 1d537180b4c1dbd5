//! The local control socket: how the command line asks the running service.
//!
//! It speaks [frames](crate::frame), one JSON object per line, and offers the methods of the
//! [one table](crate::methods).

mod client;
mod connection;
mod listener;
mod standby;

pub use client::{CallError, Client};
pub(crate) use listener::CONTROL;
pub use listener::{ControlSpec, socket_path};
pub(crate) use standby::Standby;
