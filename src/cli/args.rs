//! What can be typed.

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand};

use super::remote::{ChannelCommand, ChatArgs, DeviceCommand, GatewayCommand, Remote};
use crate::config;

/// Routes messages between people and agents. Never loses one, never silently doubles one.
#[derive(Debug, Parser)]
#[command(name = "telson", version, propagate_version = true, max_term_width = 100)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) place: Place,
    /// Print one JSON document instead of text.
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Print without colour (also: NO_COLOR=1, or when the output is no terminal).
    #[arg(long, global = true)]
    pub(super) no_color: bool,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Where the service keeps its things, or where its gateway is.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Place {
    /// Directory of the service's memory [default: ~/.telson].
    #[arg(long, global = true, value_name = "DIR", env = "TELSON_STATE_DIR")]
    pub(super) state_dir: Option<PathBuf>,
    /// Config file [default: telson.json in the state directory].
    #[arg(long, global = true, value_name = "FILE", env = "TELSON_CONFIG_PATH")]
    pub(super) config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) remote: Remote,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the service until it is told to stop (Ctrl-C or SIGTERM; a second one ends it at once).
    Run(RunArgs),
    /// Watch the whole thing work, killed and restarted, on made-up data. Nothing to set up.
    Demo(DemoArgs),
    /// Prove on this machine and disk that being killed loses, doubles and reorders nothing.
    ///
    /// Starts the service on made-up data in a temporary folder, kills it (SIGKILL) again and again
    /// while people write, also while it recovers, and counts the answers in the platform's own
    /// record, never in the service's. Your own service and its memory are not touched. Measures
    /// how long recovery takes, and how long the disk takes to sync.
    ///
    /// Exit codes: 0 nothing lost, doubled or reordered; 1 a promise was broken, or the test could
    /// not run; 2 not understood; 130 interrupted, with everything ended and removed.
    Selftest(SelftestArgs),
    /// Show what the running service is doing.
    Status,
    /// Show the running service's supervision tree.
    Tree,
    /// Show what the models have used and cost.
    Usage {
        /// How many days back, today included (days of UTC).
        #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=366))]
        days: u64,
    },
    /// Show what became of a message.
    Why {
        /// A piece of its text, its platform id, or a number such as m12, e7, d3; or a session.
        #[arg(required = true, value_name = "TEXT_OR_ID")]
        query: Vec<String>,
        /// How many at most, the newest first.
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=super::why::LIMIT_MAX))]
        limit: u64,
    },
    /// End what runs and what waits in a session. Whoever waited for an answer is told.
    Abort {
        /// The session's key, as `telson why` shows it; of the default agent its last part will do.
        session: String,
    },
    /// People who want to write: list them, let them in, or turn them away.
    Pairing {
        #[command(subcommand)]
        command: PairingCommand,
    },
    /// The keys of models' providers: which of them rest, and ending a rest.
    Models {
        #[command(subcommand)]
        command: ModelsCommand,
    },
    /// Jobs that wake an agent at their time.
    Cron {
        #[command(subcommand)]
        command: super::cron::CronCommand,
    },
    /// What could not be finished: look at it, put it back to work, or drop it.
    DeadLetters {
        #[command(subcommand)]
        command: DeadLetterCommand,
    },
    /// Agents that look by themselves whether something needs attention.
    Heartbeat {
        #[command(subcommand)]
        command: HeartbeatCommand,
    },
    /// Tell agents what happened.
    System {
        #[command(subcommand)]
        command: SystemCommand,
    },
    /// Say whether the service works: exit code 0 if it does, 1 if not or if it is ending.
    Health,
    /// List the conversations.
    Sessions {
        /// How many at most, the newest first.
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// Talk to an agent in the terminal.
    ///
    /// Answers appear while they are made. Ctrl-C stops an answer; a second one leaves. What was
    /// taken is answered even if you leave.
    ///
    /// In a pipe each line is a message, only answers are printed to standard output, and the exit
    /// code is 1 if a message got none.
    Chat(ChatArgs),
    /// How the channels are.
    Channels {
        #[command(subcommand)]
        command: ChannelCommand,
    },
    /// Which devices are let in: list, approve, reject, remove, and their tokens.
    Devices {
        #[command(subcommand)]
        command: DeviceCommand,
    },
    /// Print the address of the web page, with the token in it.
    Dashboard {
        /// Open it in the browser as well.
        #[arg(long)]
        open: bool,
    },
    /// Speak to the gateway itself.
    Gateway {
        #[command(subcommand)]
        command: GatewayCommand,
    },
    /// Check the config file, or print its schema.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Print a page of the manual, or write all of them into a folder.
    Man {
        /// The command whose page is wanted, such as `cron add` [default: the program's own].
        #[arg(value_name = "COMMAND", conflicts_with = "all")]
        command: Vec<String>,
        /// Write the page of every command into this folder.
        #[arg(long, value_name = "DIR")]
        all: Option<PathBuf>,
    },
    /// Stand in for imsg over a synthetic database (for the demo and for tests).
    #[command(hide = true)]
    ImsgDouble {
        /// `rpc`, as imsg is called.
        command: String,
        /// The database.
        #[arg(long)]
        db: Option<PathBuf>,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct RunArgs {
    /// How much to log: error, warn, info, debug or trace [default: the config's, else info].
    #[arg(long, value_name = "LEVEL")]
    pub(super) log_level: Option<String>,
    /// Log JSON lines.
    #[arg(long, action = ArgAction::SetTrue)]
    pub(super) log_json: bool,
    /// Longest time to finish what is under way when stopping, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub(super) drain_seconds: u64,
    /// Port of the gateway; 0 for any free one [env: TELSON_GATEWAY_PORT or OPENCLAW_GATEWAY_PORT;
    /// default: the config's, else 18789].
    #[arg(long, value_name = "PORT")]
    pub(super) port: Option<u16>,
    /// Go on although the database has lost something; the damaged files are kept beside it.
    #[arg(long, action = ArgAction::SetTrue)]
    pub(super) accept_loss: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct DemoArgs {
    /// How many messages people write.
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=5000))]
    pub(super) messages: u32,
    /// How often the service is killed (SIGKILL) while they write.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub(super) kills: u32,
    /// Keep the temporary folder and print where it is.
    #[arg(long)]
    pub(super) keep: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct SelftestArgs {
    /// How often the service is killed; 10000 is a long hunt.
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) kills: u32,
    /// How many messages people write, at least [default: 8 for each kill].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(super) messages: Option<u32>,
    /// Chooses where and when the kills fall [default: another one each time; it is in the report].
    #[arg(long, value_name = "NUMBER")]
    pub(super) seed: Option<u64>,
    /// The folder, and so the disk, to test in [default: beside the state directory, else the
    /// system's folder for temporary files].
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
    /// Keep the temporary folder and print where it is.
    #[arg(long)]
    pub(super) keep: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum DeadLetterCommand {
    /// List them.
    List,
    /// Show one, whole.
    Show {
        /// Its number, such as d7.
        id: String,
    },
    /// Put one back to work.
    Replay {
        /// Its number, such as d7.
        id: String,
        /// Also if its turn has already run tools, which then run again.
        #[arg(long)]
        yes: bool,
        /// With this text in place of its own.
        #[arg(long)]
        text: Option<String>,
    },
    /// Forget one.
    Drop {
        /// Its number, such as d7.
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum ModelsCommand {
    /// List the keys, and which of them rest after a failure.
    Keys,
    /// End a rest: what was wrong is mended.
    Wake {
        /// A provider, such as openai, or one of its keys, such as openai:default.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum HeartbeatCommand {
    /// Show what became of the last heartbeat.
    Last,
    /// Switch heartbeats on.
    Enable,
    /// Switch heartbeats off, over restarts too.
    Disable,
}

#[derive(Debug, Subcommand)]
pub(super) enum SystemCommand {
    /// Tell an agent what happened: a line above its next turn's message.
    Event {
        /// What happened.
        #[arg(long)]
        text: String,
        /// Whether the agent is woken for it.
        #[arg(long, value_name = "MODE", default_value = "now", value_parser = ["now", "next-heartbeat"])]
        mode: String,
        /// The session's key [default: the default agent's main session].
        #[arg(long, value_name = "KEY")]
        session: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum PairingCommand {
    /// Show who waits for approval, and who has it.
    List {
        /// Only this channel, such as imessage.
        channel: Option<String>,
        /// Only this account of it.
        #[arg(long, value_name = "NAME", requires = "channel")]
        account: Option<String>,
    },
    /// Let somebody write direct messages. They are told.
    Approve(PairingCode),
    /// Turn a request away. They are not told, and may ask again.
    Reject(PairingCode),
    /// Take an approval back.
    Revoke {
        /// The channel, such as imessage.
        channel: String,
        /// Their address, as `telson pairing list` shows it.
        person: String,
        /// The account of the channel [default: its default account].
        #[arg(long, value_name = "NAME")]
        account: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct PairingCode {
    /// The channel, such as imessage.
    pub(super) channel: String,
    /// The code they were sent.
    pub(super) code: String,
    /// The account of the channel [default: its default account].
    #[arg(long, value_name = "NAME")]
    pub(super) account: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Check the config file and say what is wrong with it.
    Validate,
    /// Print the config's JSON schema.
    Schema,
}

impl Command {
    /// Whether it does its work without asking a running service.
    pub(super) fn asks_nobody(&self) -> bool {
        match self {
            Self::Run(_)
            | Self::Demo(_)
            | Self::Selftest(_)
            | Self::Config { .. }
            | Self::Completions { .. }
            | Self::Man { .. }
            | Self::ImsgDouble { .. } => true,
            Self::Cron { command } => command.asks_nobody(),
            _ => false,
        }
    }
}

impl Place {
    /// The state directory: as given, else `.telson` in the user's home.
    pub(super) fn state_dir(&self) -> Result<PathBuf, super::Failure> {
        match (&self.state_dir, std::env::home_dir()) {
            (Some(dir), _) => Ok(dir.clone()),
            (None, Some(home)) => Ok(home.join(".telson")),
            (None, None) => {
                Err(super::Failure::config("no home directory is known; pass --state-dir"))
            }
        }
    }

    /// The config file: as given, else `telson.json` in the state directory.
    pub(super) fn config_path(&self) -> Result<PathBuf, super::Failure> {
        match &self.config {
            Some(path) => Ok(path.clone()),
            None => Ok(self.state_dir()?.join("telson.json")),
        }
    }

    /// Reads the config file. One that nobody has named may be missing: then defaults apply.
    pub(super) fn load(&self, env: &config::Lookup<'_>) -> Result<config::Loaded, super::Failure> {
        let path = self.config_path()?;
        let loaded =
            config::load(&path, env).map_err(|error| super::Failure::config(error.to_string()))?;
        if self.config.is_some() && loaded.from_file.is_none() {
            let path = path.display();
            return Err(super::Failure::config(format!(
                "there is no config file at {path}, which --config or TELSON_CONFIG_PATH names; \
                 correct it, or leave it out to run on defaults"
            )));
        }
        Ok(loaded)
    }
}
