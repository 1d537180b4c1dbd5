//! Starting, stopping, and the files that are there in between.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::Signal;
use serde_json::json;
use telson::demo::imsg_double::ledger::Step;

use crate::kit::{Home, until};
use crate::scene::Scene;
use crate::wire::Wire;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn only_the_owner_can_reach_it() {
    let home = Home::new();
    // A folder somebody made too open is closed.
    std::fs::create_dir(home.state_dir()).unwrap();
    std::fs::set_permissions(home.state_dir(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let service = home.start(&[]);
    assert_eq!(mode(&home.state_dir()), 0o700);
    assert_eq!(mode(&home.socket()), 0o600);
    service.stop();
}

#[test]
fn a_second_one_on_the_same_folder_is_refused_and_the_first_goes_on() {
    let home = Home::new();
    let mut first = home.start(&[]);
    let second = home.ask(&["run"]);
    let said = format!(
        "telson: state directory {} is in use by a running telson (pid {}); stop it or choose \
         another --state-dir\n",
        home.state_dir().display(),
        first.pid()
    );
    assert_eq!((second.code, second.err.as_str()), (78, said.as_str()));
    let (code, document) = home.ask_json(&["run"]);
    assert_eq!((code, &document["ok"]), (78, &json!(false)));
    first.assert_runs();
    assert_eq!(first.call("health", &json!({}))["pid"], first.pid());
    first.stop();
}

#[test]
fn either_signal_ends_it_in_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let home = Home::new();
        let service = home.start(&[]);
        service.signal(signal);
        let finished = service.finish();
        assert_eq!(finished.code, 0, "{signal:?}: {}", finished.err);
        assert!(finished.err.contains("a second signal ends at once"), "{}", finished.err);
        assert!(!home.socket().exists(), "the socket is gone");
        assert_eq!(home.ask(&["status"]).code, 1);
        home.start(&[]).stop();
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let scene = Scene::new();
    let anna = scene.friend("+15550100001");
    // The long drain would be waited out: the send never ends by itself.
    let service = scene.start_with(&["--drain-seconds", "600"]);
    scene.say(&anna, "[#1] [[imsg:hang]]");
    until("the send has begun", || (!scene.ledger(Step::Accepted).is_empty()).then_some(()));
    service.signal(Signal::TERM);
    until("it is stopping", || service.log().contains("stopping").then_some(()));
    assert_eq!(service.call("health", &json!({}))["ok"], json!(true), "it still answers");
    service.signal(Signal::TERM);
    let finished = service.finish();
    assert_eq!(finished.code, 130, "{}", finished.err);
}

#[test]
fn an_orderly_end_finishes_what_is_under_way() {
    let scene = Scene::with(&json!({}), &[("IMSG_DELAY", "0.4")]);
    let friends = ["+15550100001", "+15550100002", "+15550100003"].map(|h| scene.friend(h));
    let service = scene.start();
    for friend in &friends {
        scene.say(friend, "[#1]");
    }
    until("all three are admitted", || {
        let told = service.call("telson.why", &json!({"query": "[#1]"}));
        (told["journeys"].as_array().unwrap().len() == 3).then_some(())
    });
    let ended = service.stop();
    let all: Vec<_> = friends.iter().map(|friend| (friend, "[#1]")).collect();
    let audit = scene.audit(&all);
    assert!(audit.exactly_once(), "{audit:?}\n{}", ended.err);
    scene.assert_only(&all);
}

#[test]
fn what_a_killed_one_left_behind_is_replaced() {
    let home = Home::new();
    home.start(&[]).kill();
    assert!(home.socket().exists(), "nobody removed the socket");
    assert!(Wire::connect(&home.socket()).is_none(), "and nobody listens");
    let status = home.ask(&["status"]);
    assert_eq!(status.code, 1);
    assert!(status.err.contains("no telson is running"), "{}", status.err);
    let service = home.start(&[]);
    assert_eq!(mode(&home.socket()), 0o600);
    assert_eq!(service.call("status", &json!({}))["pid"], service.pid());
    service.stop();
}

#[test]
fn a_place_that_cannot_be_used_is_named() {
    let home = Home::new();
    let file = home.path("file");
    std::fs::write(&file, "").unwrap();
    let finished = home.ask(&["--state-dir", file.to_str().unwrap(), "run"]);
    assert_eq!(finished.code, 78, "{finished:?}");
    assert!(finished.err.contains(file.to_str().unwrap()), "{}", finished.err);
    // A socket's name has a limit that a folder's has not.
    let deep = home.path(&"x".repeat(120));
    let finished = home.ask(&["--state-dir", deep.to_str().unwrap(), "run"]);
    assert_eq!(finished.code, 78, "{finished:?}");
    assert!(finished.err.contains("choose a shorter --state-dir"), "{}", finished.err);
    assert!(!finished.err.contains("panicked"), "{}", finished.err);
}
