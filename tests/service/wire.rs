//! The control socket as any program can use it: lines of JSON.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

/// How long an answer or event may take.
const HEAR_MAX: Duration = Duration::from_secs(30);

/// One connection.
pub(crate) struct Wire(BufReader<UnixStream>);

impl Wire {
    /// Connects; `None` if nobody listens.
    pub(crate) fn connect(path: &Path) -> Option<Self> {
        let stream = UnixStream::connect(path).ok()?;
        stream.set_read_timeout(Some(HEAR_MAX)).unwrap();
        Some(Self(BufReader::new(stream)))
    }

    /// Sends one line as it is.
    pub(crate) fn say(&mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Sends bytes as they are, and the end of the line.
    pub(crate) fn say_bytes(&mut self, line: &[u8]) {
        self.0.get_mut().write_all(&[line, b"\n"].concat()).unwrap();
    }

    /// The next frame; `None` when the other side has closed the connection.
    pub(crate) fn hear(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(serde_json::from_str(&line).unwrap()),
        }
    }

    /// One line, and the frame that answers it.
    pub(crate) fn ask(&mut self, line: &str) -> Value {
        self.say(line);
        self.hear().unwrap_or_else(|| panic!("the connection was closed after {line:?}"))
    }

    /// One request; answers its payload, or what came instead.
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Result<Value, String> {
        let request = json!({"type": "req", "id": "1", "method": method, "params": params});
        if self.0.get_mut().write_all(format!("{request}\n").as_bytes()).is_err() {
            return Err("closed".into());
        }
        match self.hear() {
            Some(frame) if frame["ok"] == json!(true) => Ok(frame["payload"].clone()),
            other => Err(format!("{other:?}")),
        }
    }
}
