//! The gateway: one port for clients, apps, pages and programs.
//!
//! It speaks the OpenClaw gateway protocol, version 4, on WebSocket, and HTTP beside it. [`wire`] and
//! [`handshake`] decide, `connection` is the shell of one client, `listener` the actor that owns
//! them all. What happens is told through the [`Hub`]; what becomes of runs is told by `narrator`.
//! `page` is what a browser gets.

mod admission;
mod answer;
mod connection;
mod crowd;
mod device;
pub mod device_proof;
mod devices;
mod door;
mod enrolment;
mod exposure;
mod gate;
mod guests;
pub mod handshake;
mod hello;
mod http;
mod hub;
mod identity;
mod journeys;
mod limiter;
mod link;
mod listener;
mod lookup;
pub(crate) mod narrator;
mod network;
mod news;
pub mod nodes;
mod open;
mod outgoing;
pub(crate) mod own_key;
mod page;
pub(crate) mod pairing;
mod ports;
pub mod presence;
mod reach;
mod refusal;
mod runs;
mod server;
mod settings;
mod stall;
mod strength;
mod tailscale;
mod tls;
mod under_way;
mod visitor;
pub mod wire;

pub(crate) use device::shown_request;
pub use device::{DeviceRecord, DeviceRequest, Portrait, TokenRecord};
pub(crate) use devices::Place;
pub(crate) use devices::new_secret;
pub use devices::{Cut, Devices};
pub(crate) use enrolment::is_login;
pub use guests::Guests;
pub(crate) use handshake::{SetupGrant, Wish};
pub use http::Metrics;
pub(crate) use http::{BASE64, Picture, keep_files};
pub use hub::{Hub, HubEvent};
pub use identity::Whois;
pub(crate) use listener::GATEWAY;
pub use listener::GatewaySpec;
pub(crate) use narrator::story::At;
pub(crate) use network::Cidr;
pub(crate) use news::Sources;
pub use open::{PORT, TOKEN_FILE, Wanted, plan};
pub(crate) use open::{check, own_env};
pub(crate) use pairing::{may_change, may_give};
pub use refusal::Refusal;
pub use runs::Runs;
pub use settings::{Policy, Settings};
pub(crate) use strength::weakness;
pub use tls::Fingerprint;
pub(crate) use tls::Tls;
pub(crate) use visitor::is_origin;
pub use visitor::{Page, Visitor};
