//! An answer that is the same for everybody who may ask, kept as text for a moment.
//!
//! Dashboards, probes and apps all poll `health`; what they are told is at most [`KEPT_MAX`] old and
//! says of which moment it is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How old an answer may be.
const KEPT_MAX: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Debug, Default)]
pub struct Kept(Mutex<Option<(Instant, Arc<str>)>>);

impl Kept {
    /// What was answered a moment ago.
    pub(super) fn fresh(&self) -> Option<Arc<str>> {
        let kept = self.lock();
        kept.as_ref().filter(|(since, _)| since.elapsed() < KEPT_MAX).map(|(_, text)| text.clone())
    }

    /// Keeps what was found out since then.
    pub(super) fn keep(&self, since: Instant, text: Arc<str>) {
        *self.lock() = Some((since, text));
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Instant, Arc<str>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_kept_for_a_moment_only() {
        let kept = Kept::default();
        assert_eq!(kept.fresh(), None);
        let since = Instant::now();
        tokio::time::advance(Duration::from_millis(30)).await;
        kept.keep(since, "well".into());
        tokio::time::advance(Duration::from_millis(69)).await;
        assert_eq!(kept.fresh().as_deref(), Some("well"));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(kept.fresh(), None, "its age counts from when it was found out");
    }
}
