//! Dead letters and journeys, judged by what the platform has in the end.

use crate::kit::until;
use crate::opened;
use crate::scene::Scene;

/// What a page must show and never do.
const HOSTILE: &str = "<img src=x onerror=hacked=1><script>hacked=1";

#[tokio::test]
async fn a_dead_letter_is_read_replayed_and_dropped_by_clicks() {
    let scene = Scene::new();
    let anna = scene.friend("+15550100001");
    let service = scene.start();
    scene.say(&anna, &format!("[#1] [[imsg:fail22,ok]] {HOSTILE}"));
    let letter = service.dead_letters(1).remove(0);
    let id = letter["id"].as_str().unwrap();
    let Some(mut browser) = opened(&scene.home).await else { return };
    browser.click("nav a", "Dead letters").await;
    browser.shows("#letters .card", id).await;
    browser.shows("#letters blockquote", HOSTILE).await;
    assert_eq!(browser.value("typeof hacked").await, "undefined");
    assert_eq!(browser.value("document.querySelectorAll('main img, main script').length").await, 0);

    browser.click("#letters button", "Replay").await;
    browser.shows("#letters", "everything accepted was finished").await;
    until("the platform has it", || (!scene.texts_to(&anna).is_empty()).then_some(()));
    browser.click("nav a", "Journeys").await;
    browser.click("#why", "").await;
    browser.write(id).await;
    browser.press("Enter", 13).await;
    browser.shows("#found .entry", &format!("replayed from dead letter {id}, which was e")).await;
    browser.click("nav a", "Dead letters").await;

    scene.say(&anna, "[#2] [[imsg:fail22,fail22]]");
    browser.shows("#letters .card", "[#2]").await;
    browser.click("#letters button", "Drop").await;
    browser.click("#letters button", "Keep it").await;
    browser.shows("#letters .card", "[#2]").await;
    browser.click("#letters button", "Drop").await;
    browser.click("#letters button", "Really drop").await;
    browser.shows("#letters", "everything accepted was finished").await;
    until("it is gone", || service.dead_letters(0).is_empty().then_some(()));
    assert!(browser.wrongs().is_empty(), "{:#?}", browser.wrongs());
    service.stop();
    scene.assert_only(&[(&anna, "[#1]")]);
}

#[tokio::test]
async fn a_dead_letter_is_changed_and_replayed() {
    let scene = Scene::new();
    let anna = scene.friend("+15550100001");
    let service = scene.start();
    scene.say(&anna, "[#1] [[imsg:fail22,fail22]]");
    service.dead_letters(1);
    let Some(mut browser) = opened(&scene.home).await else { return };
    browser.click("nav a", "Dead letters").await;
    browser.click("#letters button", "Edit").await;
    browser.until("document.activeElement.tagName === 'TEXTAREA'").await;
    browser.value("document.activeElement.select()").await;
    browser.write("mended [#1]").await;
    browser.click("#letters button", "Replay with this text").await;
    browser.shows("#letters", "everything accepted was finished").await;
    until("the platform has it", || (!scene.texts_to(&anna).is_empty()).then_some(()));
    service.stop();
    assert_eq!(scene.texts_to(&anna), ["mended [#1]"]);
}

#[tokio::test]
async fn a_journey_is_seen_while_it_happens_and_looked_up() {
    let scene = Scene::new();
    let anna = scene.friend("+15550100001");
    let service = scene.start();
    let Some(mut browser) = opened(&scene.home).await else { return };
    browser.click("nav a", "Journeys").await;
    // Only what happens from now on is told: the subscription is in place once this is answered.
    browser.until("document.body.dataset.state === 'online'").await;
    let number = std::cell::Cell::new(0);
    let mut seen = false;
    while !seen {
        number.set(number.get() + 1);
        scene.say(&anna, &format!("[#{}] {HOSTILE}", number.get()));
        scene.answered(&[(&anna, &format!("[#{}]", number.get()))]);
        seen = browser.value("document.querySelectorAll('#feed li').length > 0").await == true;
        assert!(number.get() < 50, "nothing is told");
    }
    browser.shows("#feed li", "delivered").await;
    browser.click("#why", "").await;
    browser.write("[#1]").await;
    browser.press("Enter", 13).await;
    browser.shows("#found .state", "answered").await;
    browser.shows("#found blockquote", &format!("[#1] {HOSTILE}")).await;
    assert_eq!(browser.value("typeof hacked").await, "undefined");
    // A step leads to its whole journey.
    browser.click("#feed button", "e").await;
    browser.shows("#found .state", "delivered").await;
    assert!(browser.wrongs().is_empty(), "{:#?}", browser.wrongs());
    service.stop();
}
