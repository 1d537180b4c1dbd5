//! Asking the service to begin anew with what its config says now: another engine in the same
//! process, once what is under way is finished.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// See the module. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Restart(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    asked: Notify,
    is_asked: AtomicBool,
    /// When it is to be asked for by itself.
    due: Mutex<Option<Instant>>,
    is_due_sooner: Notify,
    /// Somebody has asked while it was asked for already.
    again: AtomicBool,
    hurry: Notify,
    at_once: AtomicBool,
    /// Why the last one came to nothing.
    trouble: Mutex<Option<String>>,
    /// Panics of this process.
    panics: AtomicU64,
    /// Engines that were begun because somebody asked.
    done: AtomicU64,
}

/// A wish that was heard, and is heard again if nobody takes it.
struct Heard<'a> {
    restart: &'a Restart,
    is_taken: bool,
}

impl Drop for Heard<'_> {
    fn drop(&mut self) {
        if !self.is_taken {
            self.restart.0.asked.notify_one();
        }
    }
}

impl Restart {
    /// Asks for it; `false` if somebody has asked already, and then it happens once for both.
    pub(crate) fn ask(&self, at_once: bool) -> bool {
        if at_once {
            self.0.at_once.store(true, Ordering::Release);
            self.0.hurry.notify_waiters();
        }
        let is_first = !self.0.is_asked.swap(true, Ordering::AcqRel);
        // One more would be kept for the next engine, and end that one.
        if is_first {
            self.0.asked.notify_one();
        } else {
            self.0.again.store(true, Ordering::Release);
        }
        is_first
    }

    /// Whether somebody has asked and is not served yet.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.is_asked.load(Ordering::Acquire)
    }

    /// Asks for it after a while; of several such moments the first counts, for all of them.
    pub(crate) fn ask_in(&self, pause: Duration) {
        let Some(at) = Instant::now().checked_add(pause) else { return };
        let mut due = self.due();
        *due = Some(due.map_or(at, |known| known.min(at)));
        self.0.is_due_sooner.notify_one();
    }

    /// Returns once somebody asks, or has wanted it by now.
    pub(crate) async fn asked(&self) {
        loop {
            let due = *self.due();
            let come = async {
                match due {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.0.asked.notified() => return,
                () = come => {
                    *self.due() = None;
                    self.ask(false);
                }
                () = self.0.is_due_sooner.notified() => {}
            }
        }
    }

    /// The same, but returns only once `may_begin` has. Whoever leaves in between leaves the wish to
    /// who listens next.
    pub(crate) async fn asked_and(&self, may_begin: impl Future<Output = ()>) {
        self.asked().await;
        let mut wish = Heard { restart: self, is_taken: false };
        may_begin.await;
        wish.is_taken = true;
    }

    fn due(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns once somebody who has asked does not want to wait until what is under way is finished;
    /// it goes on afterwards.
    pub(crate) async fn hurried(&self) {
        loop {
            let notified = self.0.hurry.notified();
            if self.0.at_once.load(Ordering::Acquire) {
                return;
            }
            notified.await;
        }
    }

    /// The old engine is gone, or stays for good: who asks from now on asks for another restart.
    /// Answers whether somebody has asked again since the first.
    pub(crate) fn taken(&self) -> bool {
        self.0.at_once.store(false, Ordering::Release);
        *self.due() = None;
        self.0.is_asked.store(false, Ordering::Release);
        self.0.again.swap(false, Ordering::AcqRel)
    }

    /// The wish is fulfilled; perhaps with the config of when it was asked for, because what the
    /// file has come to say since is of no use.
    pub(crate) fn fulfilled(&self, stale: Option<String>) {
        self.0.done.fetch_add(1, Ordering::AcqRel);
        *self.trouble() = stale.map(|why| {
            format!(
                "the config file was changed while a restart was under way, and can't be used: \
                 {why}; the service runs with what it said before that"
            )
        });
    }

    /// It could not be, and the service goes on as it was.
    pub(crate) fn failed(&self, why: &str) {
        tracing::error!("a restart failed: {why}; going on with the config from before");
        *self.trouble() = Some(format!(
            "the last restart failed: {why}; the service goes on with the config it had before"
        ));
    }

    /// What a person should know of it.
    pub(crate) fn notice(&self) -> Option<String> {
        self.trouble().clone()
    }

    fn trouble(&self) -> MutexGuard<'_, Option<String>> {
        self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often it has happened.
    pub(crate) fn done(&self) -> u64 {
        self.0.done.load(Ordering::Acquire)
    }

    /// Counts the panics of this process from now on; they are told as before.
    pub(crate) fn watch_panics(&self) {
        let (inner, tell) = (self.0.clone(), std::panic::take_hook());
        std::panic::set_hook(Box::new(move |panic| {
            inner.panics.fetch_add(1, Ordering::AcqRel);
            tell(panic);
        }));
    }

    /// How many there were.
    pub(crate) fn panics(&self) -> u64 {
        self.0.panics.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_wish_is_heard_once_also_if_nobody_listened_yet() {
        let restart = Restart::default();
        assert!(restart.ask(false));
        assert!(!restart.ask(true), "it is asked for already");
        restart.asked().await;
        restart.hurried().await;
        assert!(restart.taken(), "and that was after the first");
        restart.fulfilled(None);
        assert_eq!(restart.done(), 1);
        assert!(restart.ask(false), "it may be asked for again");
        restart.asked().await;
        assert!(restart.hurried().now_or_never().is_none(), "the haste was that of the other");
    }

    // The engine that was to be followed may fail while the wish waits for its moment.
    #[tokio::test]
    async fn a_wish_that_nobody_could_wait_with_is_heard_again() {
        let restart = Restart::default();
        restart.ask(false);
        let never = std::future::pending::<()>();
        assert!(restart.asked_and(never).now_or_never().is_none());
        restart.asked_and(async {}).now_or_never().expect("it is heard by who comes next");
        assert!(restart.is_asked());
        restart.taken();
        assert!(restart.asked().now_or_never().is_none(), "and once");
    }

    #[tokio::test]
    async fn who_asks_while_it_happens_does_not_end_the_next_engine() {
        let restart = Restart::default();
        restart.ask(false);
        restart.asked().await;
        let mut hurried = Box::pin(restart.hurried());
        assert!((&mut hurried).now_or_never().is_none());
        assert!(!restart.ask(true));
        hurried.await;
        assert!(restart.taken());
        assert!(!restart.taken());
        assert!(restart.asked().now_or_never().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wish_for_later_comes_at_the_first_of_its_moments_and_once() {
        let restart = Restart::default();
        let begun = Instant::now();
        restart.ask_in(Duration::from_mins(1));
        let sooner = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            restart.ask_in(Duration::from_secs(10));
        };
        tokio::join!(restart.asked(), sooner);
        assert_eq!(begun.elapsed(), Duration::from_secs(15));
        assert!(restart.is_asked());
        restart.ask_in(Duration::from_secs(1));
        restart.taken();
        let long = Duration::from_mins(10);
        assert!(tokio::time::timeout(long, restart.asked()).await.is_err(), "one for all of them");
    }

    #[test]
    fn a_failure_is_told_until_one_goes_well() {
        let restart = Restart::default();
        restart.failed("no port");
        assert!(restart.notice().unwrap().contains("no port"));
        restart.fulfilled(Some("no brace".into()));
        assert!(restart.notice().unwrap().contains("no brace"));
        restart.fulfilled(None);
        assert_eq!(restart.notice(), None);
    }
}
