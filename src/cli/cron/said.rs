//! What can be said about a job, as options: the same for a new job and for changes to one.

use serde_json::{Map, Value, json};
use telson_actors::cron::wire::read_duration;

use super::super::exit::Failure;
use super::moment;

#[derive(Debug, Default, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch people can type")]
pub(super) struct Said {
    /// What it is called.
    #[arg(long)]
    name: Option<String>,
    /// What it is for.
    #[arg(long)]
    description: Option<String>,
    /// The agent that does it [default: the default agent].
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// Run once: a moment such as 2026-03-01T08:00:00Z or "2026-03-01 08:00", or a time from now
    /// such as 20m.
    #[arg(long, value_name = "WHEN", group = "when")]
    at: Option<String>,
    /// Run again and again, such as every 30m, 1h30m or 1d; at most 366d.
    #[arg(long, value_name = "TIME", group = "when")]
    every: Option<String>,
    /// Run by an expression of five fields, or six with seconds in front. At the top of the hour
    /// jobs are spread over five minutes, so that they do not come together: see --exact.
    #[arg(long, value_name = "EXPR", group = "when")]
    cron: Option<String>,
    /// The time zone of the expression or the moment, such as Europe/Berlin [default: this
    /// machine's].
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// Run at the expression's very instant, also at the top of the hour.
    #[arg(long, conflicts_with = "stagger")]
    exact: bool,
    /// Move the job behind its instant, by always the same part of this time.
    #[arg(long, value_name = "TIME")]
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
    #[arg(long, value_name = "DIR")]
    cwd: Option<String>,
    /// A variable for the program's environment, as NAME=VALUE; may be repeated. Its value is shown
    /// to those alone who may change jobs.
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// The session the agent does it in, by its key or last part [default: one of its own].
    #[arg(long, value_name = "KEY")]
    session: Option<String>,
    /// The model to ask.
    #[arg(long, conflicts_with = "session")]
    model: Option<String>,
    /// How long the turn or the program may take, in seconds.
    #[arg(long, value_name = "SECONDS")]
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

impl Said {
    /// What was named, as fields of a job. `job` is the one that is changed, `null` for a new one:
    /// what belongs to a schedule or to work of one kind can be said of a job that is of that kind.
    pub(super) fn fields(&self, job: &Value) -> Result<Map<String, Value>, Failure> {
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
        set("schedule", self.schedule(job["schedule"]["kind"].as_str())?);
        set("payload", self.payload(&job["payload"])?);
        set("sessionTarget", self.session.as_ref().map(|key| json!(format!("session:{key}"))));
        set("delivery", self.delivery());
        Ok(fields)
    }

    /// What a person should know of how this is understood.
    pub(super) fn remark(&self) -> Option<String> {
        self.at.as_deref().filter(|_| self.tz.is_none()).and_then(moment::remark)
    }

    fn schedule(&self, old: Option<&str>) -> Result<Option<Value>, Failure> {
        let moves = [("--exact", self.exact), ("--stagger", self.stagger.is_some())];
        let zone = ("--tz", self.tz.is_some());
        if let Some(at) = &self.at {
            needs(&moves, "--cron")?;
            return Ok(Some(json!({"kind": "at", "at": moment::read(at, self.tz.as_deref())?})));
        }
        if let Some(every) = &self.every {
            needs(&[&[zone], &moves[..]].concat(), "--cron: an interval has none")?;
            return Ok(Some(json!({"kind": "every", "everyMs": millis("--every", every)?})));
        }
        let mut schedule = match (&self.cron, old) {
            (Some(expr), _) => json!({"kind": "cron", "expr": expr}),
            (None, Some("cron")) => json!({}),
            (None, _) => {
                needs(&[zone], "--cron or --at")?;
                needs(&moves, "--cron")?;
                return Ok(None);
            }
        };
        if let Some(zone) = &self.tz {
            schedule["tz"] = json!(zone);
        }
        if self.exact {
            schedule["staggerMs"] = json!(0);
        }
        if let Some(stagger) = &self.stagger {
            schedule["staggerMs"] = json!(millis("--stagger", stagger)?);
        }
        Ok(said(schedule))
    }

    fn payload(&self, old: &Value) -> Result<Option<Value>, Failure> {
        let (kind, mut payload) = if let Some(text) = &self.system_event {
            ("systemEvent", json!({"kind": "systemEvent", "text": text}))
        } else if let Some(message) = &self.message {
            ("agentTurn", json!({"kind": "agentTurn", "message": message}))
        } else if self.command.is_empty() {
            (old["kind"].as_str().unwrap_or_default(), json!({}))
        } else {
            ("command", json!({"kind": "command", "argv": self.command}))
        };
        if kind != "agentTurn" {
            let of_turns =
                [("--session", self.session.is_some()), ("--model", self.model.is_some())];
            needs(&of_turns, "--message")?;
        }
        if kind != "command" {
            needs(&[("--cwd", self.cwd.is_some()), ("--env", !self.env.is_empty())], "--command")?;
        }
        if !["agentTurn", "command"].contains(&kind) {
            let timeout = [("--timeout-seconds", self.timeout_seconds.is_some())];
            needs(&timeout, "--message or --command")?;
        }
        if !self.env.is_empty() && old["kind"] == kind && old["env"].is_object() {
            // Other variables stay.
            payload["env"] = old["env"].clone();
        }
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
        Ok(said(payload))
    }

    fn delivery(&self) -> Option<Value> {
        let mut delivery = json!({});
        if self.no_deliver {
            delivery["mode"] = json!("none");
        } else if self.webhook.is_some() {
            delivery["mode"] = json!("webhook");
        } else if self.announce || self.to.is_some() || self.account.is_some() {
            delivery["mode"] = json!("announce");
        }
        if self.best_effort {
            delivery["bestEffort"] = json!(true);
        }
        let to = self.webhook.as_ref().or(self.to.as_ref());
        for (key, part) in
            [("channel", self.channel.as_ref()), ("to", to), ("accountId", self.account.as_ref())]
        {
            if let Some(part) = part {
                delivery[key] = json!(part);
            }
        }
        said(delivery)
    }
}

/// An object in which something is said.
fn said(object: Value) -> Option<Value> {
    object.as_object().is_some_and(|fields| !fields.is_empty()).then_some(object)
}

/// Refuses what says nothing without something else.
fn needs(flags: &[(&str, bool)], other: &str) -> Result<(), Failure> {
    match flags.iter().find(|(_, is_said)| *is_said) {
        None => Ok(()),
        Some((flag, _)) => Err(Failure::rejected(format!("{flag} needs {other}"))),
    }
}

fn millis(flag: &str, text: &str) -> Result<u64, Failure> {
    let wrong =
        || Failure::rejected(format!("{flag} {text}: not a time such as 90s, 1h30m, 2h or 1d"));
    read_duration(text).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announcing() -> Value {
        json!({
            "schedule": {"kind": "cron", "expr": "0 3 * * *"},
            "payload": {"kind": "command", "argv": ["a"], "env": {"A": "1"}},
        })
    }

    #[test]
    fn only_what_is_named_is_changed() {
        let zone = Said { tz: Some("Europe/Berlin".into()), ..Said::default() };
        let fields = zone.fields(&announcing()).unwrap();
        assert_eq!(Value::Object(fields), json!({"schedule": {"tz": "Europe/Berlin"}}));
        let variable = Said { env: vec!["B=2".into()], ..Said::default() };
        let fields = variable.fields(&announcing()).unwrap();
        assert_eq!(Value::Object(fields), json!({"payload": {"env": {"A": "1", "B": "2"}}}));
        let best = Said { best_effort: true, ..Said::default() };
        let fields = best.fields(&announcing()).unwrap();
        assert_eq!(Value::Object(fields), json!({"delivery": {"bestEffort": true}}));
    }

    #[test]
    fn what_says_nothing_there_is_refused() {
        let every = |said: Said| Said { every: Some("1h".into()), ..said };
        let tz = || Said { tz: Some("UTC".into()), ..Said::default() };
        for (said, job, part) in [
            (every(tz()), json!(null), "--tz needs --cron"),
            (tz(), json!(null), "--tz needs --cron or --at"),
            (tz(), json!({"schedule": {"kind": "every"}}), "--tz needs --cron or --at"),
            (
                Said { at: Some("20m".into()), exact: true, ..Said::default() },
                json!(null),
                "--exact needs --cron",
            ),
            (
                Said { model: Some("m".into()), ..Said::default() },
                announcing(),
                "--model needs --message",
            ),
            (
                Said { cwd: Some("/".into()), message: Some("m".into()), ..Said::default() },
                announcing(),
                "--cwd needs --command",
            ),
            (
                Said { timeout_seconds: Some(1), ..Said::default() },
                json!(null),
                "--timeout-seconds",
            ),
        ] {
            let wrong = said.fields(&job).unwrap_err();
            assert!(wrong.text().contains(part), "{part}: {}", wrong.text());
        }
    }
}
