//! Turns interrupted by the end of a process are resumed side by side.

#![allow(clippy::unwrap_used, reason = "a test helper fails its test")]

use std::sync::Arc;
use std::time::Duration;

use telson::Limits;
use telson_actors::store::MemoryBackend;
use tokio::time::Instant;

use crate::model::{Does, Model, asking, reasons, within};
use crate::support::{Platform, builder, direct};

const TURNS: u32 = 100;

/// Leaves a hundred turns in flight, starts again with a model that needs between half a second and
/// a whole one, and tells how long it takes until the last answer is out.
async fn drain_time(calls_max: usize) -> Duration {
    let (platform, memory) = (Platform::new(), MemoryBackend::new());
    let limits = Limits { provider_calls_max: calls_max, ..Limits::default() };
    let silent = Model::new(|_| (Duration::ZERO, Does::Hangs));
    let start = |model: &Model| {
        let builder = asking(builder(&platform), model).limits(limits);
        builder.backend(Arc::new(memory.clone())).start()
    };
    let engine = start(&silent).await.unwrap();
    for number in 0..TURNS {
        let (id, person) = (number.to_string(), format!("person{number}"));
        engine.inject(direct(&id, &person, &format!("<{number}>"))).await.unwrap();
    }
    let in_flight = calls_max.min(TURNS as usize);
    within(Duration::from_secs(5), "turns are in flight", || silent.asked().len() == in_flight)
        .await;
    engine.shutdown(Duration::ZERO).await;
    drop(engine);
    assert!(platform.sent().is_empty());
    let model = Model::new(|text| {
        let number: u64 = text.trim_matches(['<', '>']).parse().unwrap();
        (Duration::from_millis(505 + 5 * number), Does::Says(text.to_owned()))
    });
    let began = Instant::now();
    let engine = start(&model).await.unwrap();
    while platform.sent().len() < TURNS as usize {
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(began.elapsed() < Duration::from_mins(3), "{} are out", platform.sent().len());
    }
    let time = began.elapsed();
    within(Duration::from_secs(5), "all is recorded", || engine.load().is_idle()).await;
    assert_eq!(model.asked().len(), TURNS as usize, "each turn is paid for once");
    assert_eq!(reasons(&engine), [""; 0]);
    engine.shutdown(Duration::from_secs(5)).await;
    time
}

// The time is that of the slowest turn, not the sum of 75 s.
#[tokio::test(start_paused = true)]
async fn a_hundred_turns_take_as_long_as_the_slowest() {
    let time = drain_time(200).await;
    let slowest = Duration::from_secs(1);
    assert!(time >= slowest && time <= slowest + Duration::from_millis(20), "{time:?}");
}

// Where permits are fewer than turns they decide, and none of them stands idle.
#[tokio::test(start_paused = true)]
async fn fewer_permits_share_the_turns() {
    let time = drain_time(10).await;
    let sum: Duration = (0..TURNS).map(|n| Duration::from_millis(505 + 5 * u64::from(n))).sum();
    let (least, most) = (sum / 10, sum / 10 + Duration::from_secs(1));
    assert!(time >= least && time <= most, "{time:?} is not within {least:?} and {most:?}");
}
