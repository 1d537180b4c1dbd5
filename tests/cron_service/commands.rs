//! What a person types, and what they read.

use serde_json::{Value, json};

use crate::kit::Home;

#[test]
fn the_next_instants_of_an_expression_need_no_service() {
    let home = Home::new();
    let args = [
        "cron",
        "next",
        "30 2 * * *",
        "--tz",
        "Europe/Berlin",
        "--from",
        "2026-03-28T12:00:00Z",
        "--count",
        "2",
    ];
    let (code, found) = home.ask_json(&args);
    assert_eq!((code, found), (0, json!(["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"])));
    let said = home.ask(&args).out;
    assert!(said.starts_with("at 02:30\n2026-03-29 03:00:00 CEST (Sun)\n"), "{said}");
    for (args, part) in [
        (["cron", "next", "0 0 31 2 *", "--tz", "UTC"], "never comes"),
        (["cron", "next", "* * *", "--tz", "UTC"], "is no cron expression"),
        (["cron", "next", "* * * * *", "--tz", "Mars/Base"], "is no time zone"),
        (["cron", "next", "* * * * *", "--from", "yesterday"], "--from yesterday"),
    ] {
        let finished = home.ask(&args);
        assert!(finished.code == 2 && finished.err.contains(part), "{finished:?}");
    }
}

#[test]
fn jobs_are_made_listed_changed_run_and_removed() {
    let home = Home::new();
    home.configure(
        &json!({"cron": {"sessionRetention": "7d", "jobs": [{
            "id": "nightly", "name": "Nightly", "payload": {"kind": "agentTurn", "message": "m"},
            "schedule": {"kind": "cron", "expr": "0 3 * * *", "tz": "Europe/Berlin"},
        }]}})
        .to_string(),
    );
    let service = home.start(&[]);
    let add = [
        "cron",
        "add",
        "--id",
        "w1",
        "--name",
        "W one",
        "--every",
        "2h",
        "--message",
        "x",
        "--no-deliver",
    ];
    let (code, made) = home.ask_json(&add);
    assert_eq!((code, &made["id"]), (0, &json!("w1")), "{made}");
    assert_eq!(made["schedule"]["everyMs"], json!(7_200_000));
    assert_eq!(made["delivery"], json!({"mode": "none"}));
    assert_eq!(made["payload"]["toolsAllow"], json!(["*"]));
    let listed = home.ask(&["cron", "list"]).out;
    for part in ["W one  w1", "every 2 hours", "Nightly  nightly", "at 03:00 (Europe/Berlin)"] {
        assert!(listed.contains(part), "{listed}");
    }
    // The next five times of each.
    assert_eq!(listed.matches("03:00:00 CE").count(), 5, "{listed}");
    let (code, begun) = home.ask_json(&["cron", "run", "w1"]);
    assert_eq!((code, &begun["enqueued"]), (0, &json!(true)), "{begun}");
    let run = crate::kit::until("the run has ended", || {
        let runs = service.call("cron.runs", &json!({"id": "w1"}));
        let entry = runs["entries"][0].clone();
        entry.is_object().then_some(entry)
    });
    assert_eq!((&run["status"], &run["deliveryStatus"]), (&json!("ok"), &json!("not-requested")));
    assert!(run["sessionKey"].as_str().unwrap().starts_with("agent:main:cron:w1:run:"), "{run}");
    let shown = home.ask(&["cron", "runs", "w1"]).out;
    assert!(shown.contains("ok") && shown.contains("not-requested"), "{shown}");
    let (_, edited) = home.ask_json(&["cron", "edit", "w1", "--every", "1d", "--disable"]);
    assert_eq!(
        (&edited["enabled"], &edited["scheduleWords"]),
        (&json!(false), &json!("every day"))
    );
    assert!(!home.ask(&["cron", "list"]).out.contains("w1"));
    assert!(home.ask(&["cron", "list", "--all"]).out.contains("switched off"));
    assert_eq!(home.ask(&["cron", "rm", "w1"]).code, 0);
    assert_eq!(home.ask(&["cron", "rm", "w1"]).code, 1);
    let (code, refused) = home.ask_json(&["cron", "rm", "nightly"]);
    assert_eq!(code, 2);
    assert!(refused["error"]["message"].as_str().unwrap().contains("cron.jobs"), "{refused}");
    service.stop();
}

#[test]
fn another_gateways_jobs_are_imported_and_what_can_not_be_is_named() {
    let home = Home::new();
    let service = home.start(&[]);
    let file = home.path("jobs.json");
    let job = |id: &str, payload: Value, schedule: Value| {
        json!({
            "id": id, "agentId": "main", "name": id, "enabled": true, "createdAtMs": 1,
            "updatedAtMs": 2, "schedule": schedule, "sessionTarget": "isolated", "wakeMode": "now",
            "payload": payload, "state": {"nextRunAtMs": 5, "lastStatus": "ok"},
        })
    };
    let turn = json!({"kind": "agentTurn", "message": "m", "deliver": true, "channel": "last"});
    let daily = json!({"kind": "cron", "expr": "0 9 * * *", "tz": "America/New_York"});
    let jobs = [
        job("good", turn.clone(), daily.clone()),
        job("odd", json!({"kind": "script", "code": "1"}), daily),
        job("late", turn, json!({"kind": "at", "atMs": 5})),
    ];
    std::fs::write(&file, json!({"version": 1, "jobs": jobs}).to_string()).unwrap();
    let path = file.to_str().unwrap();
    let (code, found) = home.ask_json(&["cron", "import", path]);
    assert_eq!((code, &found["imported"]), (0, &json!(["good"])), "{found}");
    let reasons: Vec<&str> = found["refused"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|job| job["reason"].as_str())
        .collect();
    assert!(reasons[0].contains("\"script\" is not supported"), "{reasons:?}");
    assert!(reasons[1].contains("schedule.at is past"), "{reasons:?}");
    let (_, again) = home.ask_json(&["cron", "import", path]);
    assert_eq!((&again["imported"], &again["known"]), (&json!([]), &json!(["good"])));
    service.stop();
}

#[test]
fn a_job_of_the_config_that_can_not_be_used_is_refused_with_its_place() {
    let turn = |more: Value| {
        let mut job = json!({
            "id": "x", "schedule": {"kind": "every", "everyMs": 60_000},
            "payload": {"kind": "agentTurn", "message": "m"},
        });
        job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"jobs": [job]})
    };
    for (cron, part) in [
        (
            json!({"jobs": [{"id": "x", "schedule": {"kind": "every"}}]}),
            "cron.jobs[0]: schedule.everyMs is missing",
        ),
        (
            turn(json!({"schedule": {"kind": "at", "at": "20m"}})),
            "cron.jobs[0]: schedule.at \"20m\" counts from the moment in which it is said",
        ),
        (
            turn(json!({"sessionTarget": "session:agent:other:main"})),
            "cron.jobs[0]: sessionTarget session:agent:other:main: it is no session of the agent",
        ),
        (
            turn(json!({"delivery": {"mode": "webhook", "to": "here"}})),
            "cron.jobs[0]: delivery.to \"here\" is no address",
        ),
        (
            json!({"failureAlert": {"mode": "webhook", "to": "here"}}),
            "cron.failureAlert.to \"here\" is no address",
        ),
        (json!({"failureAlert": {"mode": "fax"}}), "cron.failureAlert.mode"),
        (json!({"webhookSsrfPolicy": {"allow": true}}), "cron.webhookSsrfPolicy"),
        (json!({"webhookUnsettledSends": "maybe"}), "cron.webhookUnsettledSends"),
    ] {
        let home = Home::new();
        home.configure(&json!({"cron": cron}).to_string());
        let finished = home.ask(&["run"]);
        assert_eq!(finished.code, 78, "{part}: {finished:?}");
        assert!(finished.err.contains(part), "{part}: {finished:?}");
    }
}
