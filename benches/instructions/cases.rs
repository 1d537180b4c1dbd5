//! The hot paths. Each prepares what it needs, then does the same thing so many times; only the
//! repetitions are counted.

use std::hint::black_box;

use telson::demo::typedstream as archive;
use telson_actors::channel::imessage::typedstream;
use telson_actors::channel::{Evidence, LengthUnit, chunk::chunk};
use telson_actors::inbox::{InboxRecord, inbox_key};
use telson_actors::message::SessionKey;
use telson_actors::outbox::dispatch::{Lanes, Start};
use telson_actors::outbox::{EntryId, EntryRecord, EntryState, entry_key};
use telson_actors::provider::{Completion, Usage};
use telson_actors::router::route;
use telson_actors::session::lane::{Lane, LaneSettings};
use telson_actors::session::machine::{Event, HISTORY_EXCHANGES_MAX, Loaded, Session, Settings};
use telson_actors::session::{Exchange, Said, exchange_key};
use telson_actors::store::{Batch, Expect, Space, codec};

use super::fixtures::{NOW, SENTENCE, destination, inbound, key, record, rules, waiting};

/// A case: its name, and what does it so many times.
pub(crate) type Case = (&'static str, fn(u64));

/// In the order of a message's journey.
pub(crate) const CASES: [Case; 14] = [
    ("typedstream_decode_1_kb", typedstream_decode),
    ("route_with_10_bindings", route_with_bindings),
    ("session_key_parse", session_key_parse),
    ("record_encode", record_encode),
    ("record_decode", record_decode),
    ("lane_push_and_next", |times| lane_push_and_next(0, times)),
    ("lane_push_and_next_behind_19", |times| lane_push_and_next(19, times)),
    ("session_turn_first_of_all", |times| session_turn(0, times)),
    ("session_turn_after_50", |times| session_turn(HISTORY_EXCHANGES_MAX as u64, times)),
    ("finish_batch", finish_batch),
    ("chunk_10_kb", chunk_prose),
    ("outbox_push_plan_finish", |times| outbox(0, times)),
    ("outbox_push_plan_finish_among_1000", |times| outbox(1000, times)),
    ("outbox_plan_with_nothing_due", outbox_nothing_due),
];

fn typedstream_decode(times: u64) {
    let blob = archive::encode_text(&SENTENCE.repeat(16));
    for _ in 0..times {
        black_box(typedstream::decode(black_box(&blob)).unwrap());
    }
}

fn route_with_bindings(times: u64) {
    let (rules, message) = (rules(10), inbound());
    for _ in 0..times {
        black_box(route(black_box(&message), &rules, &|_| false));
    }
}

fn session_key_parse(times: u64) {
    let text = key().to_string();
    for _ in 0..times {
        black_box(SessionKey::parse(black_box(&text)).unwrap());
    }
}

fn record_encode(times: u64) {
    let record = record();
    let place = inbox_key(&record.session, record.envelope.id);
    for _ in 0..times {
        black_box(codec::encode(&place, black_box(&record)));
    }
}

fn record_decode(times: u64) {
    let record = record();
    let place = inbox_key(&record.session, record.envelope.id);
    let bytes = codec::encode(&place, &record);
    for _ in 0..times {
        black_box(codec::decode::<InboxRecord>(&place, black_box(&bytes)).unwrap());
    }
}

/// One message in and one turn out, where `others` wait already.
fn lane_push_and_next(others: u64, times: u64) {
    let mut lane = Lane::new(LaneSettings::default());
    for id in 0..others {
        drop(black_box(lane.push(waiting(id))));
    }
    for id in others..others + times {
        drop(black_box(lane.push(waiting(id))));
        drop(black_box(lane.next(NOW)));
    }
}

/// A message and its answer, in a session that remembers so many exchanges.
fn session_turn(history: u64, times: u64) {
    let settings = Settings {
        lane: LaneSettings::default(),
        idle_max: std::time::Duration::from_mins(1),
        model: "echo/echo".into(),
        context: std::sync::Arc::default(),
        beat: telson_actors::session::machine::BeatSettings::default(),
    };
    let turn = |session: &mut Session, number: u64| {
        let mut record = record();
        record.envelope.id.0 = number;
        let answer = Completion::text(SENTENCE);
        black_box(session.step(Event::Inbound(Box::new(record)), NOW));
        black_box(session.step(Event::Answered(number, 0, answer), NOW));
    };
    let new = || Session::new(settings.clone(), Loaded::default(), NOW).0;
    if history == 0 {
        for number in 0..times {
            turn(&mut new(), number);
        }
        return;
    }
    let mut session = new();
    for number in 0..history + times {
        turn(&mut session, number);
    }
}

fn entry(id: u64, lane: u64) -> EntryRecord {
    let mut to = destination();
    to.target = format!("chat_id:{lane}");
    EntryRecord {
        id: EntryId(id),
        session: key(),
        turn: id,
        part: 0,
        to,
        text: SENTENCE.into(),
        created_at: NOW,
        attempts: 0,
        state: EntryState::Pending { not_before: NOW },
        notes: vec![],
    }
}

/// The commit that ends a turn.
fn finish_batch(times: u64) {
    let (message, entry) = (record(), entry(9, 7));
    let exchange = Exchange {
        turn: 7,
        said: vec![Said::from(&message)],
        prompt: SENTENCE.into(),
        steps: vec![],
        answer: SENTENCE.into(),
        model: "echo/echo".into(),
        usage: Usage::default(),
        started_at: NOW,
        finished_at: NOW,
        reply_to: destination(),
        entries: vec![9],
    };
    for _ in 0..times {
        let inbox = inbox_key(&message.session, message.envelope.id);
        let mut batch = Batch::new();
        batch
            .expect(Expect::Present(inbox.clone()))
            .delete(inbox)
            .tally(Space::Inbox, -1)
            .put(entry_key(&entry.to, entry.id), black_box(&entry))
            .tally(Space::Outbox, 1)
            .put(exchange_key(&message.session, 7), black_box(&exchange));
        black_box(batch);
    }
}

fn chunk_prose(times: u64) {
    let text = format!("{}\n\n", SENTENCE.repeat(10)).repeat(16);
    for _ in 0..times {
        black_box(chunk(black_box(&text), 4000, LengthUnit::Utf16));
    }
}

/// Lanes of an account in which `others` are being sent already.
fn outbox(others: u64, times: u64) {
    let mut lanes = Lanes::new(usize::MAX);
    for lane in 0..others {
        lanes.push(entry(lane, lane));
    }
    black_box(lanes.plan(NOW));
    for id in others..others + times {
        lanes.push(entry(id, others));
        for start in lanes.plan(NOW).starts {
            let (Start::Send(entry) | Start::Settle(entry, _)) = start;
            lanes.finish(&entry.to, entry.id);
        }
    }
}

/// A look at a thousand doubtful heads, none of which is due.
fn outbox_nothing_due(times: u64) {
    let mut lanes = Lanes::new(usize::MAX);
    for lane in 0..1000 {
        let mut entry = entry(lane, lane);
        entry.state = EntryState::Sending { since: NOW, evidence: Evidence::default() };
        lanes.push(entry);
    }
    for start in lanes.plan(NOW).starts {
        let (Start::Send(entry) | Start::Settle(entry, _)) = start;
        lanes.replace(entry, NOW.plus(std::time::Duration::from_mins(1)));
    }
    for _ in 0..times {
        black_box(lanes.plan(NOW));
    }
}
