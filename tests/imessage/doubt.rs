//! Sends that leave no trace: nobody can say what became of them, so the operator's choice holds.

use serde_json::json;
use telson::demo::imsg_double::ledger::Step;

use crate::kit::until;
use crate::scene::{Friend, Scene};

/// A send that only may have happened, and one that left an empty row outside the chat. Each is
/// looked for two seconds long, the second after ten more in which `imsg` has promised a row.
const TEXTS: [&str; 2] = ["[#1] [[imsg:unknown_not,ok]]", "[#2] [[imsg:ghost,ok]]"];

fn scene(policy: &str) -> Scene {
    Scene::with(&json!({"unsettledSends": policy, "unsettledAfterSeconds": 2}), &[])
}

/// One after the other, so that the first is not kept waiting by the second.
fn write_both(scene: &Scene, friends: &[Friend; 2]) {
    scene.say(&friends[0], TEXTS[0]);
    until("the first is under way", || (!scene.ledger(Step::Accepted).is_empty()).then_some(()));
    scene.say(&friends[1], TEXTS[1]);
}

#[test]
fn parked_sends_become_dead_letters() {
    let scene = scene("park");
    let friends = ["+15550100001", "+15550100002"].map(|handle| scene.friend(handle));
    let service = scene.start();
    write_both(&scene, &friends);
    let letters = service.dead_letters(2);
    for letter in &letters {
        assert_eq!((&letter["kind"], &letter["reason"]), (&json!("reply"), &json!("unknown")));
    }
    let detail = |number: usize| letters[number]["detail"].as_str().unwrap();
    assert!(detail(0).starts_with("outcome unknown: no row in chat.db "), "{letters:?}");
    assert!(detail(1).contains("empty row outside the chat"), "{letters:?}");
    // Nothing was sent on the service's own account, and the chats are free for what comes next.
    scene.say(&friends[0], "[#3]");
    scene.answered(&[(&friends[0], "[#3]")]);
    service.stop();
    scene.assert_only(&[(&friends[0], "[#3]")]);
    assert_eq!(scene.ledger(Step::Accepted).len(), 3);
}

#[test]
fn resent_sends_go_out_again() {
    let scene = scene("resend");
    let friends = ["+15550100001", "+15550100002"].map(|handle| scene.friend(handle));
    let service = scene.start();
    write_both(&scene, &friends);
    let expected: Vec<_> = friends.iter().zip(["[#1]", "[#2]"]).collect();
    scene.answered(&expected);
    let entry = until("the second attempt is recorded", || {
        let entry = service.journey("[#1]")["entries"][0].clone();
        (entry["state"] == "delivered").then_some(entry)
    });
    assert_eq!(entry["attempts"], 2);
    assert!(entry["notes"].to_string().contains("unsettled: no row in chat.db"), "{entry}");
    service.stop();
    scene.assert_only(&expected);
    assert_eq!(scene.ledger(Step::Accepted).len(), 4);
}
