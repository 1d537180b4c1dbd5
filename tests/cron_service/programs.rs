//! Jobs that run programs: what they wrote to the disk says how often each has run.

use std::path::Path;

use serde_json::{Value, json};
use telson::actors::store::{CompactionPolicy, Key, Space, Store};

use crate::kit::{Home, Process, until};

fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn last_run(service: &Process, id: &str) -> Value {
    until("the run has ended", || {
        let runs = service.call("cron.runs", &json!({"id": id}));
        let entry = runs["entries"][0].clone();
        entry.is_object().then_some(entry)
    })
}

/// Runs it once, now.
fn ran(service: &Process, id: &str, payload: Value) -> Value {
    let job = json!({
        "id": id, "payload": payload, "schedule": {"kind": "every", "everyMs": 86_400_000},
    });
    service.call("cron.add", &job);
    service.call("cron.run", &json!({"id": id}));
    last_run(service, id)
}

fn is_alive(pid: &str) -> bool {
    // What has ended and is not asked for yet is dead all the same.
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}

#[test]
fn a_program_runs_without_a_shell_and_what_it_wrote_is_kept() {
    let home = Home::new();
    let service = home.start(&[]);
    let args = [
        "cron",
        "add",
        "--id",
        "echo",
        "--every",
        "1d",
        "--cwd",
        "/tmp",
        "--env",
        "COLOUR=red",
        "--timeout-seconds",
        "20",
        "--command",
        "/bin/sh",
        "-c",
        "pwd; echo \"$COLOUR $0\"",
        "$HOME; exit 3",
    ];
    let made = home.ask(&args);
    assert!(made.code == 0 && made.out.contains("runs: \"/bin/sh\" \"-c\""), "{made:?}");
    service.call("cron.run", &json!({"id": "echo"}));
    let run = last_run(&service, "echo");
    assert_eq!(run["status"], json!("ok"), "{run}");
    assert_eq!(run["summary"], json!("/tmp\nred $HOME; exit 3"), "{run}");
    assert_eq!(run["deliveryStatus"], json!("not-requested"), "{run}");
    let bad = ran(
        &service,
        "bad",
        json!({"kind": "command", "argv": ["/bin/sh", "-c", "echo no; exit 3"]}),
    );
    assert_eq!(
        (&bad["status"], &bad["completionStatus"], &bad["error"], &bad["summary"]),
        (&json!("error"), &json!("failed"), &json!("exit code 3"), &json!("no"))
    );
    let gone = ran(&service, "gone", json!({"kind": "command", "argv": ["/no/such/program"]}));
    assert!(
        gone["error"].as_str().unwrap().contains("/no/such/program: the command did not start"),
        "{gone}"
    );
    let much = ran(
        &service,
        "much",
        json!({"kind": "command", "argv": ["/bin/sh", "-c", "seq 1 100000; echo the end"]}),
    );
    let summary = much["summary"].as_str().unwrap();
    assert!(summary.len() < 9000 && summary.starts_with("1\n2\n"), "{}", summary.len());
    assert!(summary.contains("bytes left out") && summary.ends_with("the end"), "{summary}");
    service.stop();
}

#[test]
fn a_program_over_its_time_is_ended_with_all_it_has_started() {
    let home = Home::new();
    let service = home.start(&[]);
    let pids = home.path("pids");
    let script = format!(
        "sleep 300 & echo $! >> {0}; setsid sleep 300 & echo $! >> {0}; echo $$ >> {0}; \
         echo begun; wait",
        pids.display()
    );
    let payload =
        json!({"kind": "command", "argv": ["/bin/sh", "-c", script], "timeoutSeconds": 2});
    let run = ran(&service, "slow", payload);
    assert_eq!(run["error"], json!("it took longer than 2 s and was stopped"), "{run}");
    assert_eq!(run["summary"], json!("begun"), "{run}");
    let pids = lines(&pids);
    assert_eq!(pids.len(), 3, "{pids:?}");
    for pid in pids {
        until("it is gone", || (!is_alive(&pid)).then_some(()));
    }
    service.stop();
}

#[test]
fn a_program_whose_job_is_removed_is_ended() {
    let home = Home::new();
    let service = home.start(&[]);
    let pids = home.path("pids");
    let script = format!("echo $$ >> {}; sleep 300", pids.display());
    let job = json!({
        "id": "j", "schedule": {"kind": "every", "everyMs": 86_400_000},
        "payload": {"kind": "command", "argv": ["/bin/sh", "-c", script]},
    });
    service.call("cron.add", &job);
    service.call("cron.run", &json!({"id": "j"}));
    let pid = until("it runs", || lines(&pids).first().cloned());
    assert_eq!(service.call("cron.remove", &json!({"id": "j"}))["removed"], json!(true));
    until("it is gone", || (!is_alive(&pid)).then_some(()));
    assert_eq!(service.call("cron.status", &json!({}))["running"], json!(0));
    service.stop();
}

#[test]
fn an_interrupted_program_is_said_to_be_and_never_run_twice() {
    for is_killed in [true, false] {
        let home = Home::new();
        let service = home.start(&["--drain-seconds", "1"]);
        let (begun, told) = (home.path("begun"), home.path("told"));
        let script =
            format!("echo $$ >> {}; sleep 300; echo x >> {}", begun.display(), told.display());
        let job = json!({
            "id": "once", "name": "once", "schedule": {"kind": "at", "at": "1s"},
            "payload": {"kind": "command", "argv": ["/bin/sh", "-c", script]},
        });
        service.call("cron.add", &job);
        let pid = until("it runs", || lines(&begun).first().cloned());
        if is_killed {
            service.kill();
        } else {
            service.stop();
        }
        let service = home.start(&[]);
        let run = last_run(&service, "once");
        assert_eq!(
            (&run["status"], &run["completionStatus"]),
            (&json!("error"), &json!("unknown")),
            "{run}"
        );
        assert!(run["error"].as_str().unwrap().starts_with("it was interrupted"), "{run}");
        assert!(home.ask(&["cron", "runs", "once"]).out.contains("unknown"));
        // It is said, and the job does not come again by itself.
        until("it is said", || service.log().contains("nobody knows how far it got").then_some(()));
        let job = service.call("cron.get", &json!({"id": "once"}));
        assert_eq!(job["enabled"], json!(false), "{job}");
        until("what it had started is gone", || (!is_alive(&pid)).then_some(()));
        service.kill();
        let service = home.start(&[]);
        assert_eq!(lines(&begun).len(), 1, "it has run once");
        assert!(lines(&told).is_empty());
        service.stop();
    }
}

#[test]
fn killed_again_and_again_no_instant_of_a_program_runs_twice() {
    let home = Home::new();
    let mut service = home.start(&[]);
    let ledger = home.path("ledger");
    let script = format!("echo \"$(date +%s%N)\" >> {}; sleep 0.$(($$ % 4))", ledger.display());
    let job = json!({
        "id": "tick", "schedule": {"kind": "every", "everyMs": 1000},
        "payload": {"kind": "command", "argv": ["/bin/sh", "-c", script]},
    });
    service.call("cron.add", &job);
    for nth in 1..=6_u64 {
        let before = lines(&ledger).len();
        until("it has run again", || (lines(&ledger).len() > before).then_some(()));
        std::thread::park_timeout(std::time::Duration::from_millis(nth * 167 % 1000));
        service.kill();
        service = home.start(&[]);
        // What was interrupted makes it rest; a person has it go on.
        service.call("cron.update", &json!({"id": "tick", "patch": {"enabled": false}}));
        service.call("cron.update", &json!({"id": "tick", "patch": {"enabled": true}}));
    }
    let before = lines(&ledger).len();
    until("it goes on", || (lines(&ledger).len() > before + 1).then_some(()));
    service.call("cron.update", &json!({"id": "tick", "patch": {"enabled": false}}));
    until("no run is under way", || {
        (service.call("cron.status", &json!({}))["running"] == json!(0)).then_some(())
    });
    let runs = service.call("cron.runs", &json!({"id": "tick", "limit": 200}));
    let entries = runs["entries"].as_array().unwrap();
    let count =
        |status: &str| entries.iter().filter(|run| run["completionStatus"] == status).count();
    let (ok, unknown) = (count("succeeded"), count("unknown"));
    assert_eq!(ok + unknown, entries.len(), "{entries:?}");
    let ran = lines(&ledger).len();
    // Whoever was interrupted may have written or not; nobody else has written twice or not at all.
    assert!(ok <= ran && ran <= ok + unknown, "{ok} ok, {unknown} unknown, {ran} have run");
    assert!(ok >= 1, "{entries:?}");
    service.stop();
}

// Its record says that it was begun; whatever the job is by its end, nobody looks for that any more.
#[tokio::test]
async fn a_command_whose_job_becomes_another_one_leaves_no_record_behind() {
    let home = Home::new();
    let service = home.start(&[]);
    let (begun, go) = (home.path("begun"), home.path("go"));
    let (from, to) = (begun.display(), go.display());
    let script = format!("echo x >> {from}; until test -e {to}; do sleep 0.05; done");
    let job = json!({
        "id": "j", "schedule": {"kind": "every", "everyMs": 86_400_000},
        "payload": {"kind": "command", "argv": ["/bin/sh", "-c", script]},
    });
    service.call("cron.add", &job);
    service.call("cron.run", &json!({"id": "j"}));
    until("it runs", || begun.exists().then_some(()));
    let patch = json!({"payload": {"kind": "agentTurn", "message": "do it"}});
    service.call("cron.update", &json!({"id": "j", "patch": patch}));
    std::fs::write(&go, "").unwrap();
    let run = last_run(&service, "j");
    assert_eq!(run["status"], json!("ok"), "{run}");
    service.stop();
    let store = Store::open(&home.state_dir(), CompactionPolicy::default()).unwrap();
    assert_eq!(store.scan_raw(&Key::of(Space::CronRun)).unwrap().len(), 1);
    assert_eq!(store.scan_raw(&Key::of(Space::CronCommand)).unwrap(), []);
}
