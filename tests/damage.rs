//! Damaged records and damaged files: found, shown, and in nobody else's way.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test helper fails its test"
)]

mod damage {
    pub(crate) mod accepted;
    pub(crate) mod files;
    pub(crate) mod records;
}
mod support;
