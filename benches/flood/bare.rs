//! The ceiling: a loop that accepts and echoes, with as many places for strangers as the gateway.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use crate::caller::{Caller, Server};

/// Places; the first connection keeps its own, as somebody who was let in does.
const PLACES: usize = 128;

pub(crate) struct Bare {
    child: Child,
    port: u16,
}

pub(crate) fn start() -> Bare {
    let own = std::env::current_exe().unwrap();
    let mut child = Command::new(own)
        .arg("--bare")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stdout.take().unwrap());
    let port = said.lines().next().unwrap().unwrap().parse().unwrap();
    Bare { child, port }
}

impl Server for Bare {
    type Caller = TcpStream;

    fn port(&self) -> u16 {
        self.port
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn caller(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }
}

impl Caller for TcpStream {
    fn calls(&mut self, count: usize) -> Vec<Duration> {
        (0..count)
            .map(|_| {
                let begun = Instant::now();
                self.write_all(b"p").unwrap();
                self.read_exact(&mut [0]).unwrap();
                begun.elapsed()
            })
            .collect()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

/// Says its port and serves until the end of input.
pub(crate) fn serve() {
    crate::crowd::raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.spawn(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        println!("{}", listener.local_addr().unwrap().port());
        let mut connections = JoinSet::new();
        let mut places: VecDeque<AbortHandle> = VecDeque::new();
        let mut is_first = true;
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            while connections.try_join_next().is_some() {}
            let place = connections.spawn(async move {
                drop(stream.set_nodelay(true));
                let mut bytes = [0; 1024];
                while let Ok(read) = stream.read(&mut bytes).await {
                    if read == 0 || stream.write_all(&bytes[..read]).await.is_err() {
                        return;
                    }
                }
            });
            if std::mem::take(&mut is_first) {
                continue;
            }
            places.push_back(place);
            if places.len() > PLACES {
                places.pop_front().unwrap().abort();
            }
        }
    });
    drop(std::io::stdin().read(&mut [0]));
}
