//! A stranger is let in, turned away or sent off again by the operator's command line.

use serde_json::{Value, json};

use crate::kit::{Process, until};
use crate::scene::{Friend, Scene};

/// A kill may come between the note of a send and the send: with nobody to ask, it is sent again
/// after three seconds without a row, which is exact with this double (see `kills`).
fn scene() -> Scene {
    let settings = json!({"dmPolicy": "pairing", "allowFrom": [],
                          "unsettledSends": "resend", "unsettledAfterSeconds": 3});
    Scene::with(&settings, &[])
}

/// The code a stranger was sent last.
fn code(scene: &Scene, stranger: &Friend, nth: usize) -> String {
    let text = until("the code is out", || scene.texts_to(stranger).get(nth).cloned());
    text.split("the code ").nth(1).unwrap().split(';').next().unwrap().to_owned()
}

fn declined(service: &Process, text: &str) {
    until("it is declined", || (service.journey(text)["state"] == "declined").then_some(()));
}

fn accounts(scene: &Scene) -> Value {
    let (exit, document) = scene.home.ask_json(&["pairing", "list", "imessage"]);
    assert_eq!(exit, 0, "{document}");
    document["accounts"].clone()
}

// D1: an approval is durable before the operator is told, and the note to the person goes out once.
#[test]
fn an_approved_stranger_is_told_and_answered_also_after_a_kill() {
    let scene = scene();
    let stranger = scene.friend("+15550100002");
    let service = scene.start();
    scene.say(&stranger, "[#1] let me in");
    let code = code(&scene, &stranger, 0);

    let list = scene.home.ask(&["pairing", "list"]);
    assert_eq!(list.code, 0, "{list:?}");
    for part in [code.as_str(), "imessage/default", "+15550100002", "UNTIL"] {
        assert!(list.out.contains(part), "{part} is in {}", list.out);
    }
    let wrong = scene.home.ask(&["pairing", "approve", "imessage", "WRONGONE"]);
    assert_eq!((wrong.code, wrong.out.as_str()), (1, ""), "{wrong:?}");
    assert!(wrong.err.contains("no pairing request with this code is waiting"), "{}", wrong.err);
    let nowhere = scene.home.ask(&["pairing", "approve", "telegram", &code]);
    assert_eq!(nowhere.code, 1, "{nowhere:?}");
    assert!(nowhere.err.contains("there is no account telegram/default; there are imessage/"));
    let untyped = scene.home.ask(&["pairing", "approve", "imessage"]);
    assert_eq!(untyped.code, 2, "{untyped:?}");

    // People type codes as they like.
    let typed = code.to_lowercase();
    let approved = scene.home.ask(&["pairing", "approve", "imessage", &typed]);
    let said = "+15550100002 may write direct messages on imessage/default; they are told\n";
    assert_eq!((approved.code, approved.out.as_str()), (0, said), "{approved:?}");
    service.kill();

    let service = scene.start();
    until("they are told", || (scene.texts_to(&stranger).len() == 2).then_some(()));
    assert!(scene.texts_to(&stranger)[1].starts_with("You are approved. Please write again"));
    let pending = json!([{"account": "imessage/default", "pending": [],
                          "paired": ["+15550100002"]}]);
    assert_eq!(accounts(&scene), pending);
    let again = scene.home.ask(&["pairing", "approve", "imessage", &code]);
    assert_eq!(again.code, 1, "a code counts once: {again:?}");
    scene.say(&stranger, "[#2] and now?");
    until("they are answered", || (scene.texts_to(&stranger).len() == 3).then_some(()));
    service.idle();

    let off = scene.home.ask(&["pairing", "revoke", "imessage", "+15550100002"]);
    assert_eq!((off.code, off.out.as_str()), (0, "+15550100002 may not write any more\n"));
    let twice = scene.home.ask(&["pairing", "revoke", "imessage", "+15550100002"]);
    assert_eq!(twice.code, 1, "{twice:?}");
    assert!(twice.err.contains("+15550100002 has no approval on imessage/default"));
    scene.say(&stranger, "[#3] still there?");
    declined(&service, "[#3]");
    service.stop();
    let texts = scene.texts_to(&stranger);
    assert_eq!(texts.len(), 4, "one code, one note, one answer, one more code: {texts:?}");
    assert_eq!(texts[2], "echo: [#2] and now?");
}

#[test]
fn a_rejected_stranger_is_told_nothing_and_may_ask_again() {
    let scene = scene();
    let stranger = scene.friend("+15550100002");
    let service = scene.start();
    scene.say(&stranger, "[#1] let me in");
    let first = code(&scene, &stranger, 0);
    let rejected = scene.home.ask(&["pairing", "reject", "imessage", &first]);
    let said = "the request of +15550100002 is turned away; they may ask again\n";
    assert_eq!((rejected.code, rejected.out.as_str()), (0, said), "{rejected:?}");
    let nobody = scene.home.ask(&["pairing", "list"]);
    assert_eq!((nobody.code, nobody.out.as_str()), (0, "nobody waits for approval\n"));
    scene.say(&stranger, "[#2] please");
    let second = code(&scene, &stranger, 1);
    assert_ne!(first, second);
    let (exit, document) =
        scene.home.ask_json(&["pairing", "approve", "imessage", &first, "--account", "default"]);
    assert_eq!((exit, &document["error"]["type"]), (1, &json!("failed")), "{document}");
    service.stop();
    assert_eq!(scene.texts_to(&stranger).len(), 2, "{:?}", scene.texts());
}
