//! The disk actor: looks at the free space once a second.
//!
//! Only its own timer sends to it; the router reads what it found. [`Watermark`] decides.
//! Restart: looks again before anything else starts. Invariant: L1 (the disk is bounded).

use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use telson_supervision::Health;

use super::space::{DiskReport, DiskSpace};
use super::watermark::Watermark;
use crate::store::{Store, StoreError};

/// How often it looks: a busy service writes far less than the mark leaves in that time.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const MIB: u64 = 1024 * 1024;

/// What it needs.
#[derive(Clone)]
pub struct DiskDeps {
    /// Whose disk it looks at.
    pub store: Store,
    /// When space is too little.
    pub watermark: Watermark,
    /// Where it says so.
    pub space: DiskSpace,
    /// Completed looks, and the note for people.
    pub health: Health,
}

/// What it tells itself.
pub enum DiskMessage {
    /// Look now.
    Look,
}

/// See the module.
pub struct DiskActor;

impl Actor for DiskActor {
    type Msg = DiskMessage;
    type State = DiskDeps;
    type Arguments = DiskDeps;

    // The first look comes before the router starts to admit.
    async fn pre_start(
        &self,
        myself: ActorRef<DiskMessage>,
        deps: DiskDeps,
    ) -> Result<DiskDeps, ActorProcessingErr> {
        look(&deps).await;
        // A store without a disk has none later either.
        if !matches!(deps.store.free_bytes(), Ok(None)) {
            myself.send_after(LOOK_EVERY, || DiskMessage::Look);
        }
        Ok(deps)
    }

    async fn handle(
        &self,
        myself: ActorRef<DiskMessage>,
        DiskMessage::Look: DiskMessage,
        deps: &mut DiskDeps,
    ) -> Result<(), ActorProcessingErr> {
        look(deps).await;
        myself.send_after(LOOK_EVERY, || DiskMessage::Look);
        Ok(())
    }
}

async fn look(deps: &DiskDeps) {
    let free_bytes = match deps.store.free_bytes() {
        Ok(free) => free,
        Err(error) => {
            // What was known before stands: admission must not depend on one odd answer.
            tracing::debug!(%error, "free space unknown");
            return;
        }
    };
    let was_low = deps.space.shortage().is_some();
    let shortage = match free_bytes {
        Some(free) if deps.watermark.is_low(was_low, free) => Some(few(deps.watermark, free)),
        Some(_) => set_aside(&deps.store).await.err().map(|error| no_reserve(&error)),
        None => None,
    };
    match &shortage {
        Some(shortage) if !was_low => tracing::warn!("{shortage}"),
        None if was_low => {
            tracing::info!(free_bytes, "there is space on the disk again: messages are admitted");
        }
        _ => {}
    }
    deps.health.set_note(shortage.clone());
    deps.space.set(DiskReport { free_bytes, shortage });
    deps.health.completed();
}

/// Space for finishing what is under way comes first; without it nothing is admitted.
async fn set_aside(store: &Store) -> Result<(), StoreError> {
    if !store.wants_reserve() {
        return Ok(());
    }
    let store = store.clone();
    let kept = tokio::task::spawn_blocking(move || store.keep_reserve()).await;
    kept.map_err(|error| StoreError::Database(error.to_string()))?
}

fn few(watermark: Watermark, free: u64) -> String {
    format!(
        "the disk is nearly full ({} MiB free): what was admitted is answered, nothing more is \
         admitted until {} MiB are free; remove something from the disk of the state directory",
        free / MIB,
        watermark.resume_at.max(watermark.stop_below).div_ceil(MIB),
    )
}

fn no_reserve(error: &StoreError) -> String {
    format!(
        "no space can be set aside ({error}): what was admitted is answered, nothing more is \
         admitted; remove something from the disk of the state directory, or raise its quota"
    )
}
