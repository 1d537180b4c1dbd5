//! What the pure decisions cost: routing, session keys, chunks, lanes, records, chat.db rows.
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has nothing to report")]

mod fixtures;

use std::collections::BTreeSet;

use divan::{Bencher, black_box};
use fixtures::{NOW, PERSON, SENTENCE, account, inbound, key, record, row, rules, waiting};
use telson::demo::typedstream as archive;
use telson_actors::channel::LengthUnit;
use telson_actors::channel::chunk::chunk;
use telson_actors::channel::imessage::previews::Previews;
use telson_actors::channel::imessage::typedstream;
use telson_actors::channel::imessage::verdict::{Facts, Verdict, WatchLimits, judge};
use telson_actors::inbox::{InboxRecord, inbox_key};
use telson_actors::message::SessionKey;
use telson_actors::message::session_key::DmScope;
use telson_actors::router::{Route, route};
use telson_actors::session::lane::{Lane, LaneSettings, Next, Pushed};
use telson_actors::store::codec;

fn main() {
    divan::main();
}

#[divan::bench(args = [0, 10, 100])]
fn route_a_direct_message(bencher: Bencher<'_, '_>, bindings: usize) {
    let (rules, message) = (rules(bindings), inbound());
    assert!(matches!(route(&message, &rules, &|_| false), Route::Session { .. }));
    bencher.bench(|| route(black_box(&message), &rules, &|_| false));
}

#[divan::bench]
fn session_key_encode(bencher: Bencher<'_, '_>) {
    let account = account();
    bencher.bench(|| {
        let person = black_box(PERSON);
        SessionKey::direct("main", DmScope::PerChannelPeer, &account, person, "main")
    });
}

#[divan::bench]
fn session_key_parse(bencher: Bencher<'_, '_>) {
    let text = key().to_string();
    bencher.bench(|| SessionKey::parse(black_box(&text)));
}

#[divan::bench]
fn chunk_10_kb_of_prose(bencher: Bencher<'_, '_>) {
    let text = format!("{}\n\n", SENTENCE.repeat(10)).repeat(16);
    bencher.bench(|| chunk(black_box(&text), 4000, LengthUnit::Utf16));
}

#[divan::bench]
fn chunk_10_kb_with_fences(bencher: Bencher<'_, '_>) {
    let fence = format!("```rust\n{}```\n", "let answer = question.ask(42)?;\n".repeat(80));
    let text = format!("{}\n{fence}", SENTENCE.repeat(12)).repeat(3);
    bencher.bench(|| chunk(black_box(&text), 4000, LengthUnit::Utf16));
}

/// One message in and one turn out, in a lane where `others` wait already.
#[divan::bench(args = [0, 19])]
fn lane_push_and_next(bencher: Bencher<'_, '_>, others: u64) {
    let mut lane = Lane::new(LaneSettings::default());
    for id in 0..others {
        assert_eq!(lane.push(waiting(id)), Pushed::Queued);
    }
    let mut id = others;
    bencher
        .with_inputs(|| {
            id += 1;
            waiting(id)
        })
        .bench_local_values(|message| {
            assert_eq!(lane.push(message), Pushed::Queued);
            let next = lane.next(NOW);
            assert!(matches!(next, Next::Turn(_)));
            next
        });
}

#[divan::bench]
fn record_encode(bencher: Bencher<'_, '_>) {
    let record = record();
    let place = inbox_key(&record.session, record.envelope.id);
    bencher.bench(|| codec::encode(&place, black_box(&record)));
}

#[divan::bench]
fn record_decode(bencher: Bencher<'_, '_>) {
    let record = record();
    let place = inbox_key(&record.session, record.envelope.id);
    let bytes = codec::encode(&place, &record);
    assert_eq!(codec::decode::<InboxRecord>(&place, &bytes).unwrap(), record);
    bencher.bench(|| codec::decode::<InboxRecord>(&place, black_box(&bytes)));
}

#[divan::bench]
fn judge_a_chat_db_row(bencher: Bencher<'_, '_>) {
    let (row, own, previews) =
        (row(), BTreeSet::from(["me@example.com".to_owned()]), Previews::default());
    let limits = WatchLimits::default();
    let facts = Facts {
        own: &own,
        previews: &previews,
        first_seen: NOW,
        admitted: false,
        boundary_rowid: 0,
        watching_since: NOW,
        behind: std::time::Duration::ZERO,
        limits: &limits,
    };
    let later = NOW.plus(limits.settle);
    assert!(matches!(judge(&row, &facts, later), Verdict::Deliver(_)));
    bencher.bench(|| judge(black_box(&row), &facts, later));
}

#[divan::bench(args = [1, 160])]
fn typedstream_decode(bencher: Bencher<'_, '_>, sentences: usize) {
    let text = SENTENCE.repeat(sentences);
    let blob = archive::encode_text(&text);
    assert_eq!(typedstream::decode(&blob).unwrap(), text);
    bencher.bench(|| typedstream::decode(black_box(&blob)));
}
