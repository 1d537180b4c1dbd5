//! A wire tap: passes bytes between clients and the gateway as they are, and reads the WebSocket
//! frames out of what it has seen.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

/// Bytes of one connection.
#[derive(Default)]
struct Tape {
    to_server: Vec<u8>,
    to_client: Vec<u8>,
}

/// A frame that left the gateway.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    /// For an answer: the method it answers.
    pub(crate) method: Option<String>,
    pub(crate) frame: Value,
}

/// See the module.
pub(crate) struct Recorder {
    pub(crate) port: u16,
    tapes: Arc<Mutex<Vec<Arc<Mutex<Tape>>>>>,
}

impl Recorder {
    /// Listens on a free port, in front of a gateway.
    pub(crate) fn start(gateway: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let tapes: Arc<Mutex<Vec<Arc<Mutex<Tape>>>>> = Arc::default();
        let kept = tapes.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(gateway)) else { break };
                let tape = Arc::new(Mutex::new(Tape::default()));
                kept.lock().unwrap().push(tape.clone());
                pass(&client, &server, tape.clone(), |tape| &mut tape.to_server);
                pass(&server, &client, tape, |tape| &mut tape.to_client);
            }
        });
        Self { port, tapes }
    }

    /// Every frame that left the gateway so far.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        let mut all = Vec::new();
        for tape in self.tapes.lock().unwrap().iter() {
            let tape = tape.lock().unwrap();
            let mut methods = HashMap::new();
            for frame in frames(&tape.to_server) {
                let id = frame["id"].as_str().unwrap_or_default().to_owned();
                methods.insert(id, frame["method"].as_str().unwrap_or_default().to_owned());
            }
            for frame in frames(&tape.to_client) {
                let id = frame["id"].as_str().unwrap_or_default();
                all.push(Sent { method: methods.get(id).cloned(), frame: frame.clone() });
            }
        }
        all
    }
}

fn pass(
    from: &TcpStream,
    to: &TcpStream,
    tape: Arc<Mutex<Tape>>,
    side: fn(&mut Tape) -> &mut Vec<u8>,
) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            side(&mut tape.lock().unwrap()).extend_from_slice(&buffer[..length]);
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        // The other side may be gone already.
        drop(to.shutdown(Shutdown::Both));
    });
}

/// The JSON texts of a WebSocket stream behind its HTTP head. A last frame that is cut off is none.
fn frames(bytes: &[u8]) -> Vec<Value> {
    let Some(head) = bytes.windows(4).position(|part| part == b"\r\n\r\n") else { return vec![] };
    let (mut rest, mut message, mut found) = (&bytes[head + 4..], Vec::new(), Vec::new());
    while let Some((frame, after)) = frame(rest) {
        rest = after;
        if frame.opcode <= 1 {
            message.extend(frame.payload);
            if frame.is_last {
                found.push(serde_json::from_slice(&message).expect("every text is JSON"));
                message.clear();
            }
        }
    }
    found
}

struct Frame {
    is_last: bool,
    opcode: u8,
    payload: Vec<u8>,
}

fn frame(bytes: &[u8]) -> Option<(Frame, &[u8])> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let (length, mut at) = match second & 0x7f {
        126 => (usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        127 => (usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?, 10),
        short => (usize::from(short), 2),
    };
    let mask = if second & 0x80 == 0 {
        [0; 4]
    } else {
        at += 4;
        bytes.get(at - 4..at)?.try_into().ok()?
    };
    let payload = bytes.get(at..at + length)?;
    let payload = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    let frame = Frame { is_last: first & 0x80 != 0, opcode: first & 0x0f, payload };
    Some((frame, &bytes[at + length..]))
}
