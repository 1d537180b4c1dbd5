//! Each way in which a model server fails, with another model behind it.

use std::sync::Arc;
use std::time::Duration;

use telson_actors::store::MemoryBackend;

use super::server::{Act, Server};
use super::support::{Platform, direct, idle};
use super::world::chain;

/// What a person sees, how often the first server was asked, and how many bytes it got rid of.
async fn with_fault(act: Act) -> (Vec<String>, usize, usize) {
    let (platform, first) = (Platform::new(), Server::start(act).await);
    let second = Server::start(Act::Say("from the second")).await;
    let builder = chain(&platform, &first, &second);
    let engine = builder.backend(Arc::new(MemoryBackend::new())).start().await.unwrap();
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    idle(&engine).await;
    assert_eq!(second.ledger().len(), 1, "the second is asked once");
    assert_eq!(second.ledger()[0].1, "small");
    let asked = first.ledger().len();
    engine.shutdown(Duration::from_millis(100)).await;
    (platform.sent_to("anna"), asked, first.bytes())
}

/// One fault: the next model answers, the person is told once, and the first was asked so often.
async fn steps_in(act: Act, asked: usize, why: &str) {
    let (sent, times, _) = with_fault(act.clone()).await;
    let notice = format!(
        "[first/big can't answer at the moment ({why}); second/small answers in its place.]"
    );
    assert_eq!(sent, [notice.as_str(), "from the second"], "{act:?}");
    assert_eq!(times, asked, "{act:?}");
}

macro_rules! faults {
    ($($name:ident: $act:expr, asked $asked:literal, $why:literal;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                steps_in($act, $asked, $why).await;
            }
        )*
    };
}

faults! {
    status_401: Act::Status(401, None), asked 1, "its key was refused";
    status_402: Act::Status(402, None), asked 1, "no credit left";
    status_403: Act::Status(403, None), asked 1, "its account may not use it";
    status_404: Act::Status(404, None), asked 1, "there is no such model";
    status_429: Act::Status(429, None), asked 1, "too many requests";
    status_429_with_a_short_wish: Act::Status(429, Some(2)), asked 1, "too many requests";
    status_429_with_a_long_wish: Act::Status(429, Some(3000)), asked 1, "too many requests";
    status_500: Act::Status(500, None), asked 4, "its server failed";
    status_529: Act::Status(529, None), asked 1, "overloaded";
    hang_before_headers: Act::Hang, asked 1, "no answer in time";
    hang_midway: Act::HangMidway, asked 1, "no answer in time";
    cut_midway: Act::CutMidway, asked 1, "its server failed";
    malformed: Act::Malformed, asked 1, "its answer was not understood";
    web_page: Act::WebPage, asked 1, "its answer was not understood";
    empty: Act::Empty, asked 1, "an empty answer";
    slow_loris: Act::SlowLoris, asked 1, "no answer in time";
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gigabytes_are_not_read() {
    let (sent, asked, bytes) = with_fault(Act::TwoGigabytes).await;
    assert!(sent[0].contains("its answer was not understood"), "{sent:?}");
    assert_eq!((sent[1].as_str(), asked), ("from the second", 1));
    assert!(bytes < 64 * 1024 * 1024, "{bytes} bytes were taken");
}
