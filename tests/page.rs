//! The web page in a real browser, served by the real program: every click lands where a person's
//! would. Pictures are kept below `target/test-artifacts/`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test helpers fail their test and say why"
)]

#[path = "page/browser.rs"]
mod browser;
#[path = "page/chat.rs"]
mod chat;
#[path = "page/connection.rs"]
mod connection;
#[path = "service/kit.rs"]
mod kit;
#[path = "page/letters.rs"]
mod letters;
#[path = "page/looks.rs"]
mod looks;
#[path = "support/model_server.rs"]
mod model_server;
#[path = "imessage/scene.rs"]
mod scene;
#[path = "page/served.rs"]
mod served;
#[path = "service/wire.rs"]
mod wire;

use browser::Browser;
use kit::Home;

/// The address `telson dashboard` prints.
fn dashboard(home: &Home) -> String {
    let (code, document) = home.ask_json(&["dashboard"]);
    assert_eq!(code, 0, "{document}");
    document["url"].as_str().unwrap().to_owned()
}

/// `http://127.0.0.1:1234`
fn origin(url: &str) -> String {
    url.split("/#").next().unwrap().to_owned()
}

/// A browser that has opened the page as its owner does, and is let in; `None` where there is none.
async fn opened(home: &Home) -> Option<Browser> {
    let program = browser::program()?;
    let mut browser = Browser::start(&program).await;
    browser.go(&dashboard(home)).await;
    browser.shows("#state", "online").await;
    Some(browser)
}
