//! At the global cap nothing more is taken in; whoever writes is told once, and nothing is lost.

use std::sync::Arc;

use telson::{Engine, Limits};
use telson_actors::router::{Admission, AdmitError};
use telson_actors::session::lane::Mode;
use telson_actors::store::MemoryBackend;

use crate::desk::{Desk, stop, until};
use crate::support::{Platform, account, direct, idle};

/// An engine that takes one message at a time, and has one.
async fn full(platform: &Platform, desk: &Desk) -> Engine {
    let limits = Limits { waiting_max: 1, ..Limits::default() };
    let builder = desk.engine(platform, Mode::Steer).limits(limits);
    let engine = builder.backend(Arc::new(MemoryBackend::new())).start().await.unwrap();
    engine.inject(direct("1", "anna", "hang")).await.unwrap();
    until("the model is asked", || desk.asked().len() == 1).await;
    engine
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_cap_a_person_is_told_once_and_answered_later() {
    let (platform, desk) = (Platform::new(), Desk::default());
    let engine = full(&platform, &desk).await;
    for id in ["2", "2", "3"] {
        let refused = engine.inject(direct(id, "bert", "hello")).await;
        assert!(matches!(refused, Err(AdmitError::Busy { waiting: 1 })), "{refused:?}");
    }
    until("bert is told", || !platform.sent_to("bert").is_empty()).await;
    // A repeat of what is in hand already is not told to be busy.
    let refused = engine.inject(direct("1", "anna", "hang")).await;
    assert!(matches!(refused, Err(AdmitError::Busy { .. })), "{refused:?}");
    // A stop gets through where nothing else does.
    engine.inject(direct("4", "anna", "/stop")).await.unwrap();
    idle(&engine).await;
    // The platform offers it again.
    engine.inject(direct("2", "bert", "hello")).await.unwrap();
    idle(&engine).await;
    let told = platform.sent_to("bert");
    assert!(told[0].starts_with("I am very busy"), "{told:?}");
    assert_eq!(told[1..], ["hello"]);
    assert_eq!(platform.sent_to("anna"), ["Stopped."]);
    stop(engine).await;
}

// A receiver offers everything since its cursor together, and a refusal leaves the cursor where it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_among_refused_messages_gets_through() {
    let (platform, desk) = (Platform::new(), Desk::default());
    let engine = full(&platform, &desk).await;
    let mut admission = Admission::new(account());
    admission.inbound = vec![direct("2", "bert", "hello"), direct("3", "anna", "/stop")];
    let refused = engine.admissions().admit(admission.clone()).await;
    assert!(matches!(refused, Err(AdmitError::Busy { .. })), "{refused:?}");
    idle(&engine).await;
    let offered = engine.admissions().admit(admission).await.unwrap();
    assert_eq!((offered.admitted, offered.duplicates), (1, 1));
    idle(&engine).await;
    assert_eq!(platform.sent_to("anna"), ["Stopped."], "nobody who stops is told to be busy");
    stop(engine).await;
}
