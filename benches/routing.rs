//! What the pure decisions cost: routing, session keys, chunks, lanes, records, chat.db rows.
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has nothing to report")]

use std::collections::BTreeSet;

use divan::{Bencher, black_box};
use telson::demo::typedstream as archive;
use telson_actors::channel::LengthUnit;
use telson_actors::channel::chunk::chunk;
use telson_actors::channel::imessage::previews::Previews;
use telson_actors::channel::imessage::row::{Chat, Row, apple_date};
use telson_actors::channel::imessage::typedstream;
use telson_actors::channel::imessage::verdict::{Facts, Verdict, WatchLimits, judge};
use telson_actors::clock::Timestamp;
use telson_actors::inbox::{InboxRecord, inbox_key};
use telson_actors::message::session_key::DmScope;
use telson_actors::message::{
    AccountKey, ChatKind, Destination, Envelope, EnvelopeId, Inbound, SessionKey,
};
use telson_actors::router::{
    Access, AccountMatch, AgentId, Agents, Binding, DmPolicy, PeerId, PeerMatch, Route, Rules,
    route,
};
use telson_actors::session::lane::{Lane, LaneSettings, Next, Pushed, Waiting};
use telson_actors::store::codec;

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const PERSON: &str = "+15551230001";
const SENTENCE: &str = "The quick brown fox jumps over the lazy dog, again and again. ";

fn main() {
    divan::main();
}

fn account() -> AccountKey {
    AccountKey::new("imessage", "default")
}

fn destination() -> Destination {
    Destination { account: account(), target: "chat_id:7".into(), thread: None }
}

fn inbound() -> Inbound {
    Inbound {
        account: account(),
        dedupe_key: "8C1F2A3B-4D5E-6F70-8192-A3B4C5D6E7F8".into(),
        chat: ChatKind::Direct,
        peer: PERSON.into(),
        peer_aliases: vec!["chat_id:7".into()],
        thread: None,
        sender: PERSON.into(),
        reply_to: destination(),
        text: SENTENCE.into(),
        attachments: vec![],
        sent_at: NOW,
    }
}

/// Rules in which `bindings` conversations have an agent of their own, and ours is none of them.
fn rules(bindings: usize) -> Rules {
    let main = AgentId::new("main");
    let access =
        Access { dm_policy: DmPolicy::Open, allow_from: vec!["*".into()], ..Access::default() };
    let binding = |number| Binding {
        agent: main.clone(),
        channel: "imessage".into(),
        account: AccountMatch::Default,
        peer: Some(PeerMatch {
            kind: ChatKind::Direct,
            id: PeerId::Exact(format!("+1555999{number:04}")),
        }),
        dm_scope: None,
        group_scope: None,
    };
    Rules {
        agents: Agents { ids: vec![main.clone()], default: Some(main.clone()) },
        bindings: (0..bindings).map(binding).collect(),
        access: [(account(), access)].into(),
        ..Rules::default()
    }
}

#[divan::bench(args = [0, 10, 100])]
fn route_a_direct_message(bencher: Bencher<'_, '_>, bindings: usize) {
    let (rules, message) = (rules(bindings), inbound());
    assert!(matches!(route(&message, &rules, &|_| false), Route::Session { .. }));
    bencher.bench(|| route(black_box(&message), &rules, &|_| false));
}

fn key() -> SessionKey {
    SessionKey::direct("main", DmScope::PerChannelPeer, &account(), PERSON, "main").unwrap()
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

fn waiting(id: u64) -> Waiting {
    Waiting {
        id: EnvelopeId(id),
        reply_to: destination(),
        sender: PERSON.into(),
        text: SENTENCE.into(),
        at: NOW,
    }
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

fn record() -> InboxRecord {
    InboxRecord {
        envelope: Envelope { id: EnvelopeId(7), admitted_at: NOW, inbound: inbound() },
        session: key(),
        agent: "main".into(),
        epoch: 3,
    }
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

fn row() -> Row {
    Row {
        rowid: 100,
        guid: "8C1F2A3B-4D5E-6F70-8192-A3B4C5D6E7F8".into(),
        body: Some(SENTENCE.into()),
        date: apple_date(NOW),
        service: Some("iMessage".into()),
        sender: Some(PERSON.into()),
        destination_caller_id: Some("me@example.com".into()),
        chat: Some(Chat {
            rowid: 7,
            guid: format!("any;-;{PERSON}"),
            style: 45,
            identifier: Some(PERSON.into()),
            ..Chat::default()
        }),
        ..Row::default()
    }
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
