//! The janitor actor: forgets records that only guard a window, once an hour, and checks every
//! record for damage, once a day.
//!
//! Sent to by its own timer only. Restart: sweeps again. Invariant: L1 (every window is bounded).

use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use telson_supervision::Health;

use crate::answer::sweep_answers;
use crate::channel::webchat::sweep_web_chat;
use crate::client_tool::sweep_client_tools;
use crate::clock::Clock;
use crate::dead_letter::{ReplayRecord, replay_prefix};
use crate::inbox::DedupeRecord;
use crate::node::sweep::sweep_nodes;
use crate::outbox::{ReceiptRecord, receipt_prefix};
use crate::store::sweep::{Retention, sweep};
use crate::store::{Batch, Key, Space, Store, StoreError};
use crate::tool::core::{EffectRecord, effect_prefix};
use crate::usage::{DayUsage, day_usage_prefix};

/// How often it sweeps.
const SWEEP_EVERY: Duration = Duration::from_hours(1);
/// The first sweep waits until the start-up rush is over.
const FIRST_SWEEP: Duration = Duration::from_mins(1);

/// Records of a kind that stay however old they look, about 1 MB: a machine may start with a clock
/// that is wrong by years, and an emptied window would let redelivered messages through again.
const LOOKS_OLD_MAX: usize = 10_000;
/// Every so many sweeps all records are checked, the first one included: 2 to 5 microseconds each.
const PATROL_EVERY: u32 = 24;

/// Platform ids are remembered this long: longer than any platform has been seen to redeliver.
pub const DEDUPE_WINDOW: Retention =
    Retention { age: Duration::from_hours(168), count_min: LOOKS_OLD_MAX, count_max: 100_000 };
/// Receipts answer "what became of it" for this long.
pub const RECEIPT_WINDOW: Retention =
    Retention { age: Duration::from_hours(720), count_min: LOOKS_OLD_MAX, count_max: 100_000 };

/// What a day has cost is known for more than a year; what a session has cost, as long as it lives.
pub const USAGE_WINDOW: Retention =
    Retention { age: Duration::from_hours(9600), count_min: LOOKS_OLD_MAX, count_max: 100_000 };

/// What it needs.
#[derive(Clone)]
pub struct JanitorDeps {
    /// What it sweeps.
    pub store: Store,
    /// Time.
    pub clock: Clock,
    /// Completed sweeps.
    pub health: Health,
}

/// What it tells itself.
pub enum JanitorMessage {
    /// Sweep now.
    Sweep,
}

/// See the module.
pub struct JanitorActor;

/// Its memory.
pub struct Janitor {
    deps: JanitorDeps,
    sweeps: u32,
}

impl Actor for JanitorActor {
    type Msg = JanitorMessage;
    type State = Janitor;
    type Arguments = JanitorDeps;

    async fn pre_start(
        &self,
        myself: ActorRef<JanitorMessage>,
        deps: JanitorDeps,
    ) -> Result<Janitor, ActorProcessingErr> {
        myself.send_after(FIRST_SWEEP, || JanitorMessage::Sweep);
        Ok(Janitor { deps, sweeps: 0 })
    }

    async fn handle(
        &self,
        myself: ActorRef<JanitorMessage>,
        JanitorMessage::Sweep: JanitorMessage,
        Janitor { deps, sweeps }: &mut Janitor,
    ) -> Result<(), ActorProcessingErr> {
        if *sweeps % PATROL_EVERY == 0 {
            patrol(&deps.store).await?;
        }
        *sweeps = sweeps.wrapping_add(1);
        let swept = sweep_all(&deps.store, &deps.clock).await?;
        tracing::debug!(swept, "old records removed");
        deps.health.completed();
        myself.send_after(SWEEP_EVERY, || JanitorMessage::Sweep);
        Ok(())
    }
}

/// Checks every record of the store; damaged ones are set aside.
///
/// # Errors
/// What the store answers.
pub async fn patrol(store: &Store) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        after = store.patrol(after.as_ref())?;
        if after.is_none() {
            // What was set aside is so durably behind this.
            return store.commit(Batch::new()).await;
        }
        tokio::task::yield_now().await;
    }
}

/// Removes everything outside its window; answers how many records.
///
/// # Errors
/// What the store answers.
pub async fn sweep_all(store: &Store, clock: &Clock) -> Result<usize, StoreError> {
    // Nothing ages because somebody sets the clock.
    let now = clock.cautious();
    let dedupe = Key::of(Space::Dedupe);
    let ids = sweep::<DedupeRecord>(store, &dedupe, DEDUPE_WINDOW, now, |record| record.at).await?;
    let receipts =
        sweep::<ReceiptRecord>(store, &receipt_prefix(), RECEIPT_WINDOW, now, |record| record.at)
            .await?;
    // A call is made again within moments of a restart: the window of platform ids is ample.
    let effects =
        sweep::<EffectRecord>(store, &effect_prefix(), DEDUPE_WINDOW, now, |record| record.at)
            .await?;
    let usage =
        sweep::<DayUsage>(store, &day_usage_prefix(), USAGE_WINDOW, now, |record| record.at)
            .await?;
    // As long as the receipt, or the transcript, of what it led to can be asked for.
    let replays =
        sweep::<ReplayRecord>(store, &replay_prefix(), RECEIPT_WINDOW, now, |record| record.at)
            .await?;
    let chats = sweep_web_chat(store, now).await?;
    let tools = sweep_client_tools(store, now).await?;
    let answers = sweep_answers(store, now).await?;
    let nodes = sweep_nodes(store, now).await?;
    Ok(ids + receipts + effects + usage + replays + chats + tools + answers + nodes)
}
