//! What others say in a conversation that is open in a terminal.

use serde_json::json;

use crate::kit::Home;
use crate::pty::Terminal;

#[test]
fn announcements_and_notes_are_shown_in_an_open_chat_and_marked() {
    let home = Home::new();
    home.configure(&json!({"agents": {"defaults": {"model": "echo/echo"}}}).to_string());
    let service = home.start(&[]);
    let mut terminal = Terminal::start(&home, 100, &["chat"]);
    terminal.shows("/exit leaves");
    terminal.types("hello");
    terminal.shows("echo: hello");
    let job = ["cron", "add", "--id", "tea", "--at", "1s", "--message", "is ready", "--announce"];
    let here = ["--channel", "webchat", "--to", "agent:main:main"];
    let added = home.ask(&[&job[..], &here].concat());
    assert_eq!(added.code, 0, "{added:?}");
    terminal.shows("[announcement from agent:main:cron:tea");
    terminal.shows("is ready");
    let note = json!({"sessionKey": "main", "message": "by \u{1b}[2Jhand"});
    service.call("chat.inject", &note);
    terminal.shows("[note]");
    terminal.shows("by [2Jhand");
    // The conversation goes on, and its own answers come once.
    terminal.types("again");
    terminal.shows("echo: again");
    terminal.types("/exit");
    let (code, shown) = terminal.finish();
    assert_eq!(code, 0, "{shown}");
    for own in ["echo: hello", "echo: again"] {
        assert_eq!(shown.matches(own).count(), 1, "{own}: {shown}");
    }
    assert!(!shown.contains("to somebody else"), "{shown}");
    service.stop();
}

#[test]
fn what_somebody_else_is_answered_in_the_session_is_shown_as_that() {
    let home = Home::new();
    home.configure(&json!({"agents": {"defaults": {"model": "echo/echo"}}}).to_string());
    let service = home.start(&[]);
    let mut terminal = Terminal::start(&home, 100, &["chat"]);
    terminal.shows("/exit leaves");
    let other = home.ask(&["chat", "--message", "from elsewhere"]);
    assert_eq!(other.out, "echo: from elsewhere\n", "{other:?}");
    terminal.shows("[to somebody else in this session]");
    terminal.shows("echo: from elsewhere");
    terminal.types("/exit");
    assert_eq!(terminal.finish().0, 0);
    service.stop();
}
