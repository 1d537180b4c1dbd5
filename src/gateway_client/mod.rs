//! The asking side of the gateway: what the command line uses to talk to a service, here or on
//! another machine.
//!
//! [`Address`] says where (pure), [`GatewayClient`] is one connection, [`GatewayError`] what can go
//! wrong, in words for people.

mod address;
mod client;
mod error;
mod pin;

pub use address::Address;
pub use client::GatewayClient;
pub use error::GatewayError;
