//! A service with a model behind it, and HTTP as bytes on a socket.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::model::Model;
use super::service_kit::{Home, Process};

/// The gateway's token in these tests.
pub(crate) const TOKEN: &str = "the-gateways-own-token";
/// That of its webhooks.
pub(crate) const HOOK_TOKEN: &str = "a-token-for-webhooks";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A home, a model, and the config between them.
pub(crate) struct Scene {
    pub(crate) home: Home,
    pub(crate) model: Model,
    config: Value,
}

/// A service that runs, and its port.
pub(crate) struct Service {
    pub(crate) process: Process,
    pub(crate) port: u16,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Scene {
    /// With more config: the sections besides models and agents.
    pub(crate) fn new(more: Value) -> Self {
        let (home, model) = (Home::new(), Model::start());
        let mut config = json!({
            "models": {"providers": {"mock": {
                "baseUrl": model.base_url(),
                "apiKey": "k",
                "models": [{"id": "m"}, {"id": "eyes", "input": ["text", "image"]}],
            }}},
            "agents": {
                "defaults": {"model": "mock/m"},
                "entries": {"main": {"default": true}, "work": {}},
            },
        });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        home.configure(&config.to_string());
        home.set_env("TELSON_GATEWAY_TOKEN", Path::new(TOKEN));
        Self { home, model, config }
    }

    /// Changes the config before the start.
    pub(crate) fn configure(&mut self, change: impl FnOnce(&mut Value, &Model)) {
        change(&mut self.config, &self.model);
        self.home.configure(&self.config.to_string());
    }

    pub(crate) fn start(&self) -> Service {
        let process = self.home.start(&[]);
        let out = process.out();
        let port = out.split("gateway on ws://127.0.0.1:").nth(1).expect("it says its port");
        let port = port.lines().next().unwrap().trim().parse().unwrap();
        Service { process, port }
    }
}

/// The endpoints of OpenAI's API, switched on.
pub(crate) fn endpoints() -> Value {
    let on = json!({"enabled": true});
    json!({"gateway": {"http": {"endpoints": {"chatCompletions": on, "responses": on}}}})
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Service {
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends bytes and reads until the gateway closes.
    pub(crate) fn raw(&self, request: &str) -> Answer {
        let mut stream = self.connect();
        // It may have answered and closed before it has read everything.
        drop(stream.write_all(request.as_bytes()));
        read(&mut stream)
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        self.raw(&request(method, path, headers, body))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    /// As an operator.
    pub(crate) fn get_as_operator(&self, path: &str) -> Answer {
        self.send("GET", path, &[("authorization", &format!("Bearer {TOKEN}"))], "")
    }

    /// JSON as an operator, with more headers.
    pub(crate) fn post(&self, path: &str, more: &[(&str, &str)], body: &Value) -> Answer {
        let token = format!("Bearer {TOKEN}");
        let mut headers = vec![("authorization", token.as_str())];
        headers.extend(more);
        self.send("POST", path, &headers, &body.to_string())
    }

    /// JSON to a webhook.
    pub(crate) fn hook(&self, name: &str, more: &[(&str, &str)], body: &Value) -> Answer {
        let token = format!("Bearer {HOOK_TOKEN}");
        let mut headers = vec![("authorization", token.as_str())];
        headers.extend(more);
        self.send("POST", &format!("/hooks/{name}"), &headers, &body.to_string())
    }
}

/// The bytes of a request whose connection ends with it.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    let has = |name: &str| headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    if !has("host") {
        text.push_str("host: 127.0.0.1\r\n");
    }
    if !body.is_empty() {
        if !has("content-type") {
            text.push_str("content-type: application/json\r\n");
        }
        text.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{text}\r\n{body}")
}

/// Reads an answer to its end.
pub(crate) fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
            // What was unread on the other side resets the connection behind the answer.
            Err(_) if !bytes.is_empty() => break,
            Err(error) => panic!("no answer: {error}"),
        }
    }
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let is_chunked = headers
        .iter()
        .any(|(name, value)| name.eq_ignore_ascii_case("transfer-encoding") && value == "chunked");
    let body = if is_chunked { unchunked(body) } else { body.to_owned() };
    Answer { status: status.unwrap_or_else(|| panic!("no status: {text:?}")), headers, body }
}

fn unchunked(mut rest: &str) -> String {
    let mut whole = String::new();
    while let Some((length, behind)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        whole.push_str(&behind[..length]);
        rest = &behind[length + 2..];
    }
    whole
}
