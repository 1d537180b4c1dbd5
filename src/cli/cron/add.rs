//! What can be said about a job on the command line.

use serde_json::{Map, Value, json};
use telson_actors::cron::wire::read_duration;

use super::super::exit::Failure;

/// What a job may do.
const WHAT: &str = "--message, --system-event or --command";

/// A new job.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct AddArgs {
    /// Its id, which must be new [default: a random one].
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    said: Said,
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
    said: Said,
    /// Switch it on.
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// Switch it off.
    #[arg(long)]
    disable: bool,
}

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch people can type")]
struct Said {
    /// What it is called.
    #[arg(long)]
    name: Option<String>,
    /// What it is for.
    #[arg(long)]
    description: Option<String>,
    /// The agent that does it [default: the default agent].
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// Run once: a moment such as 2026-03-01T08:00:00Z, or a time from now such as 20m.
    #[arg(long, value_name = "WHEN", group = "when")]
    at: Option<String>,
    /// Run again and again, such as every 30m or 1d.
    #[arg(long, value_name = "TIME", group = "when")]
    every: Option<String>,
    /// Run by an expression of five fields, or six with seconds in front.
    #[arg(long, value_name = "EXPR", group = "when")]
    cron: Option<String>,
    /// The time zone of the expression, such as Europe/Berlin [default: this machine's].
    #[arg(long, value_name = "ZONE", requires = "cron")]
    tz: Option<String>,
    /// Run at the expression's very instant, also at the top of the hour.
    #[arg(long, requires = "cron", conflicts_with = "stagger")]
    exact: bool,
    /// Move the job behind its instant, by always the same part of this time.
    #[arg(long, value_name = "TIME", requires = "cron")]
    stagger: Option<String>,
    /// Have the agent do this in a session of its own.
    #[arg(long, value_name = "TEXT", group = "what")]
    message: Option<String>,
    /// Tell the agent's main session this.
    #[arg(long, value_name = "TEXT", group = "what")]
    system_event: Option<String>,
    /// Run a program, without a shell: itself, then its arguments. Everything behind this is taken
    /// as an argument, so it comes last. Only who may change jobs sees the arguments.
    #[arg(long, value_name = "ARG", group = "what", num_args = 1.., allow_hyphen_values = true)]
    command: Vec<String>,
    /// The folder the program runs in [default: the home folder of the service].
    #[arg(long, value_name = "DIR", requires = "command")]
    cwd: Option<String>,
    /// A variable for the program's environment, as NAME=VALUE; may be repeated. Only who may change
    /// jobs sees it.
    #[arg(long, value_name = "NAME=VALUE", requires = "command")]
    env: Vec<String>,
    /// The session the agent does it in, by its key or last part [default: one of its own].
    #[arg(long, value_name = "KEY", requires = "message")]
    session: Option<String>,
    /// The model to ask.
    #[arg(long, requires = "message", conflicts_with = "session")]
    model: Option<String>,
    /// How long the turn or the program may take, in seconds.
    #[arg(long, value_name = "SECONDS", requires = "what")]
    timeout_seconds: Option<u64>,
    /// When the main session hears of it: now, or next-heartbeat.
    #[arg(long, value_name = "MODE")]
    wake: Option<String>,
    /// Keep a job that runs once when it has run.
    #[arg(long)]
    keep_after_run: bool,
    /// Announce the answer, where the agent's main session last spoke unless a place is named.
    #[arg(long, conflicts_with = "no_deliver")]
    announce: bool,
    /// Do not announce the answer.
    #[arg(long)]
    no_deliver: bool,
    /// Post how each run ended to this address, as JSON.
    #[arg(long, value_name = "URL", conflicts_with_all = ["announce", "no_deliver", "to", "account"])]
    webhook: Option<String>,
    /// The channel to announce on.
    #[arg(long, requires = "to")]
    channel: Option<String>,
    /// Whom to announce to, by the platform's id.
    #[arg(long)]
    to: Option<String>,
    /// The account that announces.
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// It is no failure when there is nowhere to announce.
    #[arg(long)]
    best_effort: bool,
}

impl AddArgs {
    /// The job.
    pub(super) fn job(&self) -> Result<Value, Failure> {
        let mut job = self.said.fields()?;
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
    /// The changes.
    pub(super) fn patch(&self) -> Result<Value, Failure> {
        let mut patch = self.said.fields()?;
        if self.enable || self.disable {
            patch.insert("enabled".into(), json!(self.enable));
        }
        if patch.is_empty() {
            return Err(Failure::rejected("say what to change, such as --disable or --every 1h"));
        }
        Ok(Value::Object(patch))
    }
}

impl Said {
    fn fields(&self) -> Result<Map<String, Value>, Failure> {
        let mut fields = Map::new();
        let mut set = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                fields.insert(key.to_owned(), value);
            }
        };
        set("name", self.name.clone().map(Value::from));
        set("description", self.description.clone().map(Value::from));
        set("agentId", self.agent.clone().map(Value::from));
        set("wakeMode", self.wake.clone().map(Value::from));
        set("deleteAfterRun", self.keep_after_run.then_some(json!(false)));
        set("schedule", self.schedule()?);
        set("payload", self.payload()?);
        set("sessionTarget", self.session.as_ref().map(|key| json!(format!("session:{key}"))));
        set("delivery", self.delivery());
        Ok(fields)
    }

    fn schedule(&self) -> Result<Option<Value>, Failure> {
        if let Some(at) = &self.at {
            return Ok(Some(json!({"kind": "at", "at": at})));
        }
        if let Some(every) = &self.every {
            return Ok(Some(json!({"kind": "every", "everyMs": millis("--every", every)?})));
        }
        let Some(expr) = &self.cron else { return Ok(None) };
        let mut schedule = json!({"kind": "cron", "expr": expr});
        if let Some(zone) = &self.tz {
            schedule["tz"] = json!(zone);
        }
        if self.exact {
            schedule["staggerMs"] = json!(0);
        }
        if let Some(stagger) = &self.stagger {
            schedule["staggerMs"] = json!(millis("--stagger", stagger)?);
        }
        Ok(Some(schedule))
    }

    fn payload(&self) -> Result<Option<Value>, Failure> {
        let mut payload = if let Some(text) = &self.system_event {
            return Ok(Some(json!({"kind": "systemEvent", "text": text})));
        } else if let Some(message) = &self.message {
            json!({"kind": "agentTurn", "message": message})
        } else if self.command.is_empty() {
            return Ok(None);
        } else {
            json!({"kind": "command", "argv": self.command})
        };
        for variable in &self.env {
            let wrong = || Failure::rejected(format!("--env {variable}: not NAME=VALUE"));
            let (name, value) = variable.split_once('=').ok_or_else(wrong)?;
            payload["env"][name] = json!(value);
        }
        for (key, text) in [("cwd", &self.cwd), ("model", &self.model)] {
            if let Some(text) = text {
                payload[key] = json!(text);
            }
        }
        if let Some(seconds) = self.timeout_seconds {
            payload["timeoutSeconds"] = json!(seconds);
        }
        Ok(Some(payload))
    }

    fn delivery(&self) -> Option<Value> {
        if self.no_deliver {
            return Some(json!({"mode": "none"}));
        }
        if let Some(url) = &self.webhook {
            return Some(json!({"mode": "webhook", "to": url, "bestEffort": self.best_effort}));
        }
        let is_said =
            self.announce || self.best_effort || self.to.is_some() || self.account.is_some();
        is_said.then(|| {
            let mut delivery = json!({
                "mode": "announce",
                "channel": self.channel.as_deref().unwrap_or("last"),
                "bestEffort": self.best_effort,
            });
            for (key, part) in [("to", &self.to), ("accountId", &self.account)] {
                if let Some(part) = part {
                    delivery[key] = json!(part);
                }
            }
            delivery
        })
    }
}

fn millis(flag: &str, text: &str) -> Result<u64, Failure> {
    let wrong =
        || Failure::rejected(format!("{flag} {text}: not a time such as 90s, 30m, 2h or 1d"));
    read_duration(text.trim()).ok_or_else(wrong)
}
