//! The reference client of the protocol, as it is published, under Node.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::text_of;
use crate::rig::{Rig, TOKEN, port, url};

/// How long one step of the client may take; its own reconnect pauses are in it.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where `tests/tools_install` installs.
fn tools() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("test-tools");
    let client = dir.join("node_modules/@openclaw/gateway-client");
    assert!(
        client.exists(),
        "run tests/tools_install (tests/run does): {} is not there",
        client.display()
    );
    dir
}

/// A client that does what it is told and says what it hears, a line of JSON each.
pub(crate) struct Published {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<Value>,
    heard: Vec<Value>,
}

impl Published {
    /// Connects with these options beside the address.
    pub(crate) fn connect(url: &str, options: &Value) -> Self {
        let dir = tools();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gateway_chat/published.mjs");
        // Beside the packages it imports.
        let place = dir.join("published.mjs");
        std::fs::copy(script, &place).unwrap();
        let mut child = Command::new(dir.join("node"))
            .arg(place)
            .arg(json!({"url": url, "options": options}).to_string())
            .current_dir(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // The test may have ended.
                drop(sender.send(serde_json::from_str(&line).unwrap()));
            }
        });
        Self { child, stdin, lines, heard: Vec::new() }
    }

    /// The next line of which this is true; the others stay.
    pub(crate) fn hear(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            if let Some(place) = self.heard.iter().position(&is_it) {
                return self.heard.remove(place);
            }
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.heard.push(line),
                Err(error) => panic!("{what}: {error}; heard {:#?}", self.heard),
            }
        }
    }

    pub(crate) fn hello(&mut self) -> Value {
        self.hear("the client is let in", |line| line["hello"].is_object())["hello"].clone()
    }

    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        writeln!(self.stdin, "{}", json!({"method": method, "params": params})).unwrap();
        let line = self.hear(method, |line| line["method"] == method);
        assert_eq!(line.get("error"), None, "{line}");
        line["payload"].clone()
    }

    /// How a run is told, up to its end.
    pub(crate) fn run(&mut self, run: &str) -> Vec<Value> {
        let mut told = Vec::new();
        loop {
            let of_run = |line: &Value| line["event"] == "chat" && line["payload"]["runId"] == run;
            told.push(self.hear("the run is told", of_run)["payload"].clone());
            let state = told.last().unwrap()["state"].as_str().unwrap_or_default();
            if matches!(state, "final" | "aborted" | "error") {
                return told;
            }
        }
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What every kind of client does: it sends, hears the answer grow and end, aborts, and reads back.
pub(crate) fn talks(client: &mut Published, rig: &Rig) {
    let send = |text: &str, key: &str| json!({"sessionKey": "main", "message": text, "idempotencyKey": key});
    let taken = client.call("chat.send", &send("hello [#1]", "k1"));
    assert_eq!(taken["status"], "started");
    let told = client.run("k1");
    let deltas = told.iter().filter(|told| told["state"] == "delta");
    let text: String = deltas.map(|told| told["deltaText"].as_str().unwrap()).collect();
    assert_eq!(text, "echo: hello [#1]");
    assert_eq!(text_of(&told.last().unwrap()["message"]), text);

    client.call("chat.send", &send("wait [#2] [[hold]]", "k2"));
    client.hear("the answer begins", |line| line["payload"]["state"] == "delta");
    let aborted = client.call("chat.abort", &json!({"sessionKey": "main", "runId": "k2"}));
    assert_eq!(aborted["runIds"], json!(["k2"]));
    assert_eq!(client.run("k2").last().unwrap()["state"], "aborted");
    rig.model.release();

    let history = client.call("chat.history", &json!({"sessionKey": "main"}));
    let texts: Vec<String> = history["messages"].as_array().unwrap().iter().map(text_of).collect();
    assert_eq!(texts[..2], ["hello [#1]", "echo: hello [#1]"]);
    assert!(texts.contains(&"wait [#2] [[hold]]".to_owned()), "{texts:?}");
}

#[test]
fn the_published_client_talks_and_survives_a_restart() {
    let rig = Rig::new();
    let service = rig.start();
    let (address, port) = (url(&service), port(&service));
    let mut client = Published::connect(&address, &json!({"token": TOKEN}));
    assert_eq!(client.hello()["protocol"], 4);
    talks(&mut client, &rig);
    service.stop();
    client.hear("the connection is closed", |line| line["close"].is_object());
    let service = rig.home.start(&["--port", &port]);
    // By its own reconnect.
    client.hello();
    let send = json!({"sessionKey": "main", "message": "again [#3]", "idempotencyKey": "k3"});
    client.call("chat.send", &send);
    assert_eq!(client.run("k3").last().unwrap()["state"], "final");
    assert!(!client.heard.iter().any(|line| line["gap"].is_object()), "no event was lost");
    service.stop();
}
