//! The gateway as its clients and its enemies meet it: the real program, real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test helpers fail their test and say why"
)]

mod advisories;
mod device;
mod doors;
mod enrolment;
mod guesses;
mod handshake;
mod hostile;
mod identities;
mod kit;
mod pairing;
mod places;
mod secrets;
#[path = "../service/kit.rs"]
mod service;
mod table;
mod tailscale;
mod tls;
#[path = "../service/wire.rs"]
mod wire;
