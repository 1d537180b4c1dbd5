//! A new job, or changes to one, from the command line.

use serde_json::{Value, json};

use super::super::exit::Failure;
use super::said::Said;

/// What a job may do.
const WHAT: &str = "--message, --system-event or --command";

/// A new job.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct AddArgs {
    /// Its id, which must be new [default: a random one].
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    pub(super) said: Said,
    /// Make it switched off.
    #[arg(long)]
    disabled: bool,
}

/// Changes to a job.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct EditArgs {
    /// Its id.
    pub(super) id: String,
    #[command(flatten)]
    pub(super) said: Said,
    /// Switch it on.
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// Switch it off.
    #[arg(long)]
    disable: bool,
}

impl AddArgs {
    /// The job.
    pub(super) fn job(&self) -> Result<Value, Failure> {
        let mut job = self.said.fields(&Value::Null)?;
        for (key, flag) in [("schedule", "--at, --every or --cron"), ("payload", WHAT)] {
            if !job.contains_key(key) {
                return Err(Failure::rejected(format!("say {flag}")));
            }
        }
        if let Some(id) = &self.id {
            job.insert("id".into(), json!(id));
        }
        job.insert("enabled".into(), json!(!self.disabled));
        Ok(Value::Object(job))
    }
}

impl EditArgs {
    /// The changes to this job.
    pub(super) fn patch(&self, job: &Value) -> Result<Value, Failure> {
        let mut patch = self.said.fields(job)?;
        if self.enable || self.disable {
            patch.insert("enabled".into(), json!(self.enable));
        }
        if patch.is_empty() {
            return Err(Failure::rejected("say what to change, such as --disable or --every 1h"));
        }
        Ok(Value::Object(patch))
    }
}
