//! Every shape a row can have: what is a message is answered once, and nothing else is.

use std::time::Duration;

use telson::demo::messages_db::{File, Shape};

use crate::kit::{Process, until};
use crate::scene::{Friend, Scene};

const PHOTO: &str = "~/Library/Messages/Attachments/b0/00/at_0/IMG_0002.HEIC";

/// Somebody new for each shape, so that one row never stands for another.
fn friends<const N: usize>(scene: &Scene) -> [Friend; N] {
    std::array::from_fn(|number| scene.friend(&format!("+1555010{number:04}")))
}

/// A message written after the others and answered: by then each of them was looked at.
fn barrier(scene: &Scene, number: u32) {
    let last = scene.friend("+15550199999");
    let mark = format!("[#barrier {number}]");
    scene.say(&last, &mark);
    scene.answered(&[(&last, &mark)]);
}

fn stop_after(scene: &Scene, service: Process, expected: &[(&Friend, &str)]) {
    let last = scene.friend("+15550199999");
    scene.answered(expected);
    barrier(scene, 9);
    // What was admitted leaves before the service does, so a double would be there by then.
    service.stop();
    scene.assert_only(&[expected, &[(&last, "[#barrier 9]")]].concat());
}

#[test]
fn whole_messages_are_answered_once() {
    let scene = Scene::new();
    let [plain, blob, text, photo, titled, email, below, fence] = friends(&scene);
    let service = scene.start();
    scene.write(&plain, "[#plain] hi", Shape::Plain);
    scene.write(&blob, "[#blob] déjà vu 👍", Shape::BlobOnly);
    scene.write(&text, "[#text] a text message", Shape::TextOnly);
    scene.write(&photo, "", Shape::Attachment(File::photo()));
    scene.write(&titled, "[#titled] look", Shape::Attachment(File::photo()));
    scene.write(&email, "[#mail]\nline two\n\nline four", Shape::Plain);
    scene.db.leave_gap(5).unwrap();
    scene.say(&fence, "[#fence]");
    // The row with the higher number is answered, so the cursor is beyond the gap.
    scene.answered(&[(&fence, "[#fence]")]);
    scene.write(&below, "[#below]", Shape::BelowCursor);
    stop_after(
        &scene,
        service,
        &[
            (&plain, "echo: [#plain] hi"),
            (&blob, "echo: [#blob] déjà vu 👍"),
            (&text, "echo: [#text] a text message"),
            (&photo, "echo: <media:image>"),
            (&titled, "[#titled] look"),
            (&email, "echo: [#mail]\nline two\n\nline four"),
            (&below, "[#below]"),
            (&fence, "[#fence]"),
        ],
    );
}

#[test]
fn messages_that_become_whole_later_are_answered_once() {
    let scene = Scene::new();
    let [join, body, photo, never] = friends(&scene);
    let service = scene.start();
    let joins = scene.write(&join, "[#join]", Shape::LateJoin);
    let fills = scene.write(&body, "", Shape::LateBody);
    let arrives = scene.write(&photo, "[#photo]", Shape::Attachment(File::photo().on_its_way()));
    scene.write(&never, "", Shape::LateBody);
    // They wait, and nobody waits behind them.
    barrier(&scene, 1);
    assert_eq!(scene.texts().len(), 1, "{:?}", scene.texts());
    scene.db.join(&join.chat, &joins).unwrap();
    scene.db.fill_body(&fills, "[#body]").unwrap();
    scene.db.finish_transfer(&arrives, PHOTO).unwrap();
    let last = scene.friend("+15550199999");
    stop_after(
        &scene,
        service,
        &[(&join, "[#join]"), (&body, "[#body]"), (&photo, "[#photo]"), (&last, "[#barrier 1]")],
    );
}

#[test]
fn a_message_that_is_held_survives_a_restart() {
    let scene = Scene::new();
    let [join] = friends(&scene);
    let service = scene.start();
    let row = scene.write(&join, "[#join]", Shape::LateJoin);
    barrier(&scene, 1);
    service.stop();
    let service = scene.start();
    scene.db.join(&join.chat, &row).unwrap();
    let last = scene.friend("+15550199999");
    stop_after(&scene, service, &[(&join, "[#join]"), (&last, "[#barrier 1]")]);
}

#[test]
fn links_and_their_previews_are_one_message() {
    let scene = Scene::new();
    let [with_text, alone, only_link] = friends(&scene);
    let service = scene.start();
    let link = "https://example.com/a";
    scene.say(&with_text, &format!("[#link] see {link}"));
    scene.write(&with_text, link, Shape::UrlBalloon);
    scene.write(&alone, "https://example.com/b", Shape::UrlBalloon);
    scene.say(&only_link, "https://example.com/c");
    scene.write(&only_link, "https://example.com/c", Shape::UrlBalloon);
    stop_after(
        &scene,
        service,
        &[
            (&with_text, "echo: [#link] see https://example.com/a"),
            (&alone, "echo: https://example.com/b"),
            (&only_link, "echo: https://example.com/c"),
        ],
    );
}

#[test]
fn rows_that_are_no_messages_are_not_answered() {
    let scene = Scene::new();
    let [plain, heart, event, flip, spam, stale, resync] = friends(&scene);
    let members = [&plain.person, &heart.person];
    let room = scene.db.group_chat("chat617283945061728394", "Trip", &members).unwrap();
    let service = scene.start();
    let said = scene.say(&plain, "[#plain]");
    let again = scene.say(&resync, "[#resync]");
    scene.answered(&[(&plain, "[#plain]"), (&resync, "[#resync]")]);

    scene.write(&resync, "[#resync]", Shape::Resync(again));
    scene.write(&plain, "[#plain]", Shape::Tapback(said));
    scene.write(&heart, "", Shape::LateBody);
    scene.db.inbound(&room, &event.person, "A new name", Shape::GroupEvent).unwrap();
    let ours = scene.write(&flip, "[#flip]", Shape::FromMeFlip);
    scene.db.flip_from_me(&ours).unwrap();
    scene.write(&spam, "[#spam]", Shape::Spam);
    let old = scene.write(&stale, "[#stale]", Shape::Stale(Duration::from_mins(20)));

    until("the old one is declined", || {
        (service.journey(&old.guid)["state"] == "declined").then_some(())
    });
    let journey = service.journey(&old.guid);
    assert_eq!(journey["reason"], "too old: it was 20 minutes old when it appeared");
    let answered = [(&plain, "echo: [#plain]"), (&resync, "echo: [#resync]")];
    // The flipped row is the one outgoing row more.
    scene.answered(&answered);
    barrier(&scene, 9);
    service.stop();
    let mut texts = scene.texts();
    texts.sort();
    assert_eq!(texts, ["[#flip]", "echo: [#barrier 9]", "echo: [#plain]", "echo: [#resync]"]);
}

#[test]
fn our_own_words_are_no_message_and_theirs_are() {
    let scene = Scene::new();
    let [anna] = friends(&scene);
    let service = scene.start();
    scene.say(&anna, "[#1]");
    scene.answered(&[(&anna, "echo: [#1]")]);
    // People do answer with our own words.
    scene.say(&anna, "echo: [#1]");
    scene.answered(&[(&anna, "echo: echo: [#1]")]);
    barrier(&scene, 9);
    service.stop();
    assert_eq!(scene.texts_to(&anna), ["echo: [#1]", "echo: echo: [#1]"]);
}
