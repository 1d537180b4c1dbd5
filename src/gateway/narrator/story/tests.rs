use proptest::prelude::*;
use telson_actors::channel::webchat;
use telson_actors::message::EnvelopeId;
use telson_actors::provider::Usage;

use super::*;

fn session() -> SessionKey {
    SessionKey::main("main", "main").unwrap()
}

fn at(millis: i64) -> At {
    At { wall: Timestamp(1_000_000 + millis), steady: Timestamp(millis) }
}

fn said(id: u64) -> Said {
    Said {
        envelope: EnvelopeId(id),
        platform_id: format!("chat:r{id}"),
        sender: "gateway".into(),
        text: "hi".into(),
        sent_at: Timestamp(0),
        admitted_at: Timestamp(0),
    }
}

fn exchange(members: &[u64], answer: &str) -> Exchange {
    Exchange {
        turn: members[0],
        said: members.iter().copied().map(said).collect(),
        prompt: "hi".into(),
        steps: Vec::new(),
        answer: answer.into(),
        model: "mock/m".into(),
        usage: Usage { input: 1, output: 2 },
        started_at: Timestamp(0),
        finished_at: Timestamp(1),
        reply_to: webchat::destination(&session()),
        entries: vec![9],
    }
}

fn endings(told: &[Told], run: &str) -> usize {
    let of_run = told.iter().filter(|it| it.name == "chat" && it.payload["runId"] == run);
    of_run.filter(|it| !matches!(it.payload["state"].as_str(), Some("status" | "delta"))).count()
}

fn deltas(told: &[Told]) -> Vec<&Value> {
    let chat = told.iter().filter(|it| it.name == "chat").map(|it| &it.payload);
    chat.filter(|payload| payload["state"] == "delta").collect()
}

#[test]
fn the_first_piece_is_told_at_once_and_later_ones_are_gathered() {
    let mut story = Story::default();
    story.begin(1, ("r1", &session()), true, at(0));
    story.answering(1);
    assert_eq!(deltas(&story.text(1, "a", at(0))).len(), 1);
    assert!(story.text(1, "b", at(50)).is_empty() && story.text(1, "c", at(100)).is_empty());
    assert_eq!(story.due(), Some(Timestamp(150)));
    assert!(story.flush(at(149)).is_empty());
    let told = story.flush(at(150));
    assert_eq!(deltas(&told)[0]["deltaText"], "bc");
    assert_eq!(story.due(), None);
}

#[test]
fn an_answer_that_starts_anew_replaces_what_was_told() {
    let mut story = Story::default();
    story.begin(1, ("r1", &session()), true, at(0));
    story.answering(1);
    story.text(1, "wrong", at(0));
    story.answering(1);
    let told = story.text(1, "right", at(200));
    let delta = deltas(&told)[0];
    assert_eq!((&delta["replace"], &delta["deltaText"]), (&json!(true), &json!("right")));
    let told = story.text(1, "!", at(400));
    assert_eq!(deltas(&told)[0].get("replace"), None);
}

#[test]
fn text_with_a_gap_is_not_told_but_its_end_is() {
    let mut story = Story::default();
    story.begin(1, ("r1", &session()), true, at(0));
    story.answering(1);
    story.text(1, "a", at(0));
    story.gap();
    assert!(story.text(1, "c", at(500)).is_empty());
    let told = story.told(&session(), &exchange(&[1], "abc"), at(600));
    assert_eq!((endings(&told, "r1"), deltas(&told).len()), (1, 0));
    assert!(told.iter().any(|it| it.payload["message"]["content"][0]["text"] == "abc"));
}

#[test]
fn a_run_that_never_came_to_the_store_is_given_up() {
    let mut story = Story::default();
    story.open("r1", "agent:main:main", "main", at(0));
    story.absent("r1", at(59_000));
    assert_eq!(story.quiet(true, 9, at(59_000)).len(), 1, "it may be on its way");
    story.absent("r1", at(60_000));
    assert!(story.open.is_empty());
}

// A heartbeat that says nothing leaves no trace in the transcript: its run is looked up and lost.
#[test]
fn quiet_heartbeats_leave_nothing_behind() {
    let mut story = Story::default();
    for turn in 0..1_000_u64 {
        let (run, now) = (format!("turn-{turn}"), at(i64::try_from(turn).unwrap() * 1_000));
        story.begin(turn, (&run, &session()), true, now);
        story.answering(turn);
        story.text(turn, "HEARTBEAT_OK", now);
        assert_eq!(endings(&story.lost(&run, now), &run), 1);
        assert!(story.lost(&run, now).is_empty(), "it is told once");
    }
    assert_eq!((story.open.len(), story.turns.len(), story.untold.len()), (0, 0, 0));
}

proptest! {
    // Whatever is heard, in whatever order and however often: a run that is open ends once, and the
    // deltas are the text.
    #[test]
    fn an_open_run_ends_exactly_once(
        moves in prop::collection::vec((0u8..8, 0i64..400), 0..40),
        fate in 0u8..3,
    ) {
        let mut story = Story::default();
        let (mut told, mut now, mut text) = (Vec::new(), 0, String::new());
        for run in ["r1", "r2", "r3"] {
            prop_assert!(story.open(run, session().as_str(), "main", at(0)));
            prop_assert!(!story.open(run, session().as_str(), "main", at(0)));
        }
        told.extend(story.begin(1, ("r1", &session()), true, at(0)));
        story.answering(1);
        for (step, later) in moves {
            now += later;
            match step {
                0 => told.extend(story.begin(1, ("r1", &session()), true, at(now))),
                1 => told.extend(story.flush(at(now))),
                2 => drop(story.quiet(false, 2, at(now))),
                3 => told.extend(story.text(99, "of nobody", at(now))),
                _ => {
                    text.push_str("x ");
                    told.extend(story.text(1, "x ", at(now)));
                }
            }
        }
        let done = exchange(&[1, 2, 3], if text.is_empty() { "x" } else { &text });
        for _ in 0..2 {
            told.extend(match fate {
                0 => story.told(&session(), &done, at(now)),
                1 => [(1, "r1"), (2, "r2"), (3, "r3")]
                    .into_iter()
                    .flat_map(|(turn, run)| story.dead(run, turn, ("no", "unknown"), at(now)))
                    .collect(),
                _ => ["r1", "r2", "r3"].into_iter().flat_map(|run| story.lost(run, at(now))).collect(),
            });
        }
        for run in ["r1", "r2", "r3"] {
            prop_assert_eq!(endings(&told, run), 1, "{}", run);
        }
        if fate == 0 {
            let pieces: String =
                deltas(&told).iter().map(|delta| delta["deltaText"].as_str().unwrap()).collect();
            prop_assert_eq!(pieces, text);
        }
        let of_run = |run: &str, name: &str| -> Vec<u64> {
            let mine = told.iter().filter(|it| it.name == name && it.payload["runId"] == run);
            mine.map(|it| it.payload["seq"].as_u64().unwrap()).collect()
        };
        let agent = of_run("r1", "agent");
        prop_assert!(agent.iter().copied().eq(1..=agent.len() as u64), "{:?}", agent);
        prop_assert!(of_run("r1", "chat").is_sorted());
        prop_assert!(story.open.is_empty() && story.turns.is_empty(), "nothing is left");
        prop_assert!(story.untold.is_empty());
    }
}
