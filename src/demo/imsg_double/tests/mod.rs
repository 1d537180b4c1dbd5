//! The double, driven through its lines.

mod frames;
mod lifetime;
mod sends;

use std::io::{BufReader, Read};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::json;

use super::ledger::{Step, entries};
use super::modes::Mode;
use super::*;
use crate::demo::messages_db::{Chat, MessagesDb, Service, Shape};

struct Fixture {
    folder: tempfile::TempDir,
    chat: Chat,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let db = MessagesDb::create(&folder.path().join("chat.db")).unwrap();
    let alice = db.person("+15551230001", Service::IMessage).unwrap();
    let chat = db.direct_chat(&alice).unwrap();
    Fixture { folder, chat }
}

impl Fixture {
    fn db_path(&self) -> PathBuf {
        self.folder.path().join("chat.db")
    }

    fn ledger(&self) -> PathBuf {
        self.folder.path().join("ledger.jsonl")
    }

    fn options(&self) -> Options {
        Options {
            ledger: Some(self.ledger()),
            delay: Duration::ZERO,
            slow: Duration::from_millis(30),
            ..Options::default()
        }
    }

    /// The answers to some lines, as the program gives them before it ends.
    fn serve(&self, options: Options, lines: &str) -> Vec<Value> {
        let mut output = Vec::new();
        serve(&self.db_path(), options, lines.as_bytes(), &mut output).unwrap();
        let output = String::from_utf8(output).unwrap();
        output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn call(&self, method: &str, params: Value) -> Value {
        let lines = self.serve(self.options(), &request(1, method, params));
        lines.into_iter().next().unwrap()
    }

    fn send(&self, text: &str) -> Vec<Value> {
        let params = json!({"chat_guid": self.chat.guid, "text": text});
        self.serve(self.options(), &request(1, "send", params))
    }

    fn sent(&self, needle: &str) -> usize {
        let texts = MessagesDb::open(&self.db_path()).unwrap().outgoing_texts().unwrap();
        texts.iter().filter(|(_, text)| text.contains(needle)).count()
    }

    fn steps(&self) -> Vec<Step> {
        entries(&self.ledger()).unwrap().into_iter().map(|entry| entry.step).collect()
    }
}

fn request(id: u64, method: &str, params: Value) -> String {
    let frame = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    format!("{frame}\n")
}

fn code(reply: &Value) -> i64 {
    reply["error"]["code"].as_i64().unwrap_or(0)
}
