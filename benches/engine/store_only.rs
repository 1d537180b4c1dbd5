//! What the store allows: the commits of a turn in sequence, and nothing else.
//!
//! The same records under the same keys as the engine writes. As in the engine, the next turn does
//! not wait for the receipt of the last; rows named `+ receipt` wait for it too.

use telson_actors::channel::{Evidence, Receipt};
use telson_actors::inbox::{CursorRecord, DedupeRecord, Fate, InboxRecord};
use telson_actors::inbox::{cursor_key, dedupe_key, inbox_key};
use telson_actors::message::{Envelope, EnvelopeId};
use telson_actors::outbox::{EntryId, EntryRecord, EntryState, ReceiptRecord};
use telson_actors::outbox::{entry_key, receipt_key};
use telson_actors::provider::Usage;
use telson_actors::session::{Exchange, Said, exchange_key};
use telson_actors::store::{Batch, CompactionPolicy, Expect, Key, Space, Store, StoreError};
use telson_actors::usage::{DayUsage, SessionUsage, Tally, day_usage_prefix};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Scale;
use super::measure::{Sample, Stopwatch};
use super::platform::{CURSOR, NOW, account, inbound, session};
use super::report::Row;

/// The rows that wait for the receipt too.
pub(crate) async fn measure(scale: &Scale) -> Vec<Row> {
    let mut rows = Vec::new();
    for tasks in scale.loads.iter().copied() {
        eprintln!("store: {tasks} at once, waiting for the receipt");
        rows.push(load(scale, tasks, true).await.row(format!("{tasks} at once + receipt")));
    }
    rows
}

/// So many tasks, each one turn after the other.
pub(crate) async fn load(scale: &Scale, tasks: usize, wait_for_receipt: bool) -> Sample {
    let dir = scale.temp_dir();
    let store = Store::open(dir.path(), CompactionPolicy::default()).unwrap();
    let (watch, end) = (Stopwatch::start(), Instant::now() + scale.lasting);
    let mut running = JoinSet::new();
    for task in 0..tasks {
        let store = store.clone();
        running.spawn(async move {
            let (mut latencies, mut number) = (Vec::new(), 0);
            while Instant::now() < end {
                let began = Instant::now();
                turn(&store, task, number, wait_for_receipt).await.unwrap();
                latencies.push(began.elapsed());
                number += 1;
            }
            latencies
        });
    }
    let latencies = running.join_all().await.concat();
    watch.stop(latencies)
}

/// What a turn leaves in the store.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) dedupe: Key,
    pub(crate) exchange: Key,
    pub(crate) receipt: Key,
}

/// The four commits of one turn.
pub(crate) async fn turn(
    store: &Store,
    person: usize,
    number: u64,
    wait_for_receipt: bool,
) -> Result<Left, StoreError> {
    let message = admit(store, person, number).await?;
    let mut entry = finish(store, &message).await?;
    let key = entry_key(&entry.to, entry.id);
    entry.state = EntryState::Sending { since: NOW, evidence: Evidence::default() };
    let mut batch = Batch::new();
    batch.put(key.clone(), &entry);
    store.commit(batch).await?;

    let mut batch = Batch::new();
    batch.expect(Expect::Present(key.clone())).delete(key).tally(Space::Outbox, -1);
    let left = Left {
        dedupe: dedupe_key(&account(), &message.envelope.inbound.dedupe_key),
        exchange: exchange_key(&message.session, entry.turn),
        receipt: receipt_key(entry.id),
    };
    let receipt = Receipt { platform_id: entry.id.to_string(), note: String::new() };
    batch.put(left.receipt.clone(), &ReceiptRecord { entry, at: NOW, receipt });
    if wait_for_receipt {
        store.commit(batch).await?;
    } else {
        store.submit(batch, |_| ())?;
    }
    Ok(left)
}

async fn admit(store: &Store, person: usize, number: u64) -> Result<InboxRecord, StoreError> {
    let (inbound, session) = (inbound(person, number), session(person));
    let id = EnvelopeId(store.next_id()?);
    let dedupe = dedupe_key(&account(), &inbound.dedupe_key);
    let fate = Fate::Admitted { envelope: id, session: session.clone() };
    let envelope = Envelope { id, admitted_at: NOW, inbound };
    let epoch = store.epoch().0;
    let record = InboxRecord { envelope, session, agent: "main".into(), epoch };
    let mut batch = Batch::new();
    batch
        .expect(Expect::Absent(dedupe.clone()))
        .put(dedupe, &DedupeRecord { at: NOW, fate, text: None })
        .put(inbox_key(&record.session, id), &record)
        .tally(Space::Inbox, 1)
        .put(cursor_key(&account()), &CursorRecord { at: NOW, position: CURSOR.into() });
    store.commit(batch).await?;
    Ok(record)
}

async fn finish(store: &Store, message: &InboxRecord) -> Result<EntryRecord, StoreError> {
    let (id, session) = (message.envelope.id, &message.session);
    let inbox = inbox_key(session, id);
    let entry = entry(EntryId(store.next_id()?), message);
    let used = DayUsage {
        session: session.clone(),
        agent: "main".into(),
        model: "echo/echo".into(),
        tally: Tally::default(),
        at: NOW,
    };
    let day = day_usage_prefix().number(0).text(session.as_str()).text(&used.model);
    let mut batch = Batch::new();
    batch
        .put(Key::of(Space::Usage).number(0).text(session.as_str()), &SessionUsage::default())
        .put(day, &used)
        .expect(Expect::Present(inbox.clone()))
        .delete(inbox)
        .tally(Space::Inbox, -1)
        .put(entry_key(&entry.to, entry.id), &entry)
        .tally(Space::Outbox, 1)
        .put(exchange_key(session, id.0), &exchange(message, &entry));
    store.commit(batch).await?;
    Ok(entry)
}

fn entry(id: EntryId, message: &InboxRecord) -> EntryRecord {
    let inbound = &message.envelope.inbound;
    EntryRecord {
        id,
        session: message.session.clone(),
        turn: message.envelope.id.0,
        part: 0,
        to: inbound.reply_to.clone(),
        text: format!("echo: {}", inbound.text),
        created_at: NOW,
        attempts: 1,
        state: EntryState::Pending { not_before: NOW },
        notes: Vec::new(),
    }
}

fn exchange(message: &InboxRecord, entry: &EntryRecord) -> Exchange {
    Exchange {
        turn: entry.turn,
        said: vec![Said::from(message)],
        prompt: message.envelope.inbound.text.clone(),
        steps: vec![],
        answer: entry.text.clone(),
        model: "echo/echo".into(),
        usage: Usage::default(),
        started_at: NOW,
        finished_at: NOW,
        reply_to: entry.to.clone(),
        entries: vec![entry.id.0],
    }
}
