//! A program behind a real HTTP server that is told of runs, and keeps its own ledger.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

/// What it does with the next request.
#[derive(Debug, Clone)]
pub(crate) enum Behaviour {
    /// Answers this status, with these header lines.
    Says(u16, &'static str),
    /// Takes the request and never answers.
    Hangs,
    /// Takes the request and hangs up.
    Leaves,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    /// The head, in lower-case names.
    headers: Vec<(String, String)>,
    pub(crate) body: Value,
}

impl Post {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn id(&self) -> &str {
        self.body["id"].as_str().unwrap()
    }
}

#[derive(Clone)]
pub(crate) struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    posts: Vec<Post>,
    script: VecDeque<Behaviour>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let receiver = Self { address: listener.local_addr().unwrap(), state: Arc::default() };
        let serving = receiver.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, receiver) = (stream.unwrap(), serving.clone());
                std::thread::spawn(move || receiver.serve(stream));
            }
        });
        receiver
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/told?by=telson", self.address)
    }

    /// What it does next, before it answers 200 to everything.
    pub(crate) fn script(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        self.state.lock().unwrap().script.extend(behaviours);
    }

    /// Everything it was sent, in the order in which it came.
    pub(crate) fn posts(&self) -> Vec<Post> {
        self.state.lock().unwrap().posts.clone()
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.posts().iter().map(|post| post.id().to_owned()).collect()
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        let Some(post) = read(&mut reader) else { return };
        let behaviour = {
            let mut state = self.state.lock().unwrap();
            state.posts.push(post);
            state.script.pop_front().unwrap_or(Behaviour::Says(200, ""))
        };
        let mut stream = reader.into_inner();
        match behaviour {
            Behaviour::Says(status, more) => {
                let answer = format!(
                    "HTTP/1.1 {status} X\r\n{more}content-length: 0\r\nconnection: close\r\n\r\n"
                );
                // Whoever asked may have been killed.
                drop(stream.write_all(answer.as_bytes()));
            }
            Behaviour::Hangs => std::thread::park_timeout(Duration::from_mins(2)),
            Behaviour::Leaves => {}
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Post> {
    let (mut length, mut headers) = (0, Vec::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ") {
            let name = name.to_ascii_lowercase();
            if name == "content-length" {
                length = value.parse().ok()?;
            }
            headers.push((name, value.to_owned()));
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Post { headers, body: serde_json::from_slice(&body).ok()? })
}
