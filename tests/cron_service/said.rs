//! What is said about jobs on the command line is what they become, and what is not said stays.

use serde_json::{Value, json};

use crate::kit::{Home, until};

fn add(home: &Home, id: &str, args: &[&str]) -> Value {
    let (code, job) = home.ask_json(&[&["cron", "add", "--id", id], args].concat());
    assert_eq!(code, 0, "{args:?}: {job}");
    job
}

fn edit(home: &Home, id: &str, args: &[&str]) -> Value {
    let (code, job) = home.ask_json(&[&["cron", "edit", id], args].concat());
    assert_eq!(code, 0, "{args:?}: {job}");
    job
}

#[test]
fn a_moment_is_of_the_zone_that_is_named_else_of_this_machine() {
    let home = Home::new();
    home.set_env("TZ", "America/New_York".as_ref());
    let service = home.start(&[]);
    let wall = ["--at", "2027-01-01 08:00", "--system-event", "x"];
    let named = add(&home, "berlin", &[&wall[..], &["--tz", "Europe/Berlin"]].concat());
    assert_eq!(named["schedule"]["at"], "2027-01-01T07:00:00Z", "{named}");
    let here = home.ask(&[&["cron", "add", "--id", "here"], &wall[..]].concat());
    assert!(here.out.contains("once, at 2027-01-01T13:00:00Z"), "{here:?}");
    assert!(here.err.contains("as the time of this machine (America/New_York)"), "{here:?}");
    let moved = edit(&home, "here", &["--at", "2027-01-01 08:00", "--tz", "Asia/Tokyo"]);
    assert_eq!(moved["schedule"]["at"], "2026-12-31T23:00:00Z", "{moved}");
    let json = json!({
        "id": "json", "payload": {"kind": "systemEvent", "text": "x"},
        "schedule": {"kind": "at", "at": "2027-01-01 08:00", "tz": "Europe/Berlin"},
    });
    let made = service.call("cron.add", &json);
    assert_eq!(made["schedule"]["at"], "2027-01-01T07:00:00Z", "{made}");
    for (args, part) in [
        (&["--every", "1h", "--tz", "UTC"][..], "--tz needs --cron"),
        (&["--at", "20m", "--tz", "UTC"], "a time from now"),
        (&["--at", "2027-01-01T08:00:00Z", "--tz", "UTC"], "names its offset"),
    ] {
        let args = [&["cron", "add"], args, &["--message", "x"]].concat();
        let refused = home.ask(&args);
        assert!(refused.code == 2 && refused.err.contains(part), "{args:?}: {refused:?}");
    }
    service.stop();
}

#[test]
fn what_an_edit_does_not_name_stays() {
    let home = Home::new();
    let service = home.start(&[]);
    let cron = ["--cron", "0 3 * * *", "--message", "x", "--announce"];
    add(&home, "sg", &cron);
    let zoned = edit(&home, "sg", &["--tz", "Europe/Berlin"]);
    let schedule = json!({"kind": "cron", "expr": "0 3 * * *", "tz": "Europe/Berlin"});
    assert_eq!(zoned["schedule"], schedule);
    let timed = edit(&home, "sg", &["--timeout-seconds", "60"]);
    assert_eq!(timed["payload"]["message"], "x", "{timed}");
    assert_eq!(timed["payload"]["timeoutSeconds"], 60, "{timed}");
    // An address of a program takes the place of a channel, and the other way round.
    let posted = edit(&home, "sg", &["--webhook", "https://example.com/told"]);
    assert_eq!(posted["delivery"]["mode"], "webhook", "{posted}");
    assert!(posted["delivery"].get("channel").is_none(), "{posted}");
    let told = edit(&home, "sg", &["--announce"]);
    assert_eq!(told["delivery"]["channel"], "last", "{told}");
    assert!(told["delivery"].get("to").is_none(), "{told}");
    add(&home, "row", &["--every", "1h30m", "--message", "x"]);
    let refused = home.ask(&["cron", "edit", "row", "--tz", "Europe/Berlin"]);
    assert!(refused.code == 2 && refused.err.contains("--tz needs --cron"), "{refused:?}");
    service.stop();
}

#[test]
fn an_interval_has_a_limit_and_is_read_as_pauses_are() {
    let home = Home::new();
    let service = home.start(&[]);
    let row = add(&home, "row", &["--every", "1h30m", "--message", "x"]);
    assert_eq!(row["schedule"]["everyMs"], 5_400_000);
    for (args, part) in [
        (["--every", "99999999999d"], "the longest is 366 days"),
        (["--every", "367d"], "the longest is 366 days"),
        (["--at", "99999999999d"], "no moment of our calendar"),
    ] {
        let args = [&["cron", "add"], &args[..], &["--message", "x"]].concat();
        let refused = home.ask(&args);
        assert!(refused.code == 2 && refused.err.contains(part), "{args:?}: {refused:?}");
    }
    service.stop();
}

#[test]
fn a_spread_is_said() {
    let home = Home::new();
    let service = home.start(&[]);
    let hourly = ["cron", "add", "--cron", "0 * * * *", "--message", "x"];
    let said = home.ask(&hourly).out;
    let words = "up to 5 minutes later so that jobs do not come together; --exact for the minute \
                 itself\n";
    assert!(said.contains(words), "{said}");
    let exact = home.ask(&[&hourly[..], &["--exact"]].concat()).out;
    assert!(!exact.contains("later"), "{exact}");
    let next = home.ask(&["cron", "next", "0 * * * *"]).out;
    assert!(next.ends_with("up to 5 minutes later, unless it is made with --exact\n"), "{next}");
    service.stop();
}

#[test]
fn a_run_that_waits_is_queued_and_a_job_that_is_gone_is_named() {
    let home = Home::new();
    let service = home.start(&[]);
    for id in ["first", "second"] {
        add(&home, id, &["--every", "1d", "--command", "/bin/sleep", "600"]);
    }
    let unrun = home.ask(&["cron", "runs", "first"]);
    assert_eq!((unrun.code, unrun.out.as_str()), (0, "it has not run yet\n"));
    assert!(home.ask(&["cron", "run", "first"]).out.starts_with("begun: "));
    let second = home.ask(&["cron", "run", "second"]);
    assert!(second.out.starts_with("queued behind other runs: "), "{second:?}");
    for id in ["second", "first"] {
        assert_eq!(home.ask(&["cron", "rm", id]).code, 0);
    }
    for id in ["nope", "first"] {
        let gone = home.ask(&["cron", "runs", id]);
        assert_eq!((gone.code, gone.out.as_str()), (1, ""), "{gone:?}");
        let said = format!("telson: there is no job {id}, or no such job any more");
        assert!(gone.err.starts_with(&said), "{gone:?}");
    }
    // One that runs once is gone afterwards; what ran in a session of its own stays to be seen.
    add(&home, "once", &["--at", "1d", "--message", "x", "--no-deliver"]);
    let moment = [&["cron", "edit", "once", "--at", "1s"][..]].concat();
    assert_eq!(home.ask(&moment).code, 0);
    until("the job is gone", || {
        let jobs = service.call("cron.list", &json!({"includeDisabled": true}));
        (jobs["total"] == 0).then_some(())
    });
    let runs = home.ask(&["cron", "runs", "once"]);
    assert!(runs.code == 0 && runs.out.contains("not-requested"), "{runs:?}");
    service.stop();
}
