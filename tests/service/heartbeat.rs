//! Heartbeats and system events with the real program: its commands, its file, and kills.

use std::time::Duration;

use serde_json::json;

use crate::kit::until;
use crate::scene::Scene;

const OWNER: &str = "+15550100001";

fn scene() -> Scene {
    Scene::with(
        &json!({
            "allowFrom": ["*", OWNER], "unsettledSends": "resend", "unsettledAfterSeconds": 3,
        }),
        &[],
    )
}

#[test]
fn an_event_wakes_the_agent_and_its_owner_is_told() {
    let scene = scene();
    let owner = scene.friend(OWNER);
    let service = scene.start();
    let home = &scene.home;

    assert_eq!(home.ask(&["heartbeat", "last"]).out, "there was no heartbeat yet\n");
    let told = home.ask(&["system", "event", "--text", "the house burns", "--mode", "now"]);
    assert_eq!((told.code, told.out.as_str()), (0, "agent:main:main is told now\n"));
    until("the owner is told", || {
        let texts = scene.texts_to(&owner);
        texts.first().is_some_and(|text| text.contains("] the house burns")).then_some(())
    });
    let last = until("it is written down", || {
        let last = service.call("last-heartbeat", &json!({}));
        last["ts"].is_u64().then_some(last)
    });
    let expected = json!({
        "ts": last["ts"], "status": "sent", "agentId": "main", "channel": "imessage",
        "accountId": "default", "to": OWNER, "preview": last["preview"],
        "durationMs": last["durationMs"], "reason": "wake", "indicatorType": "alert",
    });
    assert_eq!(last, expected);
    let shown = home.ask(&["heartbeat", "last"]).out;
    assert!(shown.contains("agent main: sent (wake), to +15550100001 on imessage"), "{shown}");

    let off = home.ask(&["heartbeat", "disable"]);
    assert_eq!(off.out, "heartbeats are off, until `telson heartbeat enable`\n");
    home.ask(&["system", "event", "--text", "the cellar is wet"]);
    until("it is skipped", || {
        (service.call("last-heartbeat", &json!({}))["reason"] == "disabled").then_some(())
    });
    // What waits is told once they are on again.
    assert_eq!(home.ask(&["heartbeat", "enable"]).out, "heartbeats are on\n");
    until("the owner is told", || {
        let texts = scene.texts_to(&owner);
        texts.get(1).is_some_and(|text| text.contains("] the cellar is wet")).then_some(())
    });
    assert_eq!(scene.texts().len(), 2);
    service.stop();
}

#[test]
fn slips_are_refused_with_a_reason() {
    let scene = scene();
    let service = scene.start();
    let home = &scene.home;
    for (args, said) in [
        (&["system", "event", "--text", " "][..], "params.text: what happened, in words"),
        (
            &["system", "event", "--text", "x", "--session", "work"],
            "params.sessionKey: failed to read",
        ),
        (
            &["system", "event", "--text", "x", "--session", "agent:ann:main"],
            "there is no agent \"ann\"",
        ),
    ] {
        let refused = home.ask(args);
        assert_ne!(refused.code, 0, "{args:?}");
        assert!(refused.err.contains(said), "{args:?}: {}", refused.err);
    }
    assert_eq!(home.ask(&["system", "event", "--text", "x", "--mode", "soon"]).code, 2);
    service.stop();
}

// The process dies after an event is durable: before the wake, in the turn, while its answer goes out.
#[test]
fn a_killed_service_tells_each_event_once() {
    let scene = scene();
    let owner = scene.friend(OWNER);
    let delays = [0, 120, 255, 270, 300, 400, 600];
    for (nth, delay) in delays.iter().enumerate() {
        let service = scene.start();
        let mark = format!("[#{nth}]");
        let told = scene.home.ask(&["system", "event", "--text", &mark, "--mode", "now"]);
        assert_eq!(told.code, 0, "{}", told.err);
        std::thread::sleep(Duration::from_millis(*delay));
        service.kill();
    }
    let marks: Vec<String> = (0..delays.len()).map(|nth| format!("[#{nth}]")).collect();
    let expected: Vec<_> = marks.iter().map(|mark| (&owner, mark.as_str())).collect();
    let service = scene.start();
    until("every event is told", || scene.audit(&expected).lost.is_empty().then_some(()));
    service.idle();
    service.stop();
    let audit = scene.audit(&expected);
    assert_eq!((audit.lost.as_slice(), audit.doubled.as_slice()), (&[][..], &[][..]), "{audit:?}");
}
