//! Who is answered: strangers get a code, groups have to be let in.

use serde_json::json;
use telson::demo::messages_db::{Chat, Shape};

use crate::kit::until;
use crate::scene::Scene;

#[test]
fn a_stranger_gets_one_code_and_no_answer() {
    let scene =
        Scene::with(&json!({"dmPolicy": "pairing", "allowFrom": ["anna@example.com"]}), &[]);
    let (anna, stranger) = (scene.friend("Anna@Example.com"), scene.friend("+15550100002"));
    let service = scene.start();
    scene.say(&stranger, "[#1] who are you?");
    scene.say(&stranger, "[#2] hello?");
    scene.say(&anna, "[#3]");
    scene.answered(&[(&stranger, "Give the operator of this gateway the code "), (&anna, "[#3]")]);
    let reasons = ["[#1]", "[#2]"].map(|text| service.journey(text)["reason"].clone());
    assert_eq!(reasons[0], "sender is not known yet: a pairing code was sent");
    assert_eq!(reasons[1], "sender is not known yet: a pairing code was sent before");
    // The next life remembers that the code is out.
    service.stop();
    let service = scene.start();
    scene.say(&stranger, "[#4] hello again?");
    until("the fourth is declined", || {
        (service.journey("[#4]")["state"] == "declined").then_some(())
    });
    service.stop();
    let texts = scene.texts_to(&stranger);
    assert_eq!(texts.len(), 1, "{texts:?}");
    let code = texts[0].split("the code ").nth(1).unwrap().split(';').next().unwrap();
    assert_eq!(code.len(), 8, "{code}");
    scene.assert_only(&[(&stranger, code), (&anna, "[#3]")]);
}

#[test]
fn groups_are_answered_where_they_are_let_in() {
    let scene = Scene::with(
        &json!({
            "groupPolicy": "allowlist",
            "groupAllowFrom": ["+15550100001"],
            "groups": {
                "chat1000": {"requireMention": false},
                "chat2000": {"requireMention": true},
                "chat3000": {"requireMention": false, "groupPolicy": "open"},
                "chat4000": {"enabled": false},
            },
        }),
        &[],
    );
    let (anna, bert) = (scene.friend("+15550100001"), scene.friend("+15550100002"));
    let room = |id: &str| scene.db.group_chat(id, "Trip", &[&anna.person, &bert.person]).unwrap();
    let [free, mention, open, off, unlisted] =
        ["chat1000", "chat2000", "chat3000", "chat4000", "chat5000"].map(room);
    let service = scene.start();
    let say = |chat: &Chat, who: &crate::scene::Friend, text: &str| {
        scene.db.inbound(chat, &who.person, text, Shape::Plain).unwrap();
    };
    say(&free, &anna, "[#1]");
    say(&free, &bert, "[#2]");
    say(&mention, &anna, "[#3] nice weather");
    say(&mention, &anna, "[#4] @telly, nice weather?");
    say(&open, &bert, "[#5]");
    say(&off, &anna, "[#6]");
    say(&unlisted, &anna, "[#7]");
    say(&free, &anna, "[#8]");
    let expected = [(&free, "[#1]"), (&mention, "[#4]"), (&open, "[#5]"), (&free, "[#8]")];
    let expected: Vec<_> =
        expected.iter().map(|(chat, mark)| (chat.guid.clone(), (*mark).to_owned())).collect();
    until("the groups are answered", || {
        let audit = telson::demo::audit::audit(&scene.db, &expected).unwrap();
        audit.exactly_once().then_some(())
    });
    let reasons = ["[#2]", "[#3]", "[#6]", "[#7]"].map(|text| {
        until("it is declined", || service.journey(text)["reason"].as_str().map(String::from))
    });
    assert!(reasons[0].contains("may not speak in this group"), "{reasons:?}");
    assert!(reasons[1].contains("does not mention the agent"), "{reasons:?}");
    assert!(reasons[2].contains("switched off in groups"), "{reasons:?}");
    assert!(reasons[3].contains("not listed in groups"), "{reasons:?}");
    service.stop();
    assert_eq!(scene.texts().len(), expected.len(), "{:#?}", scene.texts());
}
