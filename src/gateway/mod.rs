//! The gateway: one port for clients, apps, pages and programs.

mod hub;

pub use hub::{Hub, HubEvent};
