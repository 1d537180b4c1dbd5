//! A conversation that grows beyond what the model reads: it goes on, and nothing is paid twice.

use std::sync::Arc;
use std::time::Duration;

use telson::actors::context::ContextRules;
use telson::actors::session::AgentProfile;
use telson::actors::store::MemoryBackend;
use telson::{Builder, Engine};

use crate::kit::until;
use crate::mock::{APIS, Api, Kind, Mock, ticket, tickets};
use crate::support::{Platform, builder, direct, idle};

/// Words of a message; an exchange has about 3.5 KB then.
const WORDS: usize = 300;
/// What the model reads: some five exchanges.
const BODY_MAX: usize = 20_000;

fn engine(platform: &Platform, mock: &Mock, rules: ContextRules) -> Builder {
    let agent = AgentProfile {
        provider: "model".into(),
        model: "m".into(),
        system: "You are Telly.".into(),
        output_tokens_max: 1000,
    };
    builder(platform).agent("main", agent).provider("model", mock.client()).context(|context| {
        context.agents.insert("main".into(), rules);
    })
}

async fn say(engine: &Engine, number: usize, words: usize) {
    let text = ticket(number, words);
    engine.inject(direct(&number.to_string(), "anna", &text)).await.unwrap();
    idle(engine).await;
}

async fn stop(engine: Engine) {
    engine.shutdown(Duration::from_millis(100)).await;
}

/// Every message is answered, in order, and with nothing else in between.
fn assert_answered(platform: &Platform, messages: usize) {
    let wanted: Vec<String> = (1..=messages).map(|n| format!("Answer to T-{n}0042.")).collect();
    assert_eq!(platform.sent_to("anna"), wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_providers_refusal_leads_to_a_summary_and_the_conversation_goes_on() {
    for api in APIS {
        let (platform, mock) = (Platform::new(), Mock::start(api, BODY_MAX));
        let backend = Arc::new(MemoryBackend::new());
        let start = || engine(&platform, &mock, ContextRules::default()).backend(backend.clone());
        let engine = start().start().await.unwrap();
        for number in 1..=12 {
            say(&engine, number, WORDS).await;
        }
        assert_answered(&platform, 12);
        let (refused, summaries) = (mock.count(Kind::Refused), mock.count(Kind::Summary));
        assert!(summaries >= 1, "{api:?}: a summary stands for the older part");
        // What was refused once is not tried again: the next ones are caught before the call.
        assert_eq!(refused, 1, "{api:?}: one refusal teaches the limit; {summaries} summaries");
        // The first number is in no exchange any more, and still known.
        let last = mock.books().pop().unwrap();
        assert_eq!(last.kind, Kind::Answer);
        assert!(tickets(&last.body).contains(&"T-10042".to_owned()), "{api:?}: {}", last.body);
        assert!(!last.body.contains("remember ticket T-10042"), "{api:?}: it is summed up");
        // Another life knows the same.
        stop(engine).await;
        let engine = start().start().await.unwrap();
        say(&engine, 13, 1).await;
        let last = mock.books().pop().unwrap();
        assert!(tickets(&last.body).contains(&"T-10042".to_owned()), "{api:?}: {}", last.body);
        assert!(!last.body.contains("remember ticket T-10042"), "{api:?}: it is summed up");
        assert_answered(&platform, 13);
        let usage = engine.usage(1).await.unwrap().total;
        assert_eq!((usage.calls, usage.input, usage.output), mock.paid(), "{api:?}");
        stop(engine).await;
    }
}

// A model whose size is known is never asked more than it reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_window_is_kept_before_anybody_refuses() {
    let (platform, mock) = (Platform::new(), Mock::start(Api::OpenAi, usize::MAX));
    let rules = ContextRules { window: Some(6000), ..ContextRules::default() };
    let backend = Arc::new(MemoryBackend::new());
    let engine = engine(&platform, &mock, rules).backend(backend).start().await.unwrap();
    for number in 1..=12 {
        say(&engine, number, WORDS).await;
    }
    assert_answered(&platform, 12);
    assert!(mock.count(Kind::Summary) >= 1, "summaries were written in time");
    let longest = mock.books().iter().map(|call| call.input).max().unwrap();
    assert!(longest < 6000, "{longest} tokens, as the model counts them");
    assert_eq!(mock.count(Kind::Refused), 0);
    stop(engine).await;
}

// D7: the engine dies while a summary is written, and behind it. A summary that was recorded is
// never asked for again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_summary_is_paid_once_whenever_the_engine_dies() {
    for (hang_on, summaries_before) in [(Kind::Summary, 0), (Kind::Answer, 1)] {
        let (platform, dir) = (Platform::new(), tempfile::tempdir().unwrap());
        let mock = Mock::start(Api::OpenAi, BODY_MAX);
        let start = || engine(&platform, &mock, ContextRules::default()).state_dir(dir.path());
        let engine = start().start().await.unwrap();
        let mut number = 0;
        // Up to the message that would be refused.
        while mock.books().last().is_none_or(|call| call.body.len() + 4000 < BODY_MAX) {
            number += 1;
            say(&engine, number, WORDS).await;
        }
        if hang_on == Kind::Summary {
            mock.hang_on(Kind::Summary);
        } else {
            // The answer behind the summary: the call before it is the refused one.
            mock.hang_on(Kind::Answer);
        }
        number += 1;
        let text = ticket(number, WORDS);
        engine.inject(direct(&number.to_string(), "anna", &text)).await.unwrap();
        until("the model hangs", || (mock.count(Kind::Hung) == 1).then_some(()));
        assert_eq!(mock.count(Kind::Summary), summaries_before);
        stop(engine).await;
        let engine = start().start().await.unwrap();
        idle(&engine).await;
        assert_answered(&platform, number);
        assert_eq!(mock.count(Kind::Summary), 1, "paid once, hung on {hang_on:?}");
        let usage = engine.usage(1).await.unwrap().total;
        assert_eq!((usage.calls, usage.input, usage.output), mock.paid());
        stop(engine).await;
    }
}

/// An engine in which the next message makes a summary necessary, and how many there were.
async fn about_to_overflow(platform: &Platform, mock: &Mock) -> (Engine, usize) {
    let backend = Arc::new(MemoryBackend::new());
    let rules = ContextRules::default();
    let engine = engine(platform, mock, rules).backend(backend).start().await.unwrap();
    let mut number = 0;
    while mock.books().last().is_none_or(|call| call.body.len() + 4000 < BODY_MAX) {
        number += 1;
        say(&engine, number, WORDS).await;
    }
    (engine, number)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_summary_that_will_not_do_is_corrected_once() {
    let long = "so it goes ".repeat(4000);
    for (bad, complaint) in [
        ("Nothing happened.", "left out: T-10042"),
        (long.as_str(), "longer than the conversation"),
    ] {
        let (platform, mock) = (Platform::new(), Mock::start(Api::Anthropic, BODY_MAX));
        let (engine, number) = about_to_overflow(&platform, &mock).await;
        mock.read_at_most(BODY_MAX);
        let bad = if bad == long { format!("T-10042 T-20042 {bad}") } else { bad.to_owned() };
        mock.write_summaries(&[&bad]);
        say(&engine, number + 1, WORDS).await;
        assert_answered(&platform, number + 1);
        let summaries: Vec<_> =
            mock.books().into_iter().filter(|call| call.kind == Kind::Summary).collect();
        assert_eq!(summaries.len(), 2, "asked once more: {complaint}");
        assert!(summaries[1].body.contains(complaint), "{}", summaries[1].body);
        let usage = engine.usage(1).await.unwrap().total;
        assert_eq!((usage.calls, usage.input, usage.output), mock.paid(), "both are paid");
        stop(engine).await;
    }
}

// L1: what never comes to a summary costs a bounded number of calls, and the person is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_summary_the_newest_exchanges_are_answered_from() {
    let (platform, mock) = (Platform::new(), Mock::start(Api::OpenAi, BODY_MAX));
    let (engine, number) = about_to_overflow(&platform, &mock).await;
    let long = format!("T-10042 T-20042 {}", "so it goes ".repeat(4000));
    mock.write_summaries(&[&long, &long, &long, &long]);
    let before = mock.books().len();
    say(&engine, number + 1, WORDS).await;
    assert_answered(&platform, number + 1);
    let calls = mock.books().split_off(before);
    assert!(calls.len() <= 8, "{} calls", calls.len());
    let last = calls.last().unwrap();
    assert!(last.body.contains("left out for want of room"), "the model knows: {}", last.body);
    assert!(last.body.contains(&format!("T-{number}0042")), "the newest is there: {}", last.body);
    stop(engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_can_never_fit_is_told_so_and_the_session_goes_on() {
    for window in [None, Some(6_000)] {
        let body_max = if window.is_some() { usize::MAX } else { BODY_MAX };
        let (platform, mock) = (Platform::new(), Mock::start(Api::Gemini, body_max));
        let backend = Arc::new(MemoryBackend::new());
        let rules = ContextRules { window, ..ContextRules::default() };
        let engine = engine(&platform, &mock, rules).backend(backend).start().await.unwrap();
        say(&engine, 1, 10).await;
        say(&engine, 2, 10 * WORDS).await;
        say(&engine, 3, 10).await;
        let sent = platform.sent_to("anna");
        assert_eq!(sent.len(), 3, "{sent:?}");
        assert!(sent[1].contains("too long for the model"), "{}", sent[1]);
        assert_eq!(sent[2], "Answer to T-30042.");
        let last = mock.books().pop().unwrap();
        assert!(last.body.contains("T-10042"), "what was said before is known: {}", last.body);
        let letters = engine.dead_letters().list().unwrap();
        assert_eq!(letters.len(), 1, "it is kept");
        // With a model that reads more the operator replays it.
        if window.is_none() {
            mock.read_at_most(usize::MAX);
            engine.dead_letters().replay(letters[0].id).await.unwrap();
            idle(&engine).await;
            assert_eq!(platform.sent_to("anna")[3], "Answer to T-20042.");
        }
        stop(engine).await;
    }
}
