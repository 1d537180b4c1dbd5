//! The demo's stage: a folder with a Messages database, a config, and a stand-in for `imsg`.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::audit::{Audit, audit};
use super::messages_db::{Chat, Error, MessagesDb, Person, Service, Shape};

/// Who writes in the demo. Numbers from the range kept free for fiction.
const PEOPLE: [&str; 3] = ["+15550100001", "+15550100002", "+15550100003"];
/// What they write, besides its number.
const LINES: [&str; 6] = [
    "are you there?",
    "what is on today",
    "remind me about the train",
    "thanks 👍",
    "how do you spell déjà vu?",
    "one more thing",
];

/// Everything the demo needs, in one folder.
pub struct Stage {
    db: MessagesDb,
    people: Vec<(Person, Chat)>,
    config: PathBuf,
    state_dir: PathBuf,
    expected: Vec<(String, String)>,
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
        let messages = dir.join("Messages");
        std::fs::create_dir_all(&messages).map_err(|error| at(&messages, error))?;
        let db_path = messages.join("chat.db");
        let db = MessagesDb::create(&db_path)?;
        let mut people = Vec::new();
        for handle in PEOPLE {
            let person = db.person(handle, Service::IMessage)?;
            let chat = db.direct_chat(&person)?;
            people.push((person, chat));
        }
        let imsg = dir.join("imsg");
        let script = format!("#!/bin/sh\nexec '{}' imsg-double \"$@\"\n", program.display());
        write(&imsg, &script)?;
        std::fs::set_permissions(&imsg, std::fs::Permissions::from_mode(0o700))
            .map_err(|error| at(&imsg, error))?;
        let config = dir.join("telson.json");
        write(&config, &config_text(&imsg, &db_path))?;
        let state_dir = dir.join("state");
        Ok(Self { db, people, config, state_dir, expected: Vec::new() })
    }

    /// The config of the service.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The memory of the service.
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// Somebody writes message number `number`; answers its text.
    ///
    /// # Errors
    /// The database.
    pub fn write(&mut self, number: u32) -> Result<String, StageError> {
        let index = usize::try_from(number).unwrap_or_default();
        let (person, chat) = &self.people[index % self.people.len()];
        let needle = format!("[#{number}]");
        let text = format!("{needle} {}", LINES[index % LINES.len()]);
        self.db.inbound(chat, person, &text, Shape::Plain)?;
        self.expected.push((chat.guid.clone(), needle));
        Ok(text)
    }

    /// Compares what was written with what went out, from the database alone.
    ///
    /// # Errors
    /// The database.
    pub fn audit(&self) -> Result<Audit, StageError> {
        Ok(audit(&self.db, &self.expected)?)
    }
}

/// Everybody may write, each chat is a session of its own, and a send that left no trace is sent
/// again: this `imsg` does nothing any more once it is dead, which a real one can't promise.
fn config_text(imsg: &Path, db_path: &Path) -> String {
    let config = json!({
        "agents": {"defaults": {"model": "echo/echo"}},
        "session": {"dmScope": "per-channel-peer"},
        "channels": {"imessage": {
            "cliPath": imsg,
            "dbPath": db_path,
            "dmPolicy": "open",
            "allowFrom": ["*"],
            "unsettledSends": "resend",
            "unsettledAfterSeconds": 3,
        }},
    });
    format!("{config:#}\n")
}

fn write(path: &Path, text: &str) -> Result<(), StageError> {
    std::fs::write(path, text).map_err(|error| at(path, error))
}

fn at(path: &Path, error: io::Error) -> StageError {
    StageError::File { path: path.to_owned(), error }
}
