//! Jobs over the whole engine: what runs when, clocks that are set, a year of random jobs, deaths at every
//! commit. Judged by what the model was asked and what the platform received; time is paused.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test helper fails its test"
)]

#[path = "cron/alerts.rs"]
mod alerts;
#[path = "cron/clocks.rs"]
mod clocks;
#[path = "cron/commits.rs"]
mod commits;
#[path = "cron/differential.rs"]
mod differential;
#[path = "cron/edits.rs"]
mod edits;
#[path = "cron/jobs.rs"]
mod jobs;
#[path = "cron/kit.rs"]
mod kit;
#[path = "support/mortal.rs"]
mod mortal;
#[path = "cron/places.rs"]
mod places;
#[path = "cron/rates.rs"]
mod rates;
#[path = "cron/removed.rs"]
mod removed;
#[path = "cron/resumed.rs"]
mod resumed;
#[path = "cron/sessions.rs"]
mod sessions;
#[path = "cron/slow_disk.rs"]
mod slow_disk;
#[path = "support/sluggish.rs"]
mod sluggish;
mod support;
#[path = "cron/told.rs"]
mod told;
#[path = "cron/told_once.rs"]
mod told_once;
#[path = "cron/tool.rs"]
mod tool;
#[path = "cron/upkeep.rs"]
mod upkeep;
#[path = "cron/year.rs"]
mod year;
