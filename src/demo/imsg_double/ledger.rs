//! The double's own record of sends: one JSON object per line, only ever appended to.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use telson_actors::clock::Clock;

/// How far a send has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Taken up; nothing has happened yet.
    Accepted,
    /// The database shows it.
    Effect,
    /// Success was answered.
    Replied,
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Milliseconds since 1970.
    #[serde(default)]
    pub at_ms: i64,
    /// The process that wrote the line.
    #[serde(default)]
    pub pid: u32,
    /// How far the send has come.
    pub step: Step,
    /// What was decided about it.
    pub mode: String,
    /// What it says.
    pub text: String,
    /// The parameters that name its chat.
    pub target: Map<String, Value>,
    /// The first row written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rowid: Option<i64>,
    /// Its identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guid: Option<String>,
}

/// An open ledger. It remembers what earlier processes accepted.
#[derive(Debug, Default)]
pub struct Ledger {
    file: Option<File>,
    accepted: u64,
    attempts: HashMap<String, usize>,
}

impl Ledger {
    /// Opens the file for appending; without a path nothing is written. Holds a shared lock as
    /// long as it lives, so that others can see when nobody can write to it any more.
    pub fn open(path: Option<&Path>) -> io::Result<Self> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        file.lock_shared()?;
        let mut ledger = Self { file: Some(file), ..Self::default() };
        for entry in entries(path)? {
            ledger.remember(&entry);
        }
        Ok(ledger)
    }

    /// How many sends were accepted, by this process and, as far as the file tells, before it.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// How many of them had this text.
    pub fn attempts(&self, text: &str) -> usize {
        self.attempts.get(text).copied().unwrap_or(0)
    }

    /// Writes a line, stamped with time and process. It is out of this process's hands before
    /// the call returns, so that dying right after it loses nothing.
    pub fn note(&mut self, entry: Entry) -> io::Result<()> {
        self.remember(&entry);
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let at_ms = Clock::system().now().0;
        let mut line = serde_json::to_vec(&Entry { at_ms, pid: std::process::id(), ..entry })?;
        line.push(b'\n');
        file.write_all(&line)
    }

    fn remember(&mut self, entry: &Entry) {
        if entry.step == Step::Accepted {
            self.accepted += 1;
            *self.attempts.entry(entry.text.clone()).or_default() += 1;
        }
    }
}

/// Whether no process that writes this ledger is alive, so that nothing more can take effect.
pub fn is_complete(path: &Path) -> io::Result<bool> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        opened => opened?,
    };
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Every entry of a ledger file, oldest first; none if there is no file.
pub fn entries(path: &Path) -> io::Result<Vec<Entry>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened?,
    };
    let lines = BufReader::new(file).lines();
    lines.map(|line| Ok(serde_json::from_str(&line?)?)).collect()
}
