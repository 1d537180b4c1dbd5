//! The stage: a folder with a Messages database, a config, and a stand-in for `imsg`.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::audit::{Audit, audit_except};
use super::imsg_double::ledger;
use super::messages_db::{Chat, Error, MessagesDb, Person, Service, Shape};
use super::service::Launch;

/// What they write, besides its number.
const LINES: [&str; 6] = [
    "are you there?",
    "what is on today",
    "remind me about the train",
    "thanks 👍",
    "how do you spell déjà vu?",
    "one more thing",
];

/// What can be different from one stage to another.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many people write, each in a chat of their own; at least one, at most nine.
    pub people: usize,
    /// `resend` or `park`, as the config has it.
    pub unsettled_sends: &'static str,
    /// How long evidence of a send in doubt is looked for, in seconds.
    pub unsettled_after_secs: u64,
    /// Where a model is asked that may run commands; nothing for one that repeats what it is told.
    pub model: Option<String>,
    /// The environment of the stand-in for `imsg`.
    pub imsg: Vec<(&'static str, String)>,
}

impl Default for Options {
    /// A send that left no trace is sent again after three seconds: this `imsg` does nothing any
    /// more once it is dead, which a real one can't promise.
    fn default() -> Self {
        Self {
            people: 3,
            unsettled_sends: "resend",
            unsettled_after_secs: 3,
            model: None,
            imsg: Vec::new(),
        }
    }
}

/// Everything a demonstration needs, in one folder.
pub struct Stage {
    db: MessagesDb,
    people: Vec<(Person, Chat)>,
    /// Who is told what jobs and heartbeats have to say, and never writes.
    owner: (Person, Chat),
    dir: PathBuf,
    expected: Vec<(String, String)>,
    unanswered: Vec<(String, String)>,
    put_back: BTreeSet<String>,
    /// What nobody has asked for comes when it comes.
    unordered: BTreeSet<String>,
    looked_to: i64,
}

/// Why the stage could not be built.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The database.
    #[error(transparent)]
    Db(#[from] Error),
    /// Another file.
    #[error("cannot prepare {path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl Stage {
    /// Builds the stage in `dir`. `program` is this program, which plays `imsg` as well.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn build(dir: &Path, program: &Path) -> Result<Self, StageError> {
        Self::with(dir, program, &Options::default())
    }

    /// The same, with a choice.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn with(dir: &Path, program: &Path, options: &Options) -> Result<Self, StageError> {
        let messages = dir.join("Messages");
        std::fs::create_dir_all(&messages).map_err(|error| at(&messages, error))?;
        let db_path = messages.join("chat.db");
        let db = MessagesDb::create(&db_path)?;
        let somebody = |number: usize| -> Result<_, Error> {
            // From the range kept free for fiction.
            let person = db.person(&format!("+1555010000{number}"), Service::IMessage)?;
            let chat = db.direct_chat(&person)?;
            Ok((person, chat))
        };
        let people = (1..=options.people).map(somebody).collect::<Result<Vec<_>, Error>>()?;
        let owner = somebody(0)?;
        let stage = Self {
            people,
            owner,
            db,
            dir: dir.to_owned(),
            expected: Vec::new(),
            unanswered: Vec::new(),
            put_back: BTreeSet::new(),
            unordered: BTreeSet::new(),
            looked_to: 0,
        };
        let imsg = dir.join("imsg");
        write(&imsg, &imsg_text(program, &stage.ledger(), options))?;
        std::fs::set_permissions(&imsg, std::fs::Permissions::from_mode(0o700))
            .map_err(|error| at(&imsg, error))?;
        let config = config_text(&imsg, &db_path, &stage.owner.0.handle, options);
        write(&stage.config(), &config)?;
        Ok(stage)
    }

    /// The config of the service.
    pub fn config(&self) -> PathBuf {
        self.dir.join("telson.json")
    }

    /// The memory of the service.
    pub fn state_dir(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// The record the stand-in for `imsg` keeps.
    pub fn ledger(&self) -> PathBuf {
        self.dir.join("ledger.jsonl")
    }

    /// How the service is started on this stage.
    pub fn launch(&self, program: &Path) -> Launch {
        Launch {
            program: program.to_owned(),
            state_dir: self.state_dir(),
            config: self.config(),
            log: self.dir.join("service.log"),
            env: Vec::new(),
            args: vec!["--log-level", "info"],
        }
    }

    /// Somebody writes message number `number`; answers its text.
    ///
    /// # Errors
    /// The database.
    pub fn write(&mut self, number: u32) -> Result<String, StageError> {
        self.write_with(number, "")
    }

    /// The same, with something added to the text.
    ///
    /// # Errors
    /// The database.
    pub fn write_with(&mut self, number: u32, addition: &str) -> Result<String, StageError> {
        let index = usize::try_from(number).unwrap_or_default();
        let (person, chat) = &self.people[index % self.people.len()];
        let needle = format!("[#{number}]");
        let text = format!("{needle} {}{addition}", LINES[index % LINES.len()]);
        self.db.inbound(chat, person, &text, Shape::Plain)?;
        self.expected.push((chat.guid.clone(), needle.clone()));
        self.unanswered.push((chat.guid.clone(), needle));
        Ok(text)
    }

    /// The owner is to be told of number `number` once, whenever that is; answers who that is.
    pub fn tell_owner(&mut self, number: u32) -> String {
        let (owner, chat) = &self.owner;
        let needle = format!("[#{number}]");
        self.expected.push((chat.guid.clone(), needle.clone()));
        self.unanswered.push((chat.guid.clone(), needle.clone()));
        self.unordered.insert(needle);
        owner.handle.clone()
    }

    /// The marks of the messages that have no answer yet, by what went out since the last look.
    ///
    /// # Errors
    /// The database.
    pub fn unanswered(&mut self) -> Result<Vec<String>, StageError> {
        for row in self.db.outgoing_rows_after(self.looked_to)? {
            self.looked_to = row.rowid;
            let is_answer = |(chat, needle): &(String, String)| {
                row.error == 0 && row.chat_guid == *chat && row.text.contains(needle)
            };
            self.unanswered.retain(|expected| !is_answer(expected));
        }
        Ok(self.unanswered.iter().map(|(_, needle)| needle.clone()).collect())
    }

    /// A person has put the answers to these marks back to work: their order is no promise.
    pub fn put_back(&mut self, needles: impl IntoIterator<Item = String>) {
        self.put_back.extend(needles);
    }

    /// Those marks.
    pub fn are_put_back(&self) -> &BTreeSet<String> {
        &self.put_back
    }

    /// Every text that reached somebody.
    ///
    /// # Errors
    /// The database.
    pub fn answers(&self) -> Result<Vec<String>, StageError> {
        let rows = self.db.outgoing_rows()?.into_iter();
        Ok(rows.filter(|row| row.error == 0).map(|row| row.text).collect())
    }

    /// Whether nothing can go out any more once the service has ended.
    ///
    /// # Errors
    /// The record of the stand-in for `imsg` can't be read.
    pub fn is_quiet(&self) -> Result<bool, StageError> {
        let path = self.ledger();
        ledger::is_complete(&path).map_err(|error| at(&path, error))
    }

    /// Compares what was written with what went out, from the database alone.
    ///
    /// # Errors
    /// The database.
    pub fn audit(&self) -> Result<Audit, StageError> {
        let unordered = self.put_back.union(&self.unordered).cloned().collect();
        Ok(audit_except(&self.db, &self.expected, &unordered)?)
    }
}

fn imsg_text(program: &Path, ledger: &Path, options: &Options) -> String {
    let mut script = format!("#!/bin/sh\nexport IMSG_LEDGER='{}'\n", ledger.display());
    for (key, value) in &options.imsg {
        script.push_str(&format!("export {key}='{value}'\n"));
    }
    script.push_str(&format!("exec '{}' imsg-double \"$@\"\n", program.display()));
    script
}

/// Everybody may write, and each chat is a session of its own.
fn config_text(imsg: &Path, db_path: &Path, owner: &str, options: &Options) -> String {
    let mut config = json!({
        "agents": {"defaults": {"model": "echo/echo"}},
        "session": {"dmScope": "per-channel-peer"},
        "channels": {"imessage": {
            "cliPath": imsg,
            "dbPath": db_path,
            "dmPolicy": "open",
            "allowFrom": ["*"],
            "unsettledSends": options.unsettled_sends,
            "unsettledAfterSeconds": options.unsettled_after_secs,
        }},
    });
    if let Some(url) = &options.model {
        config["agents"]["defaults"]["model"] = json!("stage/m");
        config["models"] =
            json!({"providers": {"stage": {"baseUrl": url, "models": [{"id": "m"}]}}});
        config["tools"] = json!({"allow": ["exec"], "exec": {"mode": "full"}});
        // As often as it may: without an event nobody is asked.
        config["agents"]["defaults"]["heartbeat"] =
            json!({"every": "10s", "target": "imessage", "to": owner});
        config["cron"] = json!({"maxConcurrentRuns": 3});
    }
    format!("{config:#}\n")
}

fn write(path: &Path, text: &str) -> Result<(), StageError> {
    std::fs::write(path, text).map_err(|error| at(path, error))
}

fn at(path: &Path, error: io::Error) -> StageError {
    StageError::File { path: path.to_owned(), error }
}
