//! Hooks that are programs, from the config file to the process.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, test_kill_process};
use serde_json::{Value, json};
use telson::Engine;
use telson::config::parse;
use telson_actors::router::Access;
use telson_actors::store::MemoryBackend;

use crate::support::{Platform, account, direct, idle};

/// A folder of programs, and the config that names them.
struct Programs {
    dir: tempfile::TempDir,
    hooks: serde_json::Map<String, Value>,
}

impl Programs {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), hooks: serde_json::Map::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Adds a shell script; it finds the folder in `$DIR`.
    fn add(&mut self, name: &str, settings: Value, script: &str) {
        let path = self.path(&format!("{name}.sh"));
        fs::write(&path, script).unwrap();
        let mut hook = json!({
            "command": "/bin/sh",
            "args": [path],
            "env": {"DIR": self.dir.path()},
        });
        let hook = hook.as_object_mut().unwrap();
        hook.extend(settings.as_object().unwrap().clone());
        self.hooks.insert(name.into(), hook.clone().into());
    }

    /// An engine as the config file describes it, over the platform.
    async fn start(&self, platform: &Platform) -> Engine {
        let config = json!({
            "agents": {"defaults": {"model": "echo/echo"}},
            "hooks": {"commands": self.hooks},
        });
        let loaded = parse(&config.to_string(), "c.json", &|_| None).unwrap();
        let assembly = telson::assemble(&loaded.config, &|_| None).unwrap();
        assembly
            .builder
            .channel(account(), Arc::new(platform.clone()), None, Access::everybody())
            .backend(Arc::new(MemoryBackend::new()))
            .start()
            .await
            .unwrap()
    }

    /// What one message is answered.
    async fn answer(&self, text: &str) -> Vec<String> {
        let platform = Platform::new();
        let engine = self.start(&platform).await;
        engine.inject(direct("1", "anna", text)).await.unwrap();
        idle(&engine).await;
        engine.shutdown(Duration::from_secs(5)).await;
        platform.sent_to("anna")
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_are_told_and_asked_as_the_config_says() {
    let mut programs = Programs::new();
    let all = ["gateway_start", "message_received", "agent_end", "message_sent", "gateway_stop"];
    programs.add("ledger", json!({"on": all}), "read -r line; echo \"$line\" >> \"$DIR/ledger\"");
    programs.add(
        "low",
        json!({"on": ["message_sending"], "priority": -1}),
        "sed 's/.*\"content\":\"\\([^\"]*\\)\".*/{\"content\":\"\\1 low\"}/'",
    );
    programs.add(
        "high",
        json!({"on": ["message_sending"], "priority": 1}),
        "sed 's/.*\"content\":\"\\([^\"]*\\)\".*/{\"content\":\"\\1 high\"}/'",
    );
    programs.add("off", json!({"on": all, "enabled": false}), "echo off >> \"$DIR/ledger\"");
    assert_eq!(programs.answer("hi").await, ["echo: hi high low"]);
    let ledger = lines(&programs.path("ledger"));
    let mut told: Vec<&str> = ledger.iter().map(|line| line["hook"].as_str().unwrap()).collect();
    told.sort_unstable();
    let mut expected = all;
    expected.sort_unstable();
    assert_eq!(told, expected);
    let received = ledger.iter().find(|line| line["hook"] == "message_received").unwrap();
    assert_eq!((&received["from"], &received["content"]), (&json!("anna"), &json!("hi")));
    assert_eq!((&received["channel"], &received["agent"]), (&json!("fake"), &json!("main")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_can_cancel() {
    let mut programs = Programs::new();
    programs.add("no", json!({"on": ["message_sending"]}), "echo '{\"cancel\": true}'");
    assert_eq!(programs.answer("hi").await, [""; 0]);
}

// L1: whatever a program does, the message is answered as if it were not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_program_changes_nothing() {
    let scripts = [
        ("fails", "echo '{\"cancel\": true}'; echo why >&2; exit 3"),
        ("nonsense", "echo 'cancel, please'"),
        ("mistyped", "echo '{\"cancle\": true}'"),
        ("no_text", "printf '\\377\\376'"),
        ("floods", "yes '{\"cancel\": true}'"),
        ("complains", "yes >&2 & sleep 0.2; kill $!; exit 1"),
        ("deaf", "exec 0<&-; echo '{}'"),
        ("killed", "kill -9 $$"),
        ("hangs", "sleep 600"),
    ];
    let mut programs = Programs::new();
    for (name, script) in scripts {
        let settings = json!({"on": ["message_sending", "message_received"], "timeoutMs": 2000});
        programs.add(name, settings, script);
    }
    let missing = json!({"on": ["message_sending"], "command": "/no/such/program"});
    programs.add("missing", missing, "");
    let good = "sed 's/.*\"content\":\"\\([^\"]\\).*/{\"content\":\"\\1, checked\"}/'";
    programs.add("good", json!({"on": ["message_sending"], "priority": -1}), good);
    // Longer than a pipe holds, for those that do not read.
    let sent = programs.answer(&"x".repeat(200_000)).await;
    assert_eq!(sent, ["e, checked"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_program_is_killed_with_all_it_has_started() {
    let mut programs = Programs::new();
    let script = "sleep 600 & echo $! > \"$DIR/child\"; echo $$ > \"$DIR/own\"; wait";
    programs.add("late", json!({"on": ["message_sending"], "timeoutMs": 1500}), script);
    assert_eq!(programs.answer("hi").await, ["echo: hi"]);
    for name in ["own", "child"] {
        let pid = fs::read_to_string(programs.path(name)).unwrap().trim().parse().unwrap();
        gone(Pid::from_raw(pid).unwrap()).await;
    }
}

/// Waits until a process has ended; one that nobody has waited for yet has ended too.
async fn gone(pid: Pid) {
    let ended = async {
        while test_kill_process(pid).is_ok() && !is_zombie(pid) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), ended).await.expect("the process is killed");
}

fn is_zombie(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    status.is_ok_and(|status| status.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z")))
}
