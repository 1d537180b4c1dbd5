//! Waiting for the next message of a queue on a plain thread, with a limit.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::time::Instant;

/// What came.
pub(super) enum Received<T> {
    /// A message.
    Message(T),
    /// Nothing, within the limit.
    Nothing,
    /// Nothing, and nobody is left to send.
    Closed,
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Blocks its thread until there is a message, for `limit` at most.
pub(super) fn receive<T>(queue: &mut Receiver<T>, limit: Option<Duration>) -> Received<T> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let end = limit.map(|limit| Instant::now() + limit);
    loop {
        match queue.poll_recv(&mut context) {
            Poll::Ready(Some(message)) => return Received::Message(message),
            Poll::Ready(None) => return Received::Closed,
            Poll::Pending => match end.map(|end| end.duration_since(Instant::now())) {
                None => std::thread::park(),
                Some(Duration::ZERO) => return Received::Nothing,
                Some(left) => std::thread::park_timeout(left),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_a_limit_and_an_end() {
        let (sender, mut queue) = tokio::sync::mpsc::channel(4);
        let thread = std::thread::spawn(move || {
            std::thread::park();
            sender.try_send(7).unwrap();
        });
        assert!(matches!(receive(&mut queue, Some(Duration::from_millis(1))), Received::Nothing));
        thread.thread().unpark();
        assert!(matches!(receive(&mut queue, None), Received::Message(7)));
        assert!(matches!(receive(&mut queue, None), Received::Closed));
        thread.join().unwrap();
    }
}
