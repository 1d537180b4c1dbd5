//! What is typed is done or refused, and what is answered arrives: nothing is left out in silence.

use std::fs::File;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::kit::Home;

#[test]
fn what_asks_nobody_takes_no_address_and_no_token() {
    let home = Home::new();
    for args in [
        &["run", "--url", "ws://127.0.0.1:1"][..],
        &["--token", "t", "run"],
        &["config", "validate", "--url", "ws://127.0.0.1:1"],
        &["cron", "next", "* * * * *", "--token", "t"],
        &["completions", "bash", "--tls-fingerprint", "AB"],
    ] {
        let finished = home.ask(args);
        assert_eq!((finished.code, finished.out.as_str()), (2, ""), "{args:?}: {finished:?}");
        assert!(finished.err.contains("this one asks nobody"), "{args:?}: {finished:?}");
    }
    let (code, document) = home.ask_json(&["man", "--token", "t"]);
    let message = document["error"]["message"].as_str().unwrap();
    assert!(code == 2 && message.starts_with("--token is for commands"), "{document}");
    // The environment speaks to all commands alike.
    home.set_env("TELSON_GATEWAY_URL", "ws://127.0.0.1:1".as_ref());
    home.set_env("TELSON_GATEWAY_TOKEN", "a-token-of-the-environment".as_ref());
    assert_eq!(home.ask(&["config", "validate"]).code, 0);
    // Commands that ask go where they are told, jobs and pairing as well.
    for args in [&["cron", "list"][..], &["pairing", "list"], &["models", "keys"]] {
        let finished = home.ask(args);
        let said = "no gateway answers at ws://127.0.0.1:1";
        assert!(finished.code == 1 && finished.err.contains(said), "{args:?}: {finished:?}");
    }
}

#[test]
fn a_config_that_run_refuses_is_not_valid() {
    let home = Home::new();
    home.configure("{gateway: {bind: 'lan'}}");
    for args in [&["run"][..], &["config", "validate"]] {
        let finished = home.ask(args);
        assert_eq!((finished.code, finished.out.as_str()), (78, ""), "{args:?}: {finished:?}");
        assert!(finished.err.contains("beyond this machine without encryption"), "{finished:?}");
    }
    home.configure("{gateway: {bind: 'lan', tls: {enabled: false}}}");
    let accepted = home.ask(&["config", "validate"]);
    assert_eq!(accepted.code, 0, "{accepted:?}");
    assert!(accepted.out.contains("warning: the gateway listens beyond"), "{accepted:?}");
}

#[test]
fn an_answer_that_can_not_be_written_fails() {
    let home = Home::new();
    let service = home.start(&[]);
    for args in [&["status", "--json"][..], &["health"], &["man"], &["completions", "bash"]] {
        let done = Command::new(env!("CARGO_BIN_EXE_telson"))
            .args(args)
            .env_clear()
            .env("HOME", home.path(""))
            .stdout(File::options().write(true).open("/dev/full").unwrap())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let err = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(1), "{args:?}: {err}");
        assert!(err.contains("No space left"), "{args:?}: {err}");
    }
    service.stop();
}

#[test]
fn no_colour_is_none_in_what_was_not_understood_too() {
    let home = Home::new();
    home.set_env("CLICOLOR_FORCE", "1".as_ref());
    assert!(home.ask(&["frob"]).err.contains('\u{1b}'), "there is colour to be refused");
    let plain = home.ask(&["--no-color", "frob"]);
    assert!(plain.code == 2 && !plain.err.contains('\u{1b}'), "{plain:?}");
}

#[test]
fn a_question_with_many_answers_says_how_many_more_there_are() {
    let home = Home::new();
    let service = home.start(&[]);
    let lines: String = (1..=23).map(|number| format!("message {number}\n")).collect();
    let chat = home.pipe(&["chat", "--session", "many"], lines.as_bytes());
    assert_eq!((chat.code, chat.out.lines().count()), (0, 23), "{chat:?}");
    let session = "agent:main:many";
    let shown = home.ask(&["why", session]);
    assert_eq!(shown.out.matches("  from ").count(), 20, "{}", shown.out);
    assert!(shown.out.ends_with("\nand 3 more: --limit 23 shows them\n"), "{}", shown.out);
    let (_, document) = home.ask_json(&["why", session, "--limit", "2"]);
    let count = document["journeys"].as_array().unwrap().len();
    assert_eq!((count, &document["total"]), (2, &json!(23)));
    let all = home.ask(&["why", session, "--limit", "23"]);
    assert_eq!(all.out.matches("  from ").count(), 23, "{}", all.out);
    assert!(!all.out.contains("more:"), "{}", all.out);
    service.stop();
}

#[test]
fn every_command_has_a_page_with_its_options() {
    let home = Home::new();
    let page = home.ask(&["man", "cron", "add"]);
    assert_eq!(page.code, 0, "{page:?}");
    for part in [".TH telson-cron-add 1", "\"telson 0.1.0\"", "\\-\\-stagger", "\\-\\-state\\-dir"]
    {
        assert!(page.out.contains(part), "{part} is in {}", page.out);
    }
    let unknown = home.ask(&["man", "cron", "frob"]);
    assert_eq!(unknown.code, 2, "{unknown:?}");
    assert!(unknown.err.contains("`telson cron` has no command \"frob\""), "{unknown:?}");
    assert_eq!(home.ask(&["man", "imsg-double"]).code, 2, "what is hidden has no page");
    let folder = home.path("pages");
    let (code, _) = home.ask_json(&["man", "--all", folder.to_str().unwrap()]);
    let count = std::fs::read_dir(&folder).unwrap().count();
    assert!(code == 0 && count > 50, "{count} pages");
    let run = std::fs::read_to_string(folder.join("telson-run.1")).unwrap();
    assert!(run.contains("\\-\\-drain\\-seconds"), "{run}");
    assert!(!folder.join("telson-imsg-double.1").exists());
}
