//! deaths at every commit.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test helper fails its test")]

#[path = "cron/alerts.rs"]
mod alerts;
#[path = "cron/clocks.rs"]
mod clocks;
#[path = "cron/commits.rs"]
mod commits;
#[path = "cron/differential.rs"]
mod differential;
#[path = "cron/jobs.rs"]
mod jobs;
#[path = "cron/kit.rs"]
mod kit;
mod support;
#[path = "cron/tool.rs"]
mod tool;
#[path = "cron/year.rs"]
mod year;
