//! Asking the service to begin anew with what its config says now: another engine in the same
//! process, once what is under way is finished.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

/// See the module. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Restart(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    asked: Notify,
    is_asked: AtomicBool,
    at_once: AtomicBool,
    /// Panics of this process.
    panics: AtomicU64,
    /// Engines that were begun because somebody asked.
    done: AtomicU64,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Not to wait until what is under way is finished; it goes on afterwards.
    pub(crate) at_once: bool,
}

impl Restart {
    /// Asks for it; `false` if somebody has asked already.
    pub(crate) fn ask(&self, at_once: bool) -> bool {
        if at_once {
            self.0.at_once.store(true, Ordering::Release);
        }
        let is_first = !self.0.is_asked.swap(true, Ordering::AcqRel);
        self.0.asked.notify_one();
        is_first
    }

    /// Returns once somebody asks.
    pub(crate) async fn asked(&self) -> Wish {
        self.0.asked.notified().await;
        Wish { at_once: self.0.at_once.swap(false, Ordering::AcqRel) }
    }

    /// The wish is fulfilled, or can't be.
    pub(crate) fn answered(&self, is_done: bool) {
        self.0.is_asked.store(false, Ordering::Release);
        self.0.done.fetch_add(u64::from(is_done), Ordering::AcqRel);
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
    use super::*;

    #[tokio::test]
    async fn a_wish_is_heard_once_also_if_nobody_listened_yet() {
        let restart = Restart::default();
        assert!(restart.ask(false));
        assert!(!restart.ask(true), "it is asked for already");
        assert_eq!(restart.asked().await, Wish { at_once: true });
        restart.answered(true);
        assert_eq!(restart.done(), 1);
        assert!(restart.ask(false), "it may be asked for again");
        assert_eq!(restart.asked().await, Wish { at_once: false });
    }
}
