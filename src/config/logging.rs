//! `logging`: how much is logged, and in which form.

use schemars::JsonSchema;
use serde::Deserialize;

/// How to log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Logging {
    /// The least serious events to log. Default: info.
    pub level: LogLevel,
    /// Whether to log JSON, one object per line, instead of text. Default: false.
    pub json: bool,
}

/// How serious an event is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum LogLevel {
    /// Nothing is logged.
    Silent,
    /// What ends the program.
    Fatal,
    /// What failed.
    Error,
    /// What may need attention.
    Warn,
    /// What happened.
    #[default]
    Info,
    /// Why it happened.
    Debug,
    /// Every step of it.
    Trace,
}
