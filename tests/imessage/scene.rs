//! A Messages database written by the test, the stand-in for `imsg`, and the service between them.
//!
//! What went out is counted in the database, never asked of the service.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use telson::demo::audit::{Audit, audit};
use telson::demo::imsg_double::ledger::{Entry, Step, entries};
use telson::demo::messages_db::{Chat, MessagesDb, Person, Row, Service, Shape};

use crate::kit::{Home, Process, until};

/// Somebody, and the chat with them.
pub(crate) struct Friend {
    pub(crate) person: Person,
    pub(crate) chat: Chat,
}

/// Everything around one service.
pub(crate) struct Scene {
    pub(crate) home: Home,
    pub(crate) db: MessagesDb,
}

impl Scene {
    /// Everybody may write, and every send goes well.
    pub(crate) fn new() -> Self {
        Self::with(&json!({}), &[])
    }

    /// With settings of the channel, and the environment of the stand-in for `imsg`.
    pub(crate) fn with(settings: &Value, imsg: &[(&str, &str)]) -> Self {
        let home = Home::new();
        let path = db_path(&home);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let db = MessagesDb::create(&path).unwrap();
        write_files(&home, settings, imsg);
        Self { home, db }
    }

    pub(crate) fn friend(&self, handle: &str) -> Friend {
        let person = self.db.person(handle, Service::IMessage).unwrap();
        let chat = self.db.direct_chat(&person).unwrap();
        Friend { person, chat }
    }

    /// Somebody writes in their own chat.
    pub(crate) fn write(&self, from: &Friend, text: &str, shape: Shape) -> Row {
        self.db.inbound(&from.chat, &from.person, text, shape).unwrap()
    }

    pub(crate) fn say(&self, from: &Friend, text: &str) -> Row {
        self.write(from, text, Shape::Plain)
    }

    /// Starts the service and returns once it watches: what was written before the first time is
    /// history.
    pub(crate) fn start(&self) -> Process {
        self.start_with(&[])
    }

    pub(crate) fn start_with(&self, args: &[&str]) -> Process {
        let service = self.home.start(args);
        until("the watcher has looked", || {
            service.node("watcher").filter(|watcher| watcher["idle_ms"].is_u64())
        });
        service
    }

    /// Compares the database with what should have gone out, each mark once into its chat.
    pub(crate) fn audit(&self, expected: &[(&Friend, &str)]) -> Audit {
        let expected: Vec<_> = expected
            .iter()
            .map(|(friend, mark)| (friend.chat.guid.clone(), (*mark).to_owned()))
            .collect();
        audit(&self.db, &expected).unwrap()
    }

    /// Waits until everything expected has gone out; fails at the first double.
    pub(crate) fn answered(&self, expected: &[(&Friend, &str)]) {
        until("every message is answered", || {
            let audit = self.audit(expected);
            assert_eq!(audit.doubled, [], "answered twice");
            audit.lost.is_empty().then_some(())
        });
    }

    /// Fails unless exactly this went out, each once, and nothing else.
    pub(crate) fn assert_only(&self, expected: &[(&Friend, &str)]) {
        let audit = self.audit(expected);
        let texts = self.texts();
        assert!(audit.exactly_once() && texts.len() == expected.len(), "{audit:?} {texts:#?}");
    }

    /// Everything that went out, in all chats.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.db.outgoing_texts().unwrap().into_iter().map(|(_, text)| text).collect()
    }

    /// What went out to one friend.
    pub(crate) fn texts_to(&self, friend: &Friend) -> Vec<String> {
        let texts = self.db.outgoing_texts().unwrap().into_iter();
        texts.filter(|(chat, _)| *chat == friend.chat.guid).map(|(_, text)| text).collect()
    }

    /// The double's own record of the sends that have come so far.
    pub(crate) fn ledger(&self, step: Step) -> Vec<Entry> {
        // The last line may be half written: look again then.
        let entries = entries(&self.home.path("ledger.jsonl")).unwrap_or_default();
        entries.into_iter().filter(|entry| entry.step == step).collect()
    }
}

pub(crate) fn db_path(home: &Home) -> PathBuf {
    home.path("Messages").join("chat.db")
}

/// The config, and the wrapper that plays `imsg`.
pub(crate) fn write_files(home: &Home, settings: &Value, imsg: &[(&str, &str)]) {
    let cli = home.path("imsg");
    let ledger = home.path("ledger.jsonl");
    let mut script = format!("#!/bin/sh\nexport IMSG_LEDGER='{}'\n", ledger.display());
    for (key, value) in imsg {
        script.push_str(&format!("export {key}='{value}'\n"));
    }
    script.push_str(&format!("exec '{}' imsg-double \"$@\"\n", env!("CARGO_BIN_EXE_telson")));
    write_program(&cli, &script);
    let mut channel = json!({
        "cliPath": cli, "dbPath": db_path(home), "dmPolicy": "open", "allowFrom": ["*"],
    });
    for (key, value) in settings.as_object().into_iter().flatten() {
        channel[key] = value.clone();
    }
    let config = json!({
        "agents": {
            "defaults": {"model": "echo/echo"},
            "entries": {"main": {"identity": {"name": "Telly"}}},
        },
        "session": {"dmScope": "per-channel-peer"},
        "channels": {"imessage": channel},
    });
    home.configure(&config.to_string());
}

pub(crate) fn write_program(path: &Path, script: &str) {
    std::fs::write(path, script).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).unwrap();
}
