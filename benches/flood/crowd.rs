//! The flood: a process that opens connections and says nothing whole on any of them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A flood that is under way, or stands there; it ends with this.
pub(crate) struct Crowd {
    child: Child,
    /// How long it took, in microseconds; 0 while it is under way.
    lasted: Arc<AtomicU64>,
}

impl Crowd {
    pub(crate) fn start(port: u16, connections: usize) -> Self {
        let own = std::env::current_exe().unwrap();
        let mut child = Command::new(own)
            .args(["--flood", &port.to_string(), "--connections", &connections.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let lasted = Arc::new(AtomicU64::new(0));
        let told = lasted.clone();
        std::thread::spawn(move || {
            let line = said.lines().next().unwrap().unwrap();
            told.store(line.parse::<u64>().unwrap().max(1), Ordering::Relaxed);
        });
        Self { child, lasted }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.lasted.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn lasted(&self) -> Duration {
        Duration::from_micros(self.lasted.load(Ordering::Relaxed))
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

/// Opens the connections, says how long that took, and keeps them until the end of input.
pub(crate) fn flood(port: u16, connections: usize) {
    raise_open_files();
    let begun = tokio::time::Instant::now();
    let crowd: Vec<TcpStream> = (0..connections)
        .map(|n| {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            // Some stop before their request, some within it, some before their first frame.
            let words = match n % 3 {
                0 => "",
                1 => "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: web",
                _ => {
                    "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
                     Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
                }
            };
            // It may have been sent away already.
            drop(stream.write_all(words.as_bytes()));
            stream
        })
        .collect();
    println!("{}", begun.elapsed().as_micros());
    drop(std::io::stdin().read(&mut [0]));
    drop(crowd);
}

/// As many open files as the system gives this process.
pub(crate) fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: now.maximum.map(|maximum| maximum.min(1 << 20)), ..now };
    setrlimit(Resource::Nofile, raised).unwrap();
}
