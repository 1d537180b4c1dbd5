//! A chat in the page, with the service behind it.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::browser::{self, Browser};
use crate::dashboard;
use crate::kit::{Home, Process};
use crate::model_server::Server;

/// The service with an agent that repeats what it is told.
fn echoing() -> (Home, Process) {
    serving(&json!({"agents": {"defaults": {"model": "echo/echo"}}}))
}

fn serving(config: &Value) -> (Home, Process) {
    let home = Home::new();
    home.configure(&config.to_string());
    let service = home.start(&[]);
    (home, service)
}

/// A browser at the conversations; `script` runs before the page's own.
async fn chatting(home: &Home, script: Option<&str>) -> Option<Browser> {
    let program = browser::program()?;
    let mut browser = Browser::start(&program).await;
    if let Some(source) = script {
        let source = json!({"source": source});
        browser.call("Page.addScriptToEvaluateOnNewDocument", source).await;
    }
    browser.go(&dashboard(home)).await;
    browser.shows("#state", "online").await;
    browser.click("nav a", "Sessions").await;
    browser.shows("#chat-title", "agent:main:main").await;
    Some(browser)
}

#[tokio::test]
async fn a_message_is_answered_while_one_looks() {
    let (home, service) = echoing();
    let bold = json!({"sessionKey": "other", "message": "<b>bold</b>", "idempotencyKey": "k"});
    service.call("chat.send", &bold);
    service.idle();
    let Some(mut browser) = chatting(&home, None).await else { return };
    browser.shows("#sessions button", "<b>bold</b>").await;
    browser.click("#say", "").await;
    browser.write("hello <i>there</i>").await;
    browser.press("Enter", 13).await;
    browser.shows("#log .user", "hello <i>there</i>").await;
    browser.shows("#log .assistant", "echo: hello <i>there</i>").await;
    browser.until("!document.querySelector('#abort').checkVisibility()").await;
    assert_eq!(browser.value("document.querySelectorAll('#log .assistant').length").await, 1);
    assert_eq!(browser.value("document.querySelectorAll('#log i, #sessions b').length").await, 0);
    // Another session has its own history, and the first one keeps its.
    browser.click("#sessions button", "agent:main:other").await;
    browser.shows("#log .assistant", "echo: <b>bold</b>").await;
    browser.click("#sessions button", "agent:main:main").await;
    browser.shows("#log .assistant", "echo: hello").await;
    browser.picture("chat-light-800.png").await;
    assert!(browser.wrongs().is_empty(), "{:#?}", browser.wrongs());
    service.stop();
}

// A click begins and ends on one element: what is drawn anew in between would lose it.
#[tokio::test]
async fn sessions_that_are_there_stay_in_place_when_others_come() {
    let (home, service) = echoing();
    let say = |session: &str, text: &str| {
        let params = json!({"sessionKey": session, "message": text, "idempotencyKey": text});
        service.call("chat.send", &params);
        service.idle();
    };
    say("one", "hello");
    let Some(mut browser) = chatting(&home, None).await else { return };
    browser.shows("#sessions button", "echo: hello").await;
    let mark = "document.querySelectorAll('#sessions button').forEach((it) => it.marked = true)";
    browser.value(&format!("{mark}, 0")).await;
    say("two", "and me");
    browser.shows("#sessions button", "echo: and me").await;
    say("one", "once more");
    browser.shows("#sessions button", "echo: once more").await;
    let kept = "Array.from(document.querySelectorAll('#sessions button')).filter((it) => it.marked)
        .map((it) => it.dataset.key).sort().join()";
    assert_eq!(browser.value(kept).await, "agent:main:main,agent:main:one");
    service.stop();
}

#[tokio::test]
async fn an_answer_is_stopped_by_a_click() {
    // A model that takes a question and says nothing.
    let model = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = model.local_addr().unwrap();
    let (home, service) = serving(&json!({
        "models": {"providers": {"slow": {
            "baseUrl": format!("http://{address}/v1"),
            "api": "openai-completions",
            "apiKey": "key",
            "models": [{"id": "m"}],
        }}},
        "agents": {"defaults": {"model": "slow/m"}},
    }));
    let Some(mut browser) = chatting(&home, None).await else { return };
    browser.click("#say", "").await;
    browser.write("take your time").await;
    browser.click("#send", "Send").await;
    browser.until("document.querySelector('#abort').checkVisibility()").await;
    browser.click("#abort", "Stop").await;
    browser.shows(".chat p", "stopped").await;
    browser.until("!document.querySelector('#abort').checkVisibility()").await;
    service.idle();
    service.stop();
}

#[tokio::test]
async fn a_message_that_was_not_taken_is_sent_again_under_its_own_key() {
    let (home, service) = echoing();
    let script = include_str!("refuse_once.js");
    let Some(mut browser) = chatting(&home, Some(script)).await else { return };
    browser.click("#say", "").await;
    browser.write("once more").await;
    browser.click("#send", "Send").await;
    browser.shows("#chat-trouble", "starting").await;
    browser.click("#chat-trouble button", "Send again").await;
    browser.shows("#log .assistant", "echo: once more").await;
    let keys = browser.value("new Set(window.sends).size + '/' + window.sends.length").await;
    assert_eq!(keys, "1/2", "one key, two sends");
    assert_eq!(browser.value("document.querySelectorAll('#log .user').length").await, 1);
    service.stop();
}

#[tokio::test]
async fn a_message_that_is_refused_for_good_is_given_back_and_the_next_goes_out() {
    let (home, service) = echoing();
    let script = include_str!("refuse_for_good.js");
    let Some(mut browser) = chatting(&home, Some(script)).await else { return };
    browser.click("#say", "").await;
    browser.write("to nobody").await;
    browser.click("#send", "Send").await;
    browser.shows("#chat-trouble", "unknown agent id").await;
    assert_eq!(browser.value("document.querySelector('#say').value").await, "to nobody");
    assert_eq!(browser.value("document.querySelectorAll('#log .user').length").await, 0);
    browser.click("#send", "Send").await;
    browser.shows("#log .assistant", "echo: to nobody").await;
    assert_eq!(browser.value("document.querySelector('#chat-trouble').textContent").await, "");
    service.stop();
}

#[tokio::test]
async fn a_model_that_gives_no_answer_is_named_while_one_waits() {
    let asked = AtomicUsize::new(0);
    let model = Server::start(move |it| {
        if asked.fetch_add(1, Ordering::SeqCst) < 3 {
            let error = json!({"error": {"message": "warming up"}});
            return it.document("503 Service Unavailable", &error);
        }
        it.whole(&json!({"role": "assistant", "content": "here I am"}))
    });
    let (home, service) = serving(&json!({
        "models": {"providers": {"cold": {
            "baseUrl": model.url(), "api": "openai-completions", "models": [{"id": "m"}],
        }}},
        "agents": {"defaults": {"model": "cold/m"}},
    }));
    let Some(mut browser) = chatting(&home, None).await else { return };
    browser.click("#say", "").await;
    browser.write("hello").await;
    browser.press("Enter", 13).await;
    browser
        .shows(".chat p", "cold/m gives no answer (the provider answered 503: warming up)")
        .await;
    browser.shows(".chat p", "trying again in").await;
    browser.shows("#log .assistant", "here I am").await;
    browser.until("!document.querySelector('.chat').innerText.includes('gives no answer')").await;
    assert!(browser.wrongs().is_empty(), "{:#?}", browser.wrongs());
    service.stop();
}

#[tokio::test]
async fn what_is_announced_and_put_in_by_hand_is_shown_as_that() {
    let (home, service) = echoing();
    let Some(mut browser) = chatting(&home, None).await else { return };
    browser.click("#say", "").await;
    browser.write("hello").await;
    browser.press("Enter", 13).await;
    browser.shows("#log .assistant", "echo: hello").await;
    browser.until("!document.querySelector('#abort').checkVisibility()").await;
    let job = ["cron", "add", "--id", "tea", "--at", "1s", "--message", "is ready", "--announce"];
    let here = ["--channel", "webchat", "--to", "agent:main:main"];
    let added = home.ask(&[&job[..], &here].concat());
    assert_eq!(added.code, 0, "{added:?}");
    browser.shows("#log .assistant", "is ready").await;
    browser.shows("#log .who", "announcement from agent:main:cron:tea").await;
    service.call("chat.inject", &json!({"sessionKey": "main", "message": "<b>by hand</b>"}));
    browser.shows("#log .assistant", "<b>by hand</b>").await;
    browser.shows("#log .who", "note").await;
    // The history says the same.
    browser.click("nav a", "Tree").await;
    browser.call("Page.reload", json!({})).await;
    browser.shows("#state", "online").await;
    browser.click("nav a", "Sessions").await;
    browser.shows("#log .assistant", "is ready").await;
    browser.shows("#log .who", "announcement from agent:main:cron:tea").await;
    assert_eq!(browser.value("document.querySelectorAll('#log b').length").await, 0);
    assert_eq!(browser.value("document.querySelectorAll('#log .assistant').length").await, 3);
    assert!(browser.wrongs().is_empty(), "{:#?}", browser.wrongs());
    service.stop();
}
