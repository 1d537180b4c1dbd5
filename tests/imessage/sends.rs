//! Sends whose end is known in the end: whatever `imsg` says or fails to say, each answer goes out
//! once, and what cannot go out is shown.

use serde_json::json;
use telson::demo::imsg_double::ledger::Step;

use crate::kit::until;
use crate::scene::{Scene, write_files, write_program};

/// The double looks for its mode in the text, and the text comes back as the answer.
#[test]
fn what_went_out_is_found_in_the_database_whatever_imsg_says() {
    let scene = Scene::new();
    let modes = ["ok", "noguid", "unknown", "die_after", "not_started,ok", "die_after,ok"];
    let friends: Vec<_> =
        (0..modes.len()).map(|number| scene.friend(&format!("+1555010000{number}"))).collect();
    let service = scene.start();
    let texts: Vec<String> =
        modes.iter().map(|mode| format!("[#{mode}] [[imsg:{mode}]]")).collect();
    for (friend, text) in friends.iter().zip(&texts) {
        scene.say(friend, text);
    }
    let expected: Vec<_> = friends.iter().zip(texts.iter().map(String::as_str)).collect();
    scene.answered(&expected);
    service.stop();
    scene.assert_only(&expected);
    // Only the send that proved that nothing had begun was made twice.
    assert_eq!(scene.ledger(Step::Accepted).len(), modes.len() + 1);
}

#[test]
fn a_hung_imsg_that_is_ended_leaves_no_doubt() {
    let scene = Scene::new();
    let anna = scene.friend("+15550100001");
    let service = scene.start();
    scene.say(&anna, "[#1] [[imsg:hang_after]]");
    let sent = until("Messages has it", || scene.ledger(Step::Effect).pop());
    let state = service.journey("[#1]")["entries"][0]["state"].clone();
    assert_eq!(state, "sending", "no answer came");
    // A hung program is ended by somebody in the end; here by its number in its own record.
    let imsg = rustix::process::Pid::from_raw(i32::try_from(sent.pid).unwrap()).unwrap();
    rustix::process::kill_process(imsg, rustix::process::Signal::KILL).unwrap();
    let entry = until("the doubt is settled", || {
        let entry = service.journey("[#1]")["entries"][0].clone();
        (entry["state"] == "delivered").then_some(entry)
    });
    assert_eq!(entry["platform_id"], sent.guid.unwrap());
    assert_eq!(entry["attempts"], 1);
    assert!(entry["notes"].to_string().contains("in doubt: the imsg child ended"), "{entry}");
    // It is over: an account that has nothing to send is not in trouble.
    assert_eq!(service.call("health", &json!({}))["troubled"], json!([]));
    // The next message finds a new one.
    scene.say(&anna, "[#2]");
    scene.answered(&[(&anna, "[#2]")]);
    service.stop();
    scene.assert_only(&[(&anna, "[#1]"), (&anna, "[#2]")]);
}

#[test]
fn a_missing_permission_is_shown_as_the_accounts_state() {
    let scene = Scene::with(&json!({}), &[("IMSG_MODE", "denied")]);
    let anna = scene.friend("+15550100001");
    let service = scene.start();
    scene.say(&anna, "[#1]");
    let said = until("the account shows it", || service.note("delivery"));
    assert!(said.contains("(-1743)") && said.contains("allow Automation of Messages"), "{said}");
    let status = scene.home.ask(&["status"]);
    assert!(status.out.contains("allow Automation of Messages"), "{}", status.out);
    assert_eq!(service.call("health", &json!({}))["ok"], json!(false));
    // It waits for a person; it is neither lost nor given up.
    let journey = service.journey("[#1]");
    assert_eq!(
        (&journey["state"], &journey["entries"][0]["state"]),
        (&json!("waiting"), &json!("pending"))
    );
    assert_eq!(service.call("status", &json!({}))["load"]["undelivered"], 1);
    assert_eq!(scene.texts(), Vec::<String>::new());
}

#[test]
fn an_imsg_that_cannot_be_started_is_named() {
    let scene = Scene::with(&json!({"cliPath": "/nowhere/imsg"}), &[]);
    let anna = scene.friend("+15550100001");
    let service = scene.start();
    scene.say(&anna, "[#1]");
    let said = until("the account shows it", || service.note("imsg"));
    assert!(said.contains("/nowhere/imsg") && said.contains("install imsg"), "{said}");
    until("the log says it", || service.log().contains("/nowhere/imsg").then_some(()));
    until("the attempt is known to have failed", || {
        let notes = service.journey("[#1]")["entries"][0]["notes"].to_string();
        notes.contains("not sent").then_some(())
    });
    service.kill();
    // Mended and started again, it goes on.
    write_files(&scene.home, &json!({}), &[]);
    let service = scene.start();
    scene.answered(&[(&anna, "[#1]")]);
    service.stop();
    scene.assert_only(&[(&anna, "[#1]")]);
}

#[test]
fn an_imsg_that_ends_before_it_is_ready_has_sent_nothing() {
    let scene = Scene::new();
    let anna = scene.friend("+15550100001");
    write_program(&scene.home.path("imsg"), "#!/bin/sh\nexit 1\n");
    let service = scene.start();
    scene.say(&anna, "[#1]");
    until("the attempt is known to have failed", || {
        let entry = service.journey("[#1]")["entries"][0].clone();
        entry["notes"].to_string().contains("not sent: the imsg child ended").then_some(())
    });
    assert_eq!(service.note("imsg").unwrap(), "the imsg child ended");
    // Mended while the service runs, it goes on by itself.
    write_files(&scene.home, &json!({}), &[]);
    scene.answered(&[(&anna, "[#1]")]);
    service.stop();
    scene.assert_only(&[(&anna, "[#1]")]);
}

#[test]
fn a_message_nobody_can_receive_becomes_a_dead_letter_and_can_be_replayed() {
    let scene = Scene::new();
    let (anna, bert) = (scene.friend("+15550100001"), scene.friend("+15550100002"));
    let service = scene.start();
    scene.say(&anna, "[#1] [[imsg:fail22,ok]]");
    scene.say(&bert, "[#2]");
    let letter = service.dead_letters(1).remove(0);
    assert_eq!((&letter["kind"], &letter["reason"]), (&json!("reply"), &json!("rejected")));
    assert!(letter["detail"].as_str().unwrap().contains("error 22"), "{letter}");
    scene.answered(&[(&bert, "[#2]")]);
    let why = service.journey("[#1]");
    assert_eq!(why["state"], "dead_letter", "nobody has received it: {why}");

    let id = letter["id"].as_str().unwrap();
    let listed = scene.home.ask(&["dead-letters", "list"]);
    assert!(listed.out.contains(id) && listed.out.contains("rejected"), "{}", listed.out);
    let shown = scene.home.ask(&["dead-letters", "show", id]);
    assert!(shown.out.contains("could not deliver it (error 22)"), "{}", shown.out);
    let replayed = scene.home.ask(&["dead-letters", "replay", id]);
    assert_eq!(replayed.code, 0, "{replayed:?}");
    let why = until("the replay is told with its message", || {
        let why = service.journey("[#1]");
        (why["state"] == "answered").then_some(why)
    });
    assert_eq!(why["entries"][0]["state"], "delivered", "{why}");
    let none = scene.home.ask(&["dead-letters", "list"]);
    assert_eq!(none.out, "no dead letters: everything accepted was finished\n");
    service.stop();
    scene.assert_only(&[(&anna, "[#1]"), (&bert, "[#2]")]);
}

#[test]
fn a_dead_letter_is_replayed_with_another_text() {
    let scene = Scene::new();
    let anna = scene.friend("+15550100001");
    let service = scene.start();
    scene.say(&anna, "[#1] [[imsg:fail22,fail22]]");
    let letter = service.dead_letters(1).remove(0);
    let id = letter["id"].as_str().unwrap();
    for text in ["", " \n"] {
        let refused = scene.home.ask(&["dead-letters", "replay", id, "--text", text]);
        assert!(refused.code == 2 && refused.err.contains("params.text"), "{refused:?}");
    }
    service.dead_letters(1);
    let replayed = scene.home.ask(&["dead-letters", "replay", id, "--text", "mended [#1]"]);
    assert_eq!(replayed.code, 0, "{replayed:?}");
    scene.answered(&[(&anna, "[#1]")]);
    service.stop();
    assert_eq!(scene.texts(), ["mended [#1]"], "once, and as it was changed");
}

#[test]
fn a_send_that_messages_doubles_is_not_made_worse() {
    let scene = Scene::new();
    let anna = scene.friend("+15550100001");
    let service = scene.start();
    scene.say(&anna, "[#1] [[imsg:double]]");
    scene.say(&anna, "[#2]");
    until("the second is answered", || {
        (service.journey("[#2]")["state"] == "answered").then_some(())
    });
    service.stop();
    // The double is the platform's own: two rows of one send.
    assert_eq!(scene.ledger(Step::Accepted).len(), 2);
    assert_eq!(
        scene.texts_to(&anna),
        ["echo: [#1] [[imsg:double]]", "echo: [#1] [[imsg:double]]", "echo: [#2]"]
    );
}

#[test]
fn an_old_imsg_is_spoken_to_in_its_own_way() {
    let scene = Scene::with(&json!({}), &[("IMSG_PROFILE", "0.9")]);
    let anna = scene.friend("+15550100001");
    let service = scene.start();
    let texts =
        ["[#1]", "[#2] [[imsg:noguid]]", "[#3] [[imsg:die_after]]", "[#4] [[imsg:unknown]]"];
    for text in texts {
        scene.say(&anna, text);
    }
    let expected = texts.map(|text| (&anna, text));
    scene.answered(&expected);
    service.stop();
    scene.assert_only(&expected);
    let order: Vec<_> = scene.texts_to(&anna).iter().map(|text| text[6..10].to_owned()).collect();
    assert_eq!(order, ["[#1]", "[#2]", "[#3]", "[#4]"], "answers keep their order");
}
