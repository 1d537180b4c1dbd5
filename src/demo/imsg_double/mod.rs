//! Plays `imsg rpc`: one JSON-RPC request per line in, one answer per line out.
//!
//! A send writes the rows Messages would write, so the database itself shows what went out, and
//! a ledger of its own records the same from outside. What goes wrong is chosen per send.
//!
//! Sends run one after another on a lane of their own, so that reads stay quick behind a slow
//! one; the older profile answers everything in turn. When the input ends, what was accepted is
//! finished first.

pub mod ledger;
mod methods;
pub mod modes;
mod options;
mod rpc;
mod send;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use serde_json::Value;

pub use ledger::Ledger;
pub use options::{Options, OptionsError, Profile};
use rpc::{Request, RpcError};
use send::Lane;

/// Requests that may wait for an answer; `imsg` admits as many and calls itself busy then.
const REQUESTS_MAX: usize = 128;

/// Serves requests from `input` until it ends, then finishes what was accepted.
///
/// A send in one of the dying modes ends the whole process with exit code 3.
pub fn serve(
    db: &Path,
    options: Options,
    mut input: impl BufRead,
    output: impl Write + Send,
) -> io::Result<()> {
    let profile = options.profile;
    let replies = Replies { state: Mutex::new((output, Ok(()))) };
    let (work, queue) = sync_channel(REQUESTS_MAX);
    let (open, closed) = channel();
    let lane = Lane::new(db, options, closed)?;
    let admission = Admission { db, profile, work };
    let read = thread::scope(|scope| {
        scope.spawn(|| drain(lane, queue, &replies));
        let read = admission.run(&mut input, &replies);
        // The lane ends when both are gone: one closes its queue, the other frees a hung send.
        drop(admission);
        drop(open);
        read
    });
    read.and(replies.into_result())
}

/// Answers what was queued, in order, until the queue is closed and empty.
fn drain<W: Write>(mut lane: Lane<'_>, queue: Receiver<Request>, replies: &Replies<W>) {
    for request in queue {
        if let Some(outcome) = lane.answer(&request) {
            replies.answer(request.id, outcome);
        }
    }
}

/// Reads requests and decides where each is answered.
struct Admission<'a> {
    db: &'a Path,
    profile: Profile,
    work: SyncSender<Request>,
}

impl Admission<'_> {
    fn run<W: Write>(&self, input: &mut impl BufRead, replies: &Replies<W>) -> io::Result<()> {
        let mut line = Vec::new();
        while input.read_until(b'\n', &mut line)? > 0 {
            if !line.trim_ascii().is_empty() {
                self.admit(&line, replies);
            }
            line.clear();
        }
        Ok(())
    }

    fn admit<W: Write>(&self, line: &[u8], replies: &Replies<W>) {
        let request = match rpc::parse(line, self.profile) {
            Ok(request) => request,
            Err((id, error)) => return replies.answer(id, Err(error)),
        };
        if self.profile == Profile::V0_15 && request.method != "send" {
            let outcome = methods::call(self.db, &request);
            return replies.answer(request.id, outcome);
        }
        if let Err(TrySendError::Full(request)) = self.work.try_send(request) {
            replies.answer(request.id, Err(RpcError::busy()));
        }
    }
}

/// The output, shared by the reader of requests and the lane.
struct Replies<W> {
    state: Mutex<(W, io::Result<()>)>,
}

impl<W: Write> Replies<W> {
    /// Writes one answer; a request without an id gets none. After a failed write nothing more
    /// is written, but accepted sends still take effect: nobody listening does not stop Messages.
    fn answer(&self, id: Option<Value>, outcome: Result<Value, RpcError>) {
        let Some(id) = id else { return };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (output, broken) = &mut *state;
        if broken.is_ok() {
            let line = rpc::reply_line(&id, outcome);
            *broken = output.write_all(line.as_bytes()).and_then(|()| output.flush());
        }
    }

    fn into_result(self) -> io::Result<()> {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).1
    }
}
