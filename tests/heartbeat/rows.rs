//! Heartbeats over days: what an idle agent costs, what a circle of wakes costs, and clocks.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use telson_actors::heartbeat::{ActiveHours, Beat, WakeMode};

use crate::kit::{File, Model, NOW, World, beat, main_session, stop, until};

const DAY: Duration = Duration::from_hours(24);

#[tokio::test(start_paused = true)]
async fn thirty_idle_days_cost_nothing() {
    let world = World::new(&Model::saying("never"), File::default());
    let engine = world.start(beat()).await;
    for day in 0..30 {
        // An empty form is as good as none.
        world.file.write((day % 2 == 1).then_some("# Heartbeat\n- [ ]\n<!-- nothing -->"));
        tokio::time::sleep(DAY).await;
    }
    let last = engine.heartbeats().last().unwrap().unwrap();
    assert_eq!(last.reason.as_deref(), Some("empty-heartbeat-file"));
    assert!(engine.clock().now().since(last.at) <= Duration::from_mins(30), "it still looks");
    assert_eq!((world.model.calls(), world.platform.sent().len()), (0, 0));
    assert_eq!(engine.usage(31).await.unwrap().total.calls, 0);
    stop(engine).await;
}

#[tokio::test(start_paused = true)]
async fn it_comes_every_so_often_and_a_restart_changes_nothing() {
    let world = World::new(&Model::saying("HEARTBEAT_OK"), File::of("- the house"));
    let mut asked = Vec::new();
    for life in 0_usize..8 {
        let engine = world.start(beat()).await;
        let until_then = Duration::from_mins(60 * 6 + 7);
        tokio::time::sleep(until_then).await;
        stop(engine).await;
        asked.push(world.model.calls());
        let minutes = world.clock.now().since(NOW).as_secs() / 60;
        let expected = usize::try_from(minutes / 30).unwrap();
        assert!(asked[life].abs_diff(expected) <= 1, "{asked:?} after {minutes} minutes");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_comes_once() {
    let world = World::new(&Model::saying("HEARTBEAT_OK"), File::of("- the house"));
    let engine = world.start(beat()).await;
    until("the first", || world.model.calls() == 1).await;
    stop(engine).await;
    tokio::time::sleep(3 * DAY).await;
    let engine = world.start(beat()).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(world.model.calls(), 2, "three days are one heartbeat");
    tokio::time::sleep(Duration::from_mins(61)).await;
    assert!((3..=4).contains(&world.model.calls()), "{}", world.model.calls());
    stop(engine).await;
}

// The gateway is woken as often as somebody can, for hours: the bill stays small.
#[tokio::test(start_paused = true)]
async fn a_circle_of_wakes_stays_under_its_budget() {
    let world = World::new(&Model::saying("something"), File::of("- the house"));
    let engine = world.start(beat()).await;
    let session = main_session();
    let (hours, mut number) = (3, 0);
    while engine.clock().now().since(NOW) < Duration::from_hours(hours) {
        number += 1;
        let text = format!("event {number}");
        engine.system_event(&session, &text, WakeMode::Now, None).await.unwrap();
        engine.request_heartbeat("main");
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let most = usize::try_from(10 + hours * 60 + 1).unwrap();
    let calls = world.model.calls();
    assert!(calls <= most, "{calls} of {most} after {number} wakes");
    assert!(calls + 5 > most, "and what is allowed is used: {calls} of {most}");
    stop(engine).await;
}

#[tokio::test(start_paused = true)]
async fn clocks_that_are_set_neither_stop_it_nor_double_it() {
    const YEAR_MS: i64 = 365 * 24 * 3_600_000;
    let world = World::new(&Model::saying("HEARTBEAT_OK"), File::of("- the house"));
    let engine = world.start(beat()).await;
    until("the first", || world.model.calls() == 1).await;
    for (step, by_ms) in [(0, -YEAR_MS), (1, YEAR_MS), (2, 7_200_000), (3, -7_200_000)] {
        world.clock.step(by_ms);
        let before = world.model.calls();
        tokio::time::sleep(Duration::from_mins(32)).await;
        let more = world.model.calls() - before;
        assert!((1..=2).contains(&more), "{more} after step {step}");
    }
    world.clock.sleep(DAY);
    let before = world.model.calls();
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!(world.model.calls() - before, 1, "a machine that slept looks once");
    stop(engine).await;
}

#[tokio::test(start_paused = true)]
async fn it_keeps_to_the_hours_of_its_people_over_a_change_of_clocks() {
    // Berlin sets its clocks back on 25 October 2026; 08:00 there is 06:00 UTC before, 07:00 after.
    let start: jiff::Timestamp = "2026-10-23T12:00:00Z".parse().unwrap();
    let mut world = World::new(&Model::saying("HEARTBEAT_OK"), File::of("- the house"));
    let start = telson_actors::clock::Timestamp(start.as_millisecond());
    world.clock = telson_actors::clock::Clock::virtual_from(start);
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let hours = ActiveHours::new("08:00", "09:00", berlin.clone()).ok();
    let every = Duration::from_mins(7);
    let builder = world.builder().heartbeat("main", Beat { hours, every, ..beat() });
    let builder = builder.heartbeats(|rules| rules.zone = berlin);
    let engine = builder.backend(Arc::new(world.memory.clone())).start().await.unwrap();
    tokio::time::sleep(4 * DAY).await;
    let asked = world.model.prompts();
    assert!((4 * 8..=4 * 9).contains(&asked.len()), "{}", asked.len());
    for day in ["24", "25", "26", "27"] {
        let of_day = |asked: &&String| asked.contains(&format!("2026-10-{day} 08:"));
        let count = asked.iter().filter(of_day).count();
        assert!((8..=9).contains(&count), "{count} on {day}");
    }
    stop(engine).await;
}

/// When the heart last did something, by the tree.
fn last_beat(engine: &telson::Engine) -> Duration {
    fn find(node: &telson::supervision::Node) -> Option<u64> {
        let own = node.idle_ms.filter(|_| node.id == "heartbeat");
        own.or_else(|| node.children.iter().find_map(find))
    }
    Duration::from_millis(find(&engine.tree()).unwrap_or_default())
}

// Every wake sets an earlier timer. The later ones fire all the same, and must not set another each.
#[tokio::test(start_paused = true)]
async fn many_wakes_leave_one_timer_behind() {
    let world = World::new(&Model::saying("unused"), File::default());
    let engine = world.start(Beat { every: DAY, ..beat() }).await;
    for _ in 0..50 {
        engine.request_heartbeat("main");
        tokio::time::sleep(Duration::from_millis(1_700)).await;
    }
    // A timer goes off at least once a minute, to look at the clock.
    tokio::time::sleep(Duration::from_mins(2)).await;
    let (mut beats, mut before) = (0, last_beat(&engine));
    for _ in 0..600 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = last_beat(&engine);
        beats += usize::from(now < before);
        before = now;
    }
    assert!((9..=11).contains(&beats), "looks in ten minutes: {beats}");
    stop(engine).await;
}
