//! One suite per trait, run for every implementation. Adding a store, a channel or a provider means
//! adding one line here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test helper fails its test"
)]

mod channel;
mod provider;
mod store;
