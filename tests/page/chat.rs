//! A chat in the page. The gateway's own chat is stood in for, in its recorded shapes.

use serde_json::json;

use crate::browser::{self, Browser};
use crate::dashboard;
use crate::scene::Scene;

async fn chatting(scene: &Scene) -> Option<Browser> {
    let program = browser::program()?;
    let mut browser = Browser::start(&program).await;
    let double = json!({"source": include_str!("chat_double.js")});
    browser.call("Page.addScriptToEvaluateOnNewDocument", double).await;
    browser.go(&dashboard(&scene.home)).await;
    browser.shows("#state", "online").await;
    browser.click("nav a", "Sessions").await;
    browser.shows("#chat-title", "agent:main:main").await;
    Some(browser)
}

#[tokio::test]
async fn a_message_is_answered_while_one_looks() {
    let scene = Scene::new();
    let service = scene.start();
    let Some(mut browser) = chatting(&scene).await else { return };
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
    browser.until("document.querySelectorAll('#log li').length === 0").await;
    browser.click("#sessions button", "agent:main:main").await;
    browser.shows("#log .assistant", "echo: hello").await;
    browser.picture("chat-light-800.png").await;
    assert!(browser.wrongs().is_empty(), "{:#?}", browser.wrongs());
    service.stop();
}

#[tokio::test]
async fn an_answer_is_stopped_by_a_click() {
    let scene = Scene::new();
    let service = scene.start();
    let Some(mut browser) = chatting(&scene).await else { return };
    browser.click("#say", "").await;
    browser.write("[[slow]]").await;
    browser.click("#send", "Send").await;
    browser.shows("#log .assistant", "echo:").await;
    browser.click("#abort", "Stop").await;
    browser.shows(".chat p", "stopped").await;
    browser.until("!document.querySelector('#abort').checkVisibility()").await;
    service.stop();
}

#[tokio::test]
async fn a_message_that_was_not_taken_is_sent_again_under_its_own_key() {
    let scene = Scene::new();
    let service = scene.start();
    let Some(mut browser) = chatting(&scene).await else { return };
    browser.click("#say", "").await;
    browser.write("[[refuse-once]]").await;
    browser.click("#send", "Send").await;
    browser.shows("#chat-trouble", "starting").await;
    browser.click("#chat-trouble button", "Send again").await;
    browser.shows("#log .assistant", "echo: [[refuse-once]]").await;
    let keys = browser.value("new Set(window.sends).size + '/' + window.sends.length").await;
    assert_eq!(keys, "1/2", "one key, two sends");
    assert_eq!(browser.value("document.querySelectorAll('#log .user').length").await, 1);
    service.stop();
}
