//! Looks dead letters up, puts them back to work, or drops them.
//!
//! Sent to by whoever serves a person (control socket, embedder). It sends to sessions (a replayed
//! message) and to delivery actors (a replayed reply).
//! Restart: has no state. Invariant: D2, a replay and the end of its dead letter are one commit.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use telson_supervision::{Health, Registry, Via};

use super::done_before::{DoneBefore, done_key};
use super::record::{DeadLetter, DeadLetterId, Item, key, prefix};
use super::replay::{ReplayRecord, replay_key};
use crate::clock::Clock;
use crate::crash_point::crash_point;
use crate::event::excerpt;
use crate::inbox::{InboxRecord, inbox_key};
use crate::message::EnvelopeId;
use crate::outbox::{EntryId, EntryRecord, EntryState, Outbox, entry_key};
use crate::router::Admissions;
use crate::store::{Batch, Damaged, Expect, Space, Store, StoreError};

/// The name it answers to.
const NAME: &str = "dead-letters";

/// What it needs.
#[derive(Clone)]
pub struct DeadLetterDeps {
    /// Where dead letters live.
    pub store: Store,
    /// Time.
    pub clock: Clock,
    /// Where a replayed reply goes.
    pub outbox: Outbox,
    /// The router, to look again for what an earlier life replayed and did not tell.
    pub admissions: Admissions,
    /// Where a replayed message goes: the session of the record.
    pub deliver: Arc<dyn Fn(InboxRecord) + Send + Sync>,
    /// Where it answers to its name.
    pub registry: Registry,
    /// Completed work.
    pub health: Health,
}

/// What it is told.
pub enum DeadLetterMessage {
    /// Put it back to work, as it is or with another text.
    Replay(DeadLetterId, Option<String>, RpcReplyPort<Result<String, String>>),
    /// Forget it.
    Drop(DeadLetterId, RpcReplyPort<Result<(), String>>),
}

/// See the module.
pub struct DeadLetterActor;

impl Actor for DeadLetterActor {
    type Msg = DeadLetterMessage;
    type State = DeadLetterDeps;
    type Arguments = DeadLetterDeps;

    async fn pre_start(
        &self,
        myself: ActorRef<DeadLetterMessage>,
        deps: DeadLetterDeps,
    ) -> Result<DeadLetterDeps, ActorProcessingErr> {
        deps.registry.register(NAME, &myself, Some(deps.health.clone()));
        deps.admissions.reread();
        deps.outbox.reread();
        Ok(deps)
    }

    async fn handle(
        &self,
        _: ActorRef<DeadLetterMessage>,
        message: DeadLetterMessage,
        deps: &mut DeadLetterDeps,
    ) -> Result<(), ActorProcessingErr> {
        deps.health.taken();
        match message {
            DeadLetterMessage::Replay(id, text, reply) => {
                let result = replay(deps, id, text).await;
                // Whoever asked may have gone.
                drop(reply.send(result));
            }
            DeadLetterMessage::Drop(id, reply) => {
                let mut batch = Batch::new();
                take(&mut batch, id);
                let result = deps.store.commit(batch).await.map_err(|error| missing(id, &error));
                drop(reply.send(result));
            }
        }
        deps.health.completed();
        Ok(())
    }
}

async fn replay(
    deps: &DeadLetterDeps,
    id: DeadLetterId,
    text: Option<String>,
) -> Result<String, String> {
    let letter: Option<DeadLetter> = deps.store.get(&key(id)).map_err(|error| error.to_string())?;
    let Some(letter) = letter else { return Err(missing(id, &StoreError::Conflict)) };
    let mut replay = ReplayRecord {
        at: deps.clock.now(),
        letter: id,
        dead_since: letter.at,
        reason: letter.reason,
        before: 0,
        said: None,
    };
    match letter.item {
        Item::Inbound(mut record) => {
            replay.said = change(&mut record.envelope.inbound.text, text);
            replay_inbound(deps, replay, *record).await
        }
        Item::Outbound(mut entry) => {
            replay.said = change(&mut entry.text, text);
            replay_outbound(deps, replay, *entry).await
        }
        Item::Row { platform_id, .. } => Err(format!(
            "{id} is a row ({platform_id}) that never became a message; it can only be dropped"
        )),
    }
}

/// Puts another text in the place of one; answers how that began.
fn change(text: &mut String, other: Option<String>) -> Option<String> {
    let before = std::mem::replace(text, other?);
    (before != *text).then(|| excerpt(&before))
}

async fn replay_inbound(
    deps: &DeadLetterDeps,
    mut replay: ReplayRecord,
    mut record: InboxRecord,
) -> Result<String, String> {
    let (id, number) = (replay.letter, deps.store.next_id().map_err(|error| error.to_string())?);
    replay.before = record.envelope.id.0;
    record.envelope.id = EnvelopeId(number);
    let mut batch = Batch::new();
    take(&mut batch, id);
    batch.put(replay_key(number), &replay);
    batch.put(inbox_key(&record.session, record.envelope.id), &record).tally(Space::Inbox, 1);
    crash_point("replay.before_message");
    deps.store.commit(batch).await.map_err(|error| missing(id, &error))?;
    crash_point("replay.after_message");
    let text = format!("{id} is message {} again", record.envelope.id);
    (deps.deliver)(record);
    Ok(text)
}

async fn replay_outbound(
    deps: &DeadLetterDeps,
    mut replay: ReplayRecord,
    mut entry: EntryRecord,
) -> Result<String, String> {
    let (id, number) = (replay.letter, deps.store.next_id().map_err(|error| error.to_string())?);
    replay.before = entry.id.0;
    // A new number puts it behind what waits in its lane now.
    entry.id = EntryId(number);
    entry.state = EntryState::Pending { not_before: deps.clock.now() };
    entry.created_at = deps.clock.now();
    entry.attempts = 0;
    let mut batch = Batch::new();
    take(&mut batch, id);
    batch.put(replay_key(number), &replay);
    batch.put(entry_key(&entry.to, entry.id), &entry).tally(Space::Outbox, 1);
    crash_point("replay.before_reply");
    deps.store.commit(batch).await.map_err(|error| missing(id, &error))?;
    crash_point("replay.after_reply");
    let text = format!("{id} is entry {} again", entry.id);
    deps.outbox.written(vec![entry]);
    Ok(text)
}

/// The dead letter ends with this batch, and only once.
fn take(batch: &mut Batch, id: DeadLetterId) {
    batch.expect(Expect::Present(key(id))).delete(key(id)).tally(Space::DeadLetter, -1);
    batch.delete(done_key(id));
}

fn missing(id: DeadLetterId, error: &StoreError) -> String {
    match error {
        StoreError::Conflict => {
            format!("there is no dead letter {id}; `telson dead-letters list` shows them")
        }
        error => error.to_string(),
    }
}

/// The handle of the dead-letter room. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    store: Store,
    actor: Via<DeadLetterMessage>,
}

impl DeadLetters {
    /// A handle.
    pub fn new(store: Store, registry: &Registry) -> Self {
        Self { store, actor: registry.via(NAME) }
    }

    /// All dead letters, oldest first.
    ///
    /// # Errors
    /// What the store answers.
    pub fn list(&self) -> Result<Vec<DeadLetter>, StoreError> {
        Ok(self.store.scan(&prefix())?.into_iter().map(|(_, letter)| letter).collect())
    }

    /// One dead letter.
    ///
    /// # Errors
    /// What the store answers.
    pub fn get(&self, id: DeadLetterId) -> Result<Option<DeadLetter>, StoreError> {
        self.store.get(&key(id))
    }

    /// What the turn of a dead message had done before it ended; nothing for most.
    ///
    /// # Errors
    /// What the store answers.
    pub fn done_before(&self, id: DeadLetterId) -> Result<DoneBefore, StoreError> {
        Ok(self.store.get(&done_key(id))?.unwrap_or_default())
    }

    /// Records that were found damaged: what people and the service said and nobody can read whole
    /// any more, and what only the service needs.
    ///
    /// # Errors
    /// What the store answers.
    pub fn damaged(&self) -> Result<Vec<Damaged>, StoreError> {
        self.store.damaged()
    }

    /// Forgets a damaged record, by its id; `false` if there is none.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn forget_damaged(&self, id: &str) -> Result<bool, StoreError> {
        match self.damaged()?.into_iter().find(|damaged| damaged.id() == id) {
            Some(damaged) => self.store.forget_damaged(&damaged).await,
            None => Ok(false),
        }
    }

    /// Puts it back to work; answers what it became.
    ///
    /// # Errors
    /// A sentence for people.
    pub async fn replay(&self, id: DeadLetterId) -> Result<String, String> {
        self.call(|reply| DeadLetterMessage::Replay(id, None, reply)).await
    }

    /// The same with another text: what its sender should have written, or what should be sent.
    ///
    /// # Errors
    /// A sentence for people.
    pub async fn replay_as(&self, id: DeadLetterId, text: String) -> Result<String, String> {
        self.call(|reply| DeadLetterMessage::Replay(id, Some(text), reply)).await
    }

    /// Forgets it.
    ///
    /// # Errors
    /// A sentence for people.
    pub async fn drop_letter(&self, id: DeadLetterId) -> Result<(), String> {
        self.call(|reply| DeadLetterMessage::Drop(id, reply)).await
    }

    async fn call<T: Send + 'static>(
        &self,
        message: impl FnOnce(RpcReplyPort<Result<T, String>>) -> DeadLetterMessage,
    ) -> Result<T, String> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.actor
            .cast(message(sender.into()))
            .map_err(|_| "the dead-letter room is restarting; try again".to_owned())?;
        receiver.await.map_err(|_| "the dead-letter room was restarted; try again".to_owned())?
    }
}
