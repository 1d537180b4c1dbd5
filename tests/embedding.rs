//! The engine inside another program: no files of its own, no environment, no signals, no globals.

mod support;

use std::sync::Arc;
use std::time::Duration;

use support::{Behaviour, Platform, builder, direct, idle};
use telson_actors::router::AdmitError;
use telson_actors::store::{MemoryBackend, MemoryFault};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_answered_once() {
    let (platform, dir) = (Platform::new(), tempfile::tempdir().unwrap());
    let engine = builder(&platform).state_dir(dir.path()).start().await.unwrap();
    engine.inject(direct("1", "anna", "hello")).await.unwrap();
    // D5: the same platform id inside the window has no effect.
    let again = engine.inject(direct("1", "anna", "hello")).await.unwrap();
    assert_eq!(again.duplicates, 1);
    idle(&engine).await;
    assert_eq!(platform.sent(), [("anna".to_owned(), "echo: hello".to_owned())]);
    let journeys = engine.why("hello").await.unwrap();
    assert_eq!(journeys.len(), 1);
    assert_eq!(journeys[0].state, "answered");
    assert_eq!(journeys[0].entries[0].state, "delivered");
    assert!(engine.drain(Duration::from_secs(5)).await);
    engine.shutdown(Duration::from_secs(5)).await;
}

// A4: two engines in one process share nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_engines_share_nothing() {
    let (one, two) = (Platform::new(), Platform::new());
    let first = builder(&one).backend(Arc::new(MemoryBackend::new())).start().await.unwrap();
    let second = builder(&two).backend(Arc::new(MemoryBackend::new())).start().await.unwrap();
    for number in 0..20 {
        first.inject(direct(&number.to_string(), "anna", "to the first")).await.unwrap();
    }
    second.inject(direct("1", "anna", "to the second")).await.unwrap();
    idle(&first).await;
    first.shutdown(Duration::from_secs(5)).await;
    second.inject(direct("2", "anna", "still there")).await.unwrap();
    idle(&second).await;
    assert_eq!(one.sent().len(), 20);
    assert_eq!(two.sent_to("anna"), ["echo: to the second", "echo: still there"]);
    assert!(first.inject(direct("99", "anna", "too late")).await.is_err());
    second.shutdown(Duration::from_secs(5)).await;
}

// D4: replies of one lane leave in order, whatever the platform does to single sends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_leave_in_order() {
    let platform = Platform::new();
    platform.script([Behaviour::Refuse, Behaviour::AcceptInDoubt, Behaviour::AcceptAndPanic]);
    let engine = builder(&platform).backend(Arc::new(MemoryBackend::new())).start().await.unwrap();
    for number in 0..15 {
        engine.inject(direct(&number.to_string(), "anna", &format!("<{number}>"))).await.unwrap();
        engine
            .inject(direct(&format!("b{number}"), "berta", &format!("<{number}>")))
            .await
            .unwrap();
    }
    idle(&engine).await;
    for person in ["anna", "berta"] {
        let texts = platform.sent_to(person).join("\n");
        let positions: Vec<usize> = (0..15)
            .map(|n| texts.find(&format!("<{n}>")).expect("every message is answered"))
            .collect();
        assert!(positions.is_sorted(), "{person}: {texts}");
        assert_eq!(texts.matches("<7>").count(), 1);
    }
    engine.shutdown(Duration::from_secs(5)).await;
}

// D6: a send in doubt is settled by evidence, or shown to a person; never guessed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_send_becomes_a_dead_letter_and_can_be_replayed() {
    let platform = Platform::new();
    platform.script([Behaviour::LoseInDoubt, Behaviour::Accept, Behaviour::Reject]);
    let engine = builder(&platform).backend(Arc::new(MemoryBackend::new())).start().await.unwrap();
    for (id, text) in [("1", "first"), ("2", "second"), ("3", "third")] {
        engine.inject(direct(id, "anna", text)).await.unwrap();
        idle(&engine).await;
    }
    assert_eq!(platform.sent_to("anna"), ["echo: second"]);
    let letters = engine.dead_letters().list().unwrap();
    let reasons: Vec<_> = letters.iter().map(|letter| letter.reason.name()).collect();
    assert_eq!(reasons, ["unknown", "rejected"]);
    engine.dead_letters().replay(letters[0].id).await.unwrap();
    engine.dead_letters().drop_letter(letters[1].id).await.unwrap();
    idle(&engine).await;
    assert_eq!(platform.sent_to("anna"), ["echo: second", "echo: first"]);
    assert!(engine.dead_letters().list().unwrap().is_empty());
    let error = engine.dead_letters().replay(letters[0].id).await.unwrap_err();
    assert!(error.contains("no dead letter"), "{error}");
    engine.shutdown(Duration::from_secs(5)).await;
}

// What was admitted before the end of one engine is answered by the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_goes_on_where_the_last_life_ended() {
    let (platform, dir) = (Platform::new(), tempfile::tempdir().unwrap());
    platform.delay(Duration::from_millis(30));
    for life in 0..4 {
        let engine = builder(&platform).state_dir(dir.path()).start().await.unwrap();
        for number in 0..10 {
            let id = format!("{life}-{number}");
            engine
                .inject(direct(&id, &format!("person{number}"), &format!("<{id}>")))
                .await
                .unwrap();
        }
        engine.shutdown(Duration::from_secs(5)).await;
    }
    platform.delay(Duration::ZERO);
    let engine = builder(&platform).state_dir(dir.path()).start().await.unwrap();
    idle(&engine).await;
    let letters = engine.dead_letters().list().unwrap();
    assert!(letters.is_empty(), "{letters:?}");
    let all: String = platform.sent().into_iter().map(|(_, text)| text).collect();
    for life in 0..4 {
        for number in 0..10 {
            assert_eq!(all.matches(&format!("<{life}-{number}>")).count(), 1);
        }
    }
    engine.shutdown(Duration::from_secs(5)).await;
}

// Whatever actor dies, its supervisor replaces it and nothing is lost or doubled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_actor_may_die() {
    let account = support::account().to_string();
    let victims = [
        "core/conversation/router".to_owned(),
        "core/conversation/sessions".to_owned(),
        "core/providers/echo".to_owned(),
        "core/conversation/dead_letters".to_owned(),
        format!("edge/{account}/delivery"),
        format!("edge/{account}"),
        "agent:main:fake:direct:person3".to_owned(),
    ];
    for victim in victims {
        let (platform, dir) = (Platform::new(), tempfile::tempdir().unwrap());
        platform.delay(Duration::from_millis(2));
        let engine = builder(&platform).state_dir(dir.path()).start().await.unwrap();
        for number in 0..60 {
            let message = direct(
                &number.to_string(),
                &format!("person{}", number % 5),
                &format!("<{number}>"),
            );
            if number % 20 == 10 {
                // The second and third time it may still be waiting for its restart.
                assert!(engine.kill_actor(&victim) || number > 10, "{victim} is there");
            }
            // A channel offers again what was not admitted.
            while engine.inject(message.clone()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        idle(&engine).await;
        let letters = engine.dead_letters().list().unwrap();
        let all: String = platform.sent().into_iter().map(|(_, text)| text + "\n").collect();
        for number in 0..60 {
            let needle = format!("<{number}>");
            // A send cut off by the kill before the platform had it is shown, never repeated.
            let shown =
                letters.iter().filter(|letter| format!("{letter:?}").contains(&needle)).count();
            assert_eq!(all.matches(&needle).count() + shown, 1, "{victim}: {needle} in {all}");
        }
        engine.shutdown(Duration::from_secs(5)).await;
    }
}

// The disk is looked at once a second, by the engine's own time.
#[tokio::test(start_paused = true)]
async fn little_space_refuses_what_is_new_until_there_is_more() {
    let (platform, backend) = (Platform::new(), MemoryBackend::new());
    backend.set_free_bytes(Some(u64::MAX));
    let engine = builder(&platform).backend(Arc::new(backend.clone())).start().await.unwrap();
    let moments = [(None, true), (Some(1), false), (Some(u64::MAX), true), (Some(0), false)];
    for (number, (free, fits)) in moments.into_iter().enumerate() {
        backend.set_free_bytes(free);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let offered = engine.inject(direct(&number.to_string(), "anna", "hello")).await;
        assert_eq!(offered.is_ok(), fits, "{free:?}: {offered:?}");
        assert_eq!(engine.disk().shortage.is_none(), fits);
        assert!(fits || matches!(offered, Err(AdmitError::DiskFull(_))), "{offered:?}");
    }
    // Offered again, as its platform would.
    backend.set_free_bytes(None);
    tokio::time::sleep(Duration::from_secs(2)).await;
    engine.inject(direct("1", "anna", "hello")).await.unwrap();
    idle(&engine).await;
    assert_eq!(platform.sent().len(), 3);
    engine.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_full_disk_another_engine_goes_on_in_the_same_process() {
    for (fault, is_disk_full) in [(MemoryFault::DiskFull, true), (MemoryFault::FailedFlush, false)]
    {
        let (platform, backend) = (Platform::new(), MemoryBackend::new());
        let builder = builder(&platform).backend(Arc::new(backend.clone()));
        let engine = builder.clone().start().await.unwrap();
        engine.inject(direct("1", "anna", "one")).await.unwrap();
        idle(&engine).await;
        backend.fail_next(fault);
        assert!(engine.inject(direct("2", "anna", "two")).await.is_err());
        let failure = engine.failed().await;
        assert_eq!(failure.is_disk_full(), is_disk_full, "{failure}");
        assert!(failure.to_string().starts_with("the store failed: "), "{failure}");
        engine.shutdown(Duration::from_secs(5)).await;
        let engine = builder.start().await.unwrap();
        engine.inject(direct("2", "anna", "two")).await.unwrap();
        idle(&engine).await;
        assert_eq!(platform.sent_to("anna"), ["echo: one", "echo: two"]);
        engine.shutdown(Duration::from_secs(5)).await;
    }
}

// An orderly end waits for a send that runs, however slow the platform is, and not for one that
// waits for its next try.
#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_a_slow_send() {
    let platform = Platform::new();
    platform.delay(Duration::from_secs(20));
    let engine = builder(&platform).backend(Arc::new(MemoryBackend::new())).start().await.unwrap();
    for (id, sender) in [("1", "anna"), ("2", "berta")] {
        engine.inject(direct(id, sender, "slow")).await.unwrap();
    }
    assert!(engine.drain(Duration::from_mins(2)).await, "{:?}", engine.load());
    assert_eq!(platform.sent().len(), 2);
    engine.shutdown(Duration::from_secs(5)).await;
}
