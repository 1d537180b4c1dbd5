//! Structured logs on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::exit::Failure;
use crate::config::LogLevel;
use crate::logs::LogRing;

/// Starts logging; once per process. What is logged last is kept in the ring as well. Colours are for terminals, and only where they are wanted.
pub(super) fn start(
    level: Option<&str>,
    configured: LogLevel,
    json: bool,
    no_color: bool,
) -> Result<LogRing, Failure> {
    let level = match level {
        Some(level) => level.to_owned(),
        None => name(configured).to_owned(),
    };
    let known = ["off", "error", "warn", "info", "debug", "trace"];
    if !known.contains(&level.as_str()) {
        return Err(Failure::rejected(format!(
            "--log-level {level:?} is not one of {}",
            known.join(", ")
        )));
    }
    // The libraries below us speak up only when something is wrong.
    let filter = format!("warn,telson={level},telson_actors={level},telson_supervision={level}");
    let filter = if level == "off" { "off".to_owned() } else { filter };
    let filter = EnvFilter::try_new(filter).map_err(|error| Failure::failed(error.to_string()))?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(!no_color && std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let ring = LogRing::default();
    let started = if json {
        logs.json().finish().with(ring.clone()).try_init()
    } else {
        logs.with_target(false).finish().with(ring.clone()).try_init()
    };
    started.map_err(|error| Failure::failed(format!("cannot start logging: {error}")))?;
    Ok(ring)
}

fn name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Silent => "off",
        LogLevel::Fatal | LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    }
}
