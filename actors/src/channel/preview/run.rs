//! Watches the stream for one account and does on its platform what [`drafts`](super::drafts) wants.
//!
//! One supervised future: it reads the stream, and at most one call for each preview is under way.
//! Restart: what stands is removed; turns in flight get no preview until the next one begins.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::timeout;

use super::Previews;
use super::drafts::{Done, Drafts, Op, PreviewLimits, Whose};
use super::record::{PreviewRecord, preview_key, preview_prefix};
use crate::channel::Channel;
use crate::clock::Clock;
use crate::message::AccountKey;
use crate::store::{Batch, Store, StoreError};
use crate::stream::{Item, Streams, Subscription};

/// A platform that takes longer for a preview has failed at it.
const CALL_MAX: Duration = Duration::from_secs(10);
/// How long to sleep where nothing is to be done at a certain time.
const SLEEP_MAX: Duration = Duration::from_hours(1);

/// What previews need.
#[derive(Clone)]
pub struct PreviewDeps {
    /// Their account.
    pub account: AccountKey,
    /// The platform; without the capability there is nothing to do.
    pub channel: Arc<dyn Channel>,
    /// Their pace.
    pub limits: PreviewLimits,
    /// What models say.
    pub streams: Streams,
    /// Where it is noted what stands.
    pub store: Store,
    /// Time.
    pub clock: Clock,
}

type Calls<'a> = FuturesUnordered<BoxFuture<'a, (Whose, Op, Done)>>;

/// Shows previews until the engine stops. It hears what is told from this call on, not only from
/// its first poll: a turn that begins in between has its preview too.
pub fn run(deps: PreviewDeps) -> impl Future<Output = ()> + Send {
    let watching = deps.streams.subscribe(None);
    show(deps, watching)
}

async fn show(deps: PreviewDeps, mut watching: Subscription) {
    let Some(platform) = deps.channel.previews() else { return };
    let limits = deps.limits;
    let mut drafts = Drafts::new(deps.account.clone(), deps.channel.capabilities(), limits);
    match deps.store.scan::<PreviewRecord>(&preview_prefix(&deps.account)) {
        Ok(left) => left.into_iter().for_each(|(_, record)| drafts.left_over(record)),
        Err(error) => tracing::warn!(%error, "previews of an earlier life can't be found"),
    }
    let mut calls = Calls::new();
    loop {
        let now = deps.clock.steady();
        let (ops, wake_at) = drafts.plan(now);
        calls.extend(ops.into_iter().map(|(whose, op)| call(platform, whose, op)));
        let sleep = wake_at.map_or(SLEEP_MAX, |at| at.since(now).max(Duration::from_millis(1)));
        tokio::select! {
            biased;
            Some((whose, op, done)) = calls.next() => {
                deps.note(&whose, &op, &done);
                if drafts.done(&whose, done, deps.clock.steady()) {
                    deps.forget(&whose);
                }
            }
            item = watching.next() => match item {
                Some(Item::Event(event)) => drafts.hear(event),
                Some(Item::Gap(_)) => drafts.lose_track(),
                None => return,
            },
            () = tokio::time::sleep(sleep) => {}
        }
    }
}

fn call(platform: &dyn Previews, whose: Whose, op: Op) -> BoxFuture<'_, (Whose, Op, Done)> {
    Box::pin(async move {
        let doing = AssertUnwindSafe(perform(platform, &op)).catch_unwind();
        let done = match timeout(CALL_MAX, doing).await {
            Ok(Ok(Ok(done))) => done,
            Ok(Ok(Err(error))) => failed(&whose, &error),
            Ok(Err(_)) => failed(&whose, "the channel panicked"),
            Err(_) => failed(&whose, "the platform gave no answer"),
        };
        (whose, op, done)
    })
}

async fn perform(platform: &dyn Previews, op: &Op) -> Result<Done, String> {
    match op {
        Op::Show(to, text) => platform.show(to, text).await.map(Done::Shown),
        Op::Change(to, id, text) => platform.change(to, id, text).await.map(|()| Done::Changed),
        Op::Remove(to, id) => platform.remove(to, id).await.map(|()| Done::Removed),
    }
}

fn failed(whose: &Whose, error: &str) -> Done {
    tracing::debug!(session = %whose.0, error, "a preview failed");
    Done::Failed
}

impl PreviewDeps {
    /// Notes what stands, and what does not stand any more. Nobody waits for it.
    fn note(&self, (session, turn): &Whose, op: &Op, done: &Done) {
        match (op, done) {
            (Op::Show(to, _), Done::Shown(id)) => {
                let record = PreviewRecord {
                    session: session.to_string(),
                    turn: *turn,
                    to: to.clone(),
                    id: id.clone(),
                };
                let mut batch = Batch::new();
                batch.put(preview_key(&self.account, session, *turn), &record);
                self.write(batch);
            }
            (Op::Remove(..), Done::Removed) => self.forget(&(session.clone(), *turn)),
            _ => {}
        }
    }

    fn forget(&self, (session, turn): &Whose) {
        let mut batch = Batch::new();
        batch.delete(preview_key(&self.account, session, *turn));
        self.write(batch);
    }

    fn write(&self, batch: Batch) {
        let written = |result: Result<(), StoreError>| {
            if let Err(error) = result {
                tracing::debug!(%error, "a preview could not be noted");
            }
        };
        written(self.store.submit_unsynced(batch, written));
    }
}
