//! A scripted HTTP/1.1 server on loopback: it reads one request and plays its acts.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server does after it has read the request, in order. Then it closes the connection.
pub(crate) enum Act {
    /// Sends bytes.
    Send(Vec<u8>),
    /// Sends nothing more and keeps the connection open.
    Hang,
    /// Sends the same bytes again and again, with this pause before each.
    Drip(Vec<u8>, Duration),
    /// Sends the same bytes so many times, with this pause before each.
    Repeat(Vec<u8>, Duration, usize),
}

/// The server and the requests it has read.
pub(crate) struct Server {
    listener: TcpListener,
    script: Vec<Act>,
    pub(crate) requests: Vec<String>,
}

impl Server {
    /// Listens on a free port.
    pub(crate) async fn start(script: Vec<Act>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        Self { listener, script, requests: Vec::new() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// Serves one connection after the other for ever; to be raced against a client.
    pub(crate) async fn serve(&mut self) {
        loop {
            let (mut stream, _) = self.listener.accept().await.unwrap();
            let request = read_request(&mut stream).await;
            self.requests.push(request);
            for act in &self.script {
                if play(act, &mut stream).await.is_err() {
                    break; // The client has gone.
                }
            }
        }
    }
}

async fn play(act: &Act, stream: &mut TcpStream) -> std::io::Result<()> {
    match act {
        Act::Send(bytes) => stream.write_all(bytes).await,
        Act::Hang => std::future::pending().await,
        Act::Drip(bytes, pause) => loop {
            tokio::time::sleep(*pause).await;
            stream.write_all(bytes).await?;
        },
        Act::Repeat(bytes, pause, times) => {
            for _ in 0..*times {
                tokio::time::sleep(*pause).await;
                stream.write_all(bytes).await?;
            }
            Ok(())
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").map_or(0, |n| n.parse().unwrap());
            if body.len() >= length {
                return text;
            }
        }
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.unwrap();
        if count == 0 {
            return text;
        }
        bytes.extend_from_slice(&piece[..count]);
    }
}

/// The value of a header of a request as it was read.
pub(crate) fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    request
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(": "))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// The head of an answer whose end is the end of the connection.
pub(crate) fn head(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} Scripted\r\nconnection: close\r\n");
    for (name, value) in headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    text.push_str("\r\n");
    text.into_bytes()
}
