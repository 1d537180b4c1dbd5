//! The kill sweep: 200 kills at every named point, at random moments and during recovery, judged by
//! the platform's own record. And `telson selftest`, which is the same sweep for everybody.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test helpers fail their test and say why"
)]

#[path = "service/kit.rs"]
mod kit;
#[path = "sweep/points.rs"]
mod points;
#[path = "sweep/selftest.rs"]
mod selftest;
#[path = "sweep/two_hundred.rs"]
mod two_hundred;
#[path = "service/wire.rs"]
mod wire;
