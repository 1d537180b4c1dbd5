//! Tables of sessions, channels and devices, from answers in their recorded shapes.

use serde_json::{Value, json};

use crate::double::{Double, TOKEN, answer};
use crate::kit::{Finished, Home};

fn ask(double: &Double, args: &[&str]) -> Finished {
    let url = double.url();
    Home::new().ask(&[&["--url", &url, "--token", TOKEN], args].concat())
}

fn answering(method: &'static str, payload: Value) -> Double {
    Double::start(
        move |id, asked, _| {
            if asked == method { vec![answer(id, payload.clone())] } else { vec![] }
        },
    )
}

#[test]
fn sessions_are_a_table_for_people_and_a_document_for_programs() {
    let double = answering(
        "sessions.list",
        json!({"ts": 1, "count": 1, "totalCount": 3, "sessions": [{
            "key": "agent:main:main", "updatedAt": 1_795_219_110_701_i64, "status": "done",
            "model": "mock", "totalTokens": 9372, "lastMessagePreview": "hi \u{1b}[31mred\nline",
        }]}),
    );
    let shown = ask(&double, &["sessions", "--limit", "1"]);
    assert_eq!(shown.code, 0, "{shown:?}");
    for word in ["agent:main:main", "2026-11-20T", "done", "9372", "hi  [31mred line", "and 2 more"]
    {
        assert!(shown.out.contains(word), "{word} in {}", shown.out);
    }
    assert!(!shown.out.contains('\u{1b}'), "nothing foreign reaches the terminal");
    let asked = double.asked();
    assert_eq!(asked, [("sessions.list".into(), json!({"limit": 1, "includeLastMessage": true}))]);
    let document = ask(&double, &["--json", "sessions"]).json();
    assert_eq!(document["sessions"][0]["key"], "agent:main:main");
}

#[test]
fn a_channel_that_does_not_work_is_shown_and_fails_the_command() {
    let account = |id: &str, connected: bool| json!({"accountId": id, "enabled": true, "running": true, "connected": connected});
    let payload = |connected: bool| {
        json!({"ts": 1, "channelOrder": ["imessage"], "channelAccounts": {
            "imessage": [account("default", true), account("work", connected)],
        }})
    };
    let double = answering("channels.status", payload(false));
    let shown = ask(&double, &["channels", "status", "--probe"]);
    assert_eq!(shown.code, 1, "{shown:?}");
    let work = shown.out.lines().find(|line| line.contains("work ")).unwrap();
    assert!(work.contains("troubled") && work.contains("not connected"), "{}", shown.out);
    assert_eq!(double.params("channels.status").unwrap()["probe"], true);
    let double = answering("channels.status", payload(true));
    assert_eq!(ask(&double, &["channels", "status"]).code, 0);
    assert_eq!(double.params("channels.status").unwrap()["probe"], false);
    let none = answering("channels.status", json!({"channelAccounts": {}}));
    assert!(ask(&none, &["channels", "status"]).out.contains("no channels"));
}

#[test]
fn devices_are_listed_and_every_action_is_asked_for_as_the_protocol_has_it() {
    let double = Double::start(|id, method, _| match method {
        "device.pair.list" => vec![answer(
            id,
            json!({
                "pending": [{"requestId": "r-1", "deviceId": "dd", "clientId": "phone", "role": "node", "ts": 1}],
                "paired": [{"deviceId": "bf28", "clientId": "cli", "role": "operator",
                    "scopes": ["operator.read"], "lastSeenAtMs": 1_795_219_284_407_i64}],
            }),
        )],
        "device.token.rotate" => vec![answer(id, json!({"token": "fresh-token"}))],
        "connect" => vec![],
        _ => vec![answer(id, json!({"ok": true}))],
    });
    let listed = ask(&double, &["devices", "list"]);
    assert_eq!(listed.code, 0, "{listed:?}");
    for word in ["r-1", "phone", "bf28", "cli", "read", "devices approve"] {
        assert!(listed.out.contains(word), "{word} in {}", listed.out);
    }
    let rotated = ask(&double, &["devices", "rotate", "bf28", "--scope", "operator.read"]);
    assert!(rotated.out.contains("fresh-token"), "{rotated:?}");
    for (args, method, params) in [
        (&["approve", "r-1"][..], "device.pair.approve", json!({"requestId": "r-1"})),
        (&["reject", "r-1"], "device.pair.reject", json!({"requestId": "r-1"})),
        (&["remove", "bf28"], "device.pair.remove", json!({"deviceId": "bf28"})),
        (
            &["rotate", "bf28"],
            "device.token.rotate",
            json!({"deviceId": "bf28", "role": "operator"}),
        ),
        (
            &["revoke", "bf28", "--role", "node"],
            "device.token.revoke",
            json!({"deviceId": "bf28", "role": "node"}),
        ),
    ] {
        let done = ask(&double, &[&["devices"], args].concat());
        assert_eq!(done.code, 0, "{args:?}: {done:?}");
        assert_eq!(double.params(method), Some(params), "{args:?}");
    }
}
