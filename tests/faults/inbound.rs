//! What platforms do to messages on their way in: repeat, reorder, redeliver after days, leave
//! gaps, and put one bad message between good ones.

#![allow(clippy::unwrap_used, reason = "a test helper fails its test")]

use std::sync::Arc;
use std::time::Duration;

use telson::supervision::Dice;
use telson_actors::clock::{Clock, Timestamp};
use telson_actors::message::Inbound;
use telson_actors::router::{Admission, DeclinedRow};
use telson_actors::store::MemoryBackend;

use crate::model::{Does, Model, asking, reasons, within};
use crate::support::{Platform, account, builder, direct};

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const DAY: Duration = Duration::from_hours(24);

fn message(number: u64) -> Inbound {
    direct(&number.to_string(), "anna", &format!("<{number}>"))
}

// D5: ten times at once, out of order, with gaps.
#[tokio::test(start_paused = true)]
async fn repeats_out_of_order_and_with_gaps_are_answered_once() {
    let platform = Platform::new();
    let backend = Arc::new(MemoryBackend::new());
    let engine = builder(&platform).backend(backend).start().await.unwrap();
    let dice = Dice::seeded(3);
    // Every seventh number is missing.
    let numbers: Vec<u64> = (0..70).filter(|number| number % 7 != 3).collect();
    let mut offers: Vec<u64> = numbers.iter().flat_map(|number| [*number; 10]).collect();
    for at in (1..offers.len()).rev() {
        offers.swap(at, usize::try_from(dice.next() % (at as u64 + 1)).unwrap());
    }
    // Some repeats come in one batch with the original, some while it is on its way to the disk.
    let mut running = tokio::task::JoinSet::new();
    for batch in offers.chunks(9) {
        let (admissions, mut admission) = (engine.admissions(), Admission::new(account()));
        admission.inbound = batch.iter().copied().map(message).collect();
        running.spawn(async move { admissions.admit(admission).await.unwrap() });
    }
    let admitted: usize = running.join_all().await.iter().map(|done| done.admitted).sum();
    assert_eq!(admitted, numbers.len());
    within(Duration::from_mins(1), "all answers", || engine.load().is_idle()).await;
    let all: String = platform.sent_to("anna").join("\n");
    for number in 0..70 {
        let times = usize::from(number % 7 != 3);
        assert_eq!(all.matches(&format!("<{number}>")).count(), times, "<{number}>");
    }
    engine.shutdown(Duration::from_secs(5)).await;
}

// D5: the window is seven days, swept every hour, over restarts.
#[tokio::test(start_paused = true)]
async fn a_redelivery_after_days_has_no_effect() {
    let (platform, memory) = (Platform::new(), MemoryBackend::new());
    let clock = Clock::virtual_from(NOW);
    let start = || {
        let determined = builder(&platform).determined_by(clock, Dice::seeded(1));
        determined.backend(Arc::new(memory.clone())).start()
    };
    let engine = start().await.unwrap();
    for number in 0..30 {
        assert_eq!(engine.inject(message(number)).await.unwrap().admitted, 1);
    }
    // Enough other traffic that only the age keeps the first ones.
    let mut admission = Admission::new(account());
    admission.history = (0..12_000).map(|n| format!("h{n}")).collect();
    engine.admissions().admit(admission).await.unwrap();
    for days in [1, 5] {
        tokio::time::sleep(days * DAY).await;
        for number in 0..30 {
            let again = engine.inject(message(number)).await.unwrap();
            assert_eq!((again.duplicates, again.admitted), (1, 0), "{number} after {days} days");
        }
    }
    engine.shutdown(Duration::from_secs(5)).await;
    drop(engine);
    let engine = start().await.unwrap();
    assert_eq!(engine.inject(message(7)).await.unwrap().duplicates, 1);
    engine.shutdown(Duration::from_secs(5)).await;
    let all = platform.sent_to("anna").join("\n");
    assert!((0..30).all(|number| all.matches(&format!("<{number}>")).count() == 1), "{all}");
}

// One bad message of a batch is no reason to refuse or delay the others.
#[tokio::test(start_paused = true)]
async fn poison_inside_a_batch_stays_alone() {
    let platform = Platform::new();
    let model = Model::new(|text| {
        let poison = text.contains("<5>");
        (Duration::ZERO, if poison { Does::Panics } else { Does::Says(text.to_owned()) })
    });
    let backend = Arc::new(MemoryBackend::new());
    let engine = asking(builder(&platform), &model).backend(backend).start().await.unwrap();
    let mut admission = Admission::new(account());
    admission.inbound = (0..10)
        .map(|n| direct(&n.to_string(), &format!("person{n}"), &format!("<{n}>")))
        .chain([direct("nul", "p\0e", "nul \0 and \u{202e} and \u{fffd}\u{10ffff}")])
        .collect();
    admission.declined = vec![DeclinedRow {
        dedupe_key: "torn".into(),
        sender: "\0".into(),
        text: "\u{fffd}".into(),
        reason: "the channel could not read it".into(),
        dead_letter: None,
    }];
    let admitted = engine.admissions().admit(admission).await.unwrap();
    assert_eq!((admitted.admitted, admitted.declined), (11, 1));
    within(Duration::from_mins(1), "all ends", || engine.load().is_idle()).await;
    assert_eq!(reasons(&engine), ["provider"]);
    for n in (0..10).filter(|n| *n != 5) {
        assert_eq!(platform.sent_to(&format!("person{n}")), [format!("<{n}>")]);
    }
    let notice = platform.sent_to("person5");
    assert!(notice.len() == 1 && notice[0].contains("no answer yet"), "{notice:?}");
    assert_eq!(platform.sent_to("p\0e"), ["nul \0 and \u{202e} and \u{fffd}\u{10ffff}"]);
    engine.shutdown(Duration::from_secs(5)).await;
}
