//! Calls of tools and nodes that others make, as long as they run: an engine that comes to its end
//! waits for them, and whoever repeats one hears how it ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use telson_actors::provider::ToolResult;
use telson_actors::store::Key;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// See the module. Bounded by who makes them. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    last: u64,
    running: BTreeMap<u64, Running>,
}

#[derive(Debug)]
struct Running {
    /// When nobody waits for it any more, if it has not ended by then.
    until: Option<Instant>,
    key: Option<Key>,
    /// Who has asked again.
    repeats: Vec<oneshot::Sender<ToolResult>>,
}

/// A call that runs, until this is dropped.
#[derive(Debug)]
pub(crate) struct RunningCall {
    calls: Calls,
    number: u64,
}

impl Calls {
    /// A call begins: whoever ends the engine waits for it, until then at most.
    pub(crate) fn begin(&self, until: Option<Instant>, key: Option<Key>) -> RunningCall {
        let mut state = self.state();
        state.last += 1;
        let number = state.last;
        state.running.insert(number, Running { until, key, repeats: Vec::new() });
        RunningCall { calls: self.clone(), number }
    }

    /// How many run that are waited for.
    pub(super) fn count(&self, now: Instant) -> u64 {
        let state = self.state();
        let waited_for = |it: &&Running| it.until.is_none_or(|until| until > now);
        state.running.values().filter(waited_for).count() as u64
    }

    /// Waits for the end of the call under a key; nothing where none runs.
    pub(super) fn join(&self, key: &Key) -> Option<oneshot::Receiver<ToolResult>> {
        let mut state = self.state();
        let mut running = state.running.values_mut();
        let call = running.find(|it| it.key.as_ref() == Some(key))?;
        call.repeats.retain(|it| !it.is_closed());
        let (sender, receiver) = oneshot::channel();
        call.repeats.push(sender);
        Some(receiver)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunningCall {
    /// It has ended like this; who has repeated it is told.
    pub(super) fn end(self, result: &ToolResult) {
        let running = self.calls.state().running.remove(&self.number);
        for repeat in running.into_iter().flat_map(|it| it.repeats) {
            // Whoever asked may have left.
            repeat.send(result.clone()).ok();
        }
    }
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        self.calls.state().running.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use telson_actors::provider::ToolStatus;
    use telson_actors::store::Space;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_is_waited_for_until_it_ends_or_its_time_is_over() {
        let calls = Calls::default();
        let now = Instant::now();
        let long = calls.begin(None, None);
        let short = calls.begin(Some(now + Duration::from_secs(30)), None);
        assert_eq!(calls.count(now), 2);
        assert_eq!(calls.count(now + Duration::from_secs(30)), 1);
        drop(long);
        assert_eq!(calls.count(now), 1);
        drop(short);
        assert_eq!(calls.count(now), 0);
    }

    #[tokio::test]
    async fn who_repeats_a_call_hears_its_end_or_that_there_is_none() {
        let calls = Calls::default();
        let (own, other) = (Key::of(Space::Answer).text("a"), Key::of(Space::Answer).text("b"));
        let (first, second) =
            (calls.begin(None, Some(own.clone())), calls.begin(None, Some(other.clone())));
        let (told, gone) = (calls.join(&own).unwrap(), calls.join(&other).unwrap());
        drop(calls.join(&own).unwrap());
        let result = ToolResult {
            call: "1".into(),
            name: "count".into(),
            text: "it is done".into(),
            status: ToolStatus::Done,
        };
        first.end(&result);
        drop(second);
        assert_eq!(told.await.unwrap().text, "it is done");
        assert!(gone.await.is_err(), "nobody knows");
        assert!(calls.join(&own).is_none());
    }
}
