//! Light and dark, a phone, a keyboard.

use crate::opened;
use crate::scene::Scene;

const VIEWS: [&str; 5] = ["tree", "channels", "sessions", "letters", "journeys"];

#[tokio::test]
async fn the_page_fits_a_phone_and_both_themes() {
    let scene = Scene::new();
    let anna = scene.friend("+15550100001");
    let service = scene.start();
    let long = "supercalifragilistic".repeat(12);
    scene.say(&anna, &format!("[#1] [[imsg:fail22,fail22]] {long}"));
    service.dead_letters(1);
    let Some(mut browser) = opened(&scene.home).await else { return };
    let mut grounds = Vec::new();
    for (scheme, width, height) in [("light", 1200, 800), ("dark", 1200, 800), ("dark", 360, 740)] {
        browser.prefer(scheme).await;
        browser.resize(width, height).await;
        for view in VIEWS {
            browser.value(&format!("location.hash = '{view}'")).await;
            let selector = format!("section[aria-labelledby={view}-title]");
            browser.until(&format!("document.querySelector('{selector}').checkVisibility()")).await;
            match view {
                "letters" => browser.shows("#letters .card", "fail22").await,
                "channels" => browser.shows(".cards .card", "imessage").await,
                _ => {}
            }
            let wide = browser.value("document.documentElement.scrollWidth").await;
            assert!(wide.as_u64().unwrap() <= u64::from(width), "{view} is {wide} wide on {width}");
            browser.picture(&format!("{view}-{scheme}-{width}.png")).await;
        }
        grounds.push(browser.value("getComputedStyle(document.body).backgroundColor").await);
    }
    assert_ne!(grounds[0], grounds[1], "dark differs from light");
    // The button wins over the system.
    browser.click("#theme", "theme: auto").await;
    browser.shows("#theme", "theme: light").await;
    assert_eq!(browser.value("getComputedStyle(document.body).backgroundColor").await, grounds[0]);
    browser.call("Page.reload", serde_json::json!({})).await;
    browser.shows("#theme", "theme: light").await;
    browser.shows("#state", "online").await;
    // Whoever taps with a thumb hits: nothing smaller than 40 px, links in a text aside.
    let small = "Array.from(document.querySelectorAll('button:not(.link), nav a, input, textarea'))
        .filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 40).length";
    assert_eq!(browser.value(small).await, 0);
    service.stop();
}

#[tokio::test]
async fn a_keyboard_is_enough_and_everything_has_a_name() {
    let scene = Scene::new();
    let service = scene.start();
    let Some(mut browser) = opened(&scene.home).await else { return };
    let focused = "document.activeElement.textContent";
    for _ in 0..8 {
        if browser.value(focused).await == "Journeys" {
            break;
        }
        browser.press("Tab", 9).await;
    }
    assert_eq!(browser.value(focused).await, "Journeys", "the tab key gets there");
    browser.press("Enter", 13).await;
    browser.until("document.querySelector('#why').checkVisibility()").await;
    assert_eq!(
        browser.value("document.querySelector('[aria-current=page]').textContent").await,
        "Journeys"
    );
    browser.call("Accessibility.enable", serde_json::json!({})).await;
    let tree = browser.call("Accessibility.getFullAXTree", serde_json::json!({})).await;
    let nodes = tree["nodes"].as_array().unwrap();
    let acted = ["button", "link", "textbox", "searchbox"];
    let mut counted = 0;
    for node in nodes.iter().filter(|node| node["ignored"] == false) {
        let role = node.pointer("/role/value").and_then(|role| role.as_str()).unwrap_or_default();
        if acted.contains(&role) {
            counted += 1;
            let name = node.pointer("/name/value").and_then(|name| name.as_str()).unwrap_or("");
            assert!(!name.is_empty(), "a {role} without a name: {node}");
        }
    }
    assert!(counted >= 7, "{counted} things to act on");
    service.stop();
}
