//! The service begins anew on a port of its own, or goes on as it was; it never ends by that.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use telson::actors::store::{CompactionPolicy, Store};

use super::client::Client;
use super::kit::{Home, Process, until};
use super::wire::Wire;

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A service on a fixed port.
fn fixed(home: &Home, config: &str) -> (Process, u16) {
    let port = free_port();
    home.set_env("TELSON_GATEWAY_PORT", port.to_string().as_ref());
    home.set_env("TELSON_GATEWAY_TOKEN", "a-token-for-tests-0123456789abcdef".as_ref());
    home.configure(config);
    (home.start(&[]), port)
}

fn call(home: &Home, method: &str, params: &Value) -> Result<Value, String> {
    Wire::connect(&home.socket()).unwrap().call(method, params)
}

fn done(home: &Home) -> Option<u64> {
    let stability =
        Wire::connect(&home.socket())?.call("diagnostics.stability", &json!({})).ok()?;
    stability["lives"]["restartsAskedFor"].as_u64()
}

fn notices(home: &Home) -> Option<String> {
    let status = Wire::connect(&home.socket())?.call("status", &json!({})).ok()?;
    Some(status["notices"].to_string())
}

#[tokio::test]
async fn a_service_on_a_fixed_port_begins_anew_there_and_clients_come_back() {
    let home = Home::new();
    let (service, port) = fixed(&home, "{}");
    for (before, method) in ["gateway.restart.request", "secrets.reload"].iter().enumerate() {
        let mut client = Client::operator(port, "ui", "a").await;
        assert_eq!(client.call(method, &json!({})).await.unwrap()["ok"], true);
        client.event("shutdown", |_| true).await;
        until("it has begun anew", || (done(&home)? > before as u64).then_some(()));
        let mut client = Client::operator(port, "ui", "a").await;
        assert_eq!(client.call("health", &json!({})).await.unwrap()["ok"], true);
    }
    let answer = call(&home, "gateway.restart.preflight", &json!({})).unwrap();
    assert_eq!(answer["safe"], true, "{answer}");
    assert!(!notices(&home).unwrap().contains("restart failed"));
    service.stop();
}

// The port is never given up in between: whoever knocks meanwhile waits, and nobody else can take it.
#[test]
fn nobody_is_turned_away_while_a_service_begins_anew() {
    let home = Home::new();
    let (service, port) = fixed(&home, "{}");
    let is_over = Arc::new(AtomicBool::new(false));
    let knocking = std::thread::spawn({
        let is_over = is_over.clone();
        move || {
            let mut knocks = 0_u64;
            while !is_over.load(Ordering::SeqCst) {
                if let Err(error) = TcpStream::connect(("127.0.0.1", port)) {
                    return Err(format!("after {knocks} knocks: {error}"));
                }
                knocks += 1;
                std::thread::park_timeout(Duration::from_millis(1));
            }
            Ok(knocks)
        }
    });
    for before in 0..2 {
        call(&home, "gateway.restart.request", &json!({})).unwrap();
        until("it has begun anew", || (done(&home)? > before).then_some(()));
    }
    is_over.store(true, Ordering::SeqCst);
    let knocks = knocking.join().unwrap().unwrap();
    assert!(knocks > 10, "{knocks}");
    service.stop();
}

// The same port, but on every address: what was bound before is in the way until it is let go.
#[tokio::test]
async fn a_service_begins_anew_on_more_addresses_of_its_port() {
    let home = Home::new();
    let (service, port) = fixed(&home, "{}");
    home.configure("{gateway: {bind: 'lan', tls: {enabled: false}}}");
    call(&home, "gateway.restart.request", &json!({})).unwrap();
    until("it has begun anew", || (done(&home)? == 1).then_some(()));
    assert!(TcpListener::bind(("0.0.0.0", port)).is_err());
    assert!(TcpListener::bind(("127.0.0.2", port)).is_err(), "it listens everywhere");
    let mut client = Client::operator(port, "ui", "a").await;
    assert_eq!(client.call("health", &json!({})).await.unwrap()["ok"], true);
    service.stop();
}

// An address of nobody here is known only when it is tried.
#[tokio::test]
async fn a_restart_into_a_config_that_cannot_listen_goes_on_with_the_old_one() {
    let home = Home::new();
    let (service, port) = fixed(&home, "{}");
    let bad = "gateway: {bind: 'custom', customBindHost: '192.0.2.7', tls: {enabled: false}}";
    home.configure(&format!("{{agents: {{entries: {{work: {{}}}}}}, {bad}}}"));
    assert_eq!(call(&home, "gateway.restart.request", &json!({})).unwrap()["ok"], true);
    let notices_now = until("the failure is told", || {
        notices(&home).filter(|notices| notices.contains("restart failed"))
    });
    assert!(notices_now.contains("192.0.2.7"), "{notices_now}");
    assert_eq!(done(&home), Some(0));
    let agents = call(&home, "agents.list", &json!({})).unwrap();
    assert_eq!(agents["agents"][0]["id"], "main", "{agents}");
    let mut client = Client::operator(port, "ui", "a").await;
    assert_eq!(client.call("health", &json!({})).await.unwrap()["ok"], true);

    // With a config that can, it goes well, and nothing is told any more.
    home.configure("{agents: {entries: {work: {}}}}");
    call(&home, "gateway.restart.request", &json!({})).unwrap();
    until("it has begun anew", || (done(&home)? == 1).then_some(()));
    assert!(!notices(&home).unwrap().contains("restart failed"));
    let agents = call(&home, "agents.list", &json!({})).unwrap();
    assert_eq!(agents["agents"][0]["id"], "work", "{agents}");
    service.stop();
}

#[test]
fn a_config_that_would_be_open_to_everybody_is_refused_before_anything_stops() {
    let home = Home::new();
    let service = {
        home.configure("{}");
        home.start(&[])
    };
    let path = home.state_dir().join("telson.json");
    let hash = call(&home, "config.get", &json!({})).unwrap()["hash"].clone();
    for patch in [
        "{gateway: {bind: 'lan'}}",
        "{gateway: {bind: 'lan', auth: {mode: 'none'}}}",
        "{gateway: {auth: {mode: 'password'}}}",
        "{gateway: {bind: 'custom', customBindHost: 'x', tls: {enabled: false}}}",
    ] {
        let params = json!({"raw": patch, "baseHash": hash});
        let error = call(&home, "config.patch", &params).unwrap_err();
        assert!(error.contains("gateway."), "{patch}: {error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{}", "{patch}");
    }
    home.configure("{gateway: {bind: 'lan'}}");
    for method in ["gateway.restart.request", "secrets.reload"] {
        let error = call(&home, method, &json!({})).unwrap_err();
        assert!(error.contains("gateway.tls"), "{method}: {error}");
    }
    assert_eq!(done(&home), Some(0));
    service.stop();
}

#[test]
fn agents_are_not_changed_in_a_config_that_cannot_be_read() {
    let home = Home::new();
    home.configure("{agents: {entries: {main: {default: true}, work: {}}}}");
    let service = home.start(&[]);
    let typo = "{agents: {entries: {main: {default: true}, work: {}}}, // mine\n models: {{}";
    home.configure(typo);
    let file = home.state_dir().join("telson.json");
    for (method, params) in [
        ("agents.create", json!({"name": "new"})),
        ("agents.update", json!({"agentId": "work", "name": "Office"})),
        ("agents.delete", json!({"agentId": "work"})),
    ] {
        let error = call(&home, method, &params).unwrap_err();
        assert!(error.contains("telson.json") && error.contains("correct"), "{method}: {error}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), typo, "{method}");
    }
    let hash = call(&home, "config.get", &json!({})).unwrap()["hash"].clone();
    let patch = json!({"raw": "{agents: {entries: {work: null}}}", "baseHash": hash});
    call(&home, "config.patch", &patch).unwrap_err();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), typo);
    // Who has seen it may replace all of it.
    let raw = "{agents: {entries: {main: {default: true}, other: {}}}}";
    call(&home, "config.set", &json!({"raw": raw, "baseHash": hash})).unwrap();
    assert!(std::fs::read_to_string(&file).unwrap().contains("other"));
    service.stop();
}

/// Begins a job whose command takes so many seconds, and then says so in a file; returns once it
/// runs.
fn begin_job(home: &Home, id: &str, seconds: u32) {
    let (begun, ended) = (home.path(&format!("{id}-begun")), home.path(&format!("{id}-ended")));
    let (from, to) = (begun.display(), ended.display());
    let script = format!("echo x >> {from}; sleep {seconds}; echo x >> {to}");
    let job = json!({
        "id": id, "schedule": {"kind": "every", "everyMs": 86_400_000},
        "payload": {"kind": "command", "argv": ["/bin/sh", "-c", script]},
    });
    call(home, "cron.add", &job).unwrap();
    call(home, "cron.run", &json!({"id": id})).unwrap();
    until("the command runs", || begun.exists().then_some(()));
}

fn is_draining(service: &Process) -> Option<()> {
    service.log().contains("finishing what is under way").then_some(())
}

// A command that is cut off does not go on afterwards: it counts as under way.
#[test]
fn a_restart_waits_for_the_commands_of_jobs_and_begins_none() {
    let home = Home::new();
    home.configure("{}");
    let service = home.start(&[]);
    begin_job(&home, "slow", 2);
    let preflight = call(&home, "gateway.restart.preflight", &json!({})).unwrap();
    assert_eq!(preflight["safe"], false, "{preflight}");
    assert_eq!(preflight["counts"]["runningCommands"], 1, "{preflight}");
    let answer = call(&home, "gateway.restart.request", &json!({})).unwrap();
    assert_eq!(answer["status"], "deferred", "{answer}");
    until("it waits", || is_draining(&service));
    let job = json!({
        "id": "late", "schedule": {"kind": "every", "everyMs": 86_400_000},
        "payload": {"kind": "command", "argv": ["/bin/true"]},
    });
    call(&home, "cron.add", &job).unwrap();
    let error = call(&home, "cron.run", &json!({"id": "late"})).unwrap_err();
    assert!(error.contains("stopping"), "{error}");
    // Who asks again meanwhile is served by the same restart.
    let answer = call(&home, "gateway.restart.request", &json!({})).unwrap();
    assert_eq!(answer["status"], "coalesced", "{answer}");
    until("it has begun anew", || (done(&home)? == 1).then_some(()));
    assert!(home.path("slow-ended").exists(), "the command was waited for");
    let run = call(&home, "cron.runs", &json!({"id": "slow"})).unwrap()["entries"][0].clone();
    assert_eq!(run["status"], "ok", "{run}");
    // Jobs run again; and a wish that was served ends no other engine.
    call(&home, "cron.run", &json!({"id": "late"})).unwrap();
    until("it has run", || {
        let runs = call(&home, "cron.runs", &json!({"id": "late"})).ok()?;
        (runs["entries"][0]["status"] == "ok").then_some(())
    });
    assert_eq!(done(&home), Some(1));
    service.stop();
}

/// A job whose command runs until it may end.
struct Held<'a> {
    home: &'a Home,
    id: &'a str,
}

impl<'a> Held<'a> {
    fn begin(home: &'a Home, id: &'a str) -> Self {
        let (begun, may_end) = (home.path(&format!("{id}-begun")), home.path(&format!("{id}-go")));
        let (from, to) = (begun.display(), may_end.display());
        let script = format!("echo x >> {from}; until [ -e {to} ]; do sleep 0.05; done");
        let job = json!({
            "id": id, "schedule": {"kind": "every", "everyMs": 86_400_000},
            "payload": {"kind": "command", "argv": ["/bin/sh", "-c", script]},
        });
        call(home, "cron.add", &job).unwrap();
        call(home, "cron.run", &json!({"id": id})).unwrap();
        until("the command runs", || begun.exists().then_some(()));
        Self { home, id }
    }

    fn end(self) {
        std::fs::write(self.home.path(&format!("{}-go", self.id)), "").unwrap();
    }
}

// Who is told that the restart under way serves him too is promised the config as it is by then.
#[test]
fn a_restart_goes_by_what_the_config_says_when_it_happens() {
    let home = Home::new();
    home.configure("{}");
    let service = home.start(&["--drain-seconds", "600"]);
    let agents = |id: &str| format!("{{agents: {{entries: {{{id}: {{}}}}}}}}");
    let waits = |count| {
        let begun = || service.log().matches("beginning anew").count();
        until("it waits", || (begun() >= count).then_some(()));
    };
    let first = || call(&home, "agents.list", &json!({})).unwrap()["agents"][0]["id"].clone();

    let held = Held::begin(&home, "one");
    home.configure(&agents("early"));
    call(&home, "gateway.restart.request", &json!({})).unwrap();
    waits(1);
    home.configure(&agents("late"));
    let answer = call(&home, "gateway.restart.request", &json!({})).unwrap();
    assert_eq!(answer["status"], "coalesced", "{answer}");
    held.end();
    until("it has begun anew", || (done(&home)? == 1).then_some(()));
    assert_eq!(first(), "late");
    assert!(!notices(&home).unwrap().contains("can't be used"));

    // Nobody is left without a service by what came last: it is told instead.
    let held = Held::begin(&home, "two");
    home.configure(&agents("third"));
    call(&home, "gateway.restart.request", &json!({})).unwrap();
    waits(2);
    home.configure("{agents: {{}}");
    held.end();
    until("it has begun anew", || (done(&home)? == 2).then_some(()));
    assert_eq!(first(), "third");
    let told = notices(&home).unwrap();
    assert!(told.contains("can't be used") && told.contains("telson.json"), "{told}");
    service.stop();
}

#[test]
fn a_signal_has_the_service_begin_anew_unless_the_config_says_otherwise() {
    let home = Home::new();
    home.configure("{}");
    let service = home.start(&[]);
    let usr1 = rustix::process::Signal::USR1;
    home.configure("{agents: {entries: {work: {}}}, commands: {restart: false}}");
    service.signal(usr1);
    until("it has begun anew", || (done(&home)? == 1).then_some(()));
    let agents = call(&home, "agents.list", &json!({})).unwrap();
    assert_eq!(agents["agents"][0]["id"], "work", "{agents}");
    service.signal(usr1);
    until("it is told", || service.log().contains("SIGUSR1 is ignored").then_some(()));
    call(&home, "health", &json!({})).unwrap();
    assert_eq!(done(&home), Some(1));
    service.stop();
}

// However long it takes: nothing of it changes meanwhile, and it is no reply that is stuck.
#[test]
fn while_a_restart_waits_for_a_slow_command_no_job_comes() {
    let home = Home::new();
    home.configure("{}");
    let service = home.start(&["--drain-seconds", "600"]);
    begin_job(&home, "slow", 5);
    call(&home, "gateway.restart.request", &json!({})).unwrap();
    until("it waits", || is_draining(&service));
    let tick = json!({
        "id": "tick", "schedule": {"kind": "every", "everyMs": 1000},
        "payload": {"kind": "systemEvent", "text": "tick"},
    });
    call(&home, "cron.add", &tick).unwrap();
    let running = || {
        let status = Wire::connect(&home.socket())?.call("cron.status", &json!({})).ok()?;
        status["running"].as_u64()
    };
    let ticks = || {
        let runs = Wire::connect(&home.socket())?.call("cron.runs", &json!({"id": "tick"})).ok()?;
        runs["entries"].as_array().map(Vec::len)
    };
    until("the command ends", || {
        let (running, ticks) = (running(), ticks());
        if home.path("slow-ended").exists() {
            return Some(());
        }
        assert!(ticks.is_none_or(|ticks| ticks == 0), "{ticks:?}");
        assert!(running.is_none_or(|running| running <= 1), "{running:?}");
        None
    });
    until("it has begun anew", || (done(&home)? == 1).then_some(()));
    until("it comes again", || (ticks()? > 0).then_some(()));
    service.stop();
}

#[test]
fn who_does_not_want_to_wait_ends_the_waiting_of_others() {
    let home = Home::new();
    home.configure("{}");
    let service = home.start(&["--drain-seconds", "600"]);
    begin_job(&home, "slow", 600);
    call(&home, "gateway.restart.request", &json!({})).unwrap();
    until("it waits", || is_draining(&service));
    let haste = json!({"skipDeferral": true});
    let answer = call(&home, "gateway.restart.request", &haste).unwrap();
    assert_eq!(answer["status"], "coalesced", "{answer}");
    until("it has begun anew", || (done(&home)? == 1).then_some(()));
    assert!(!home.path("slow-ended").exists());
    service.stop();
}

#[test]
fn the_first_signal_while_a_restart_waits_is_an_orderly_end() {
    let home = Home::new();
    home.configure("{}");
    let service = home.start(&["--drain-seconds", "600"]);
    begin_job(&home, "slow", 3);
    call(&home, "gateway.restart.request", &json!({})).unwrap();
    until("it waits", || is_draining(&service));
    service.stop();
    assert!(home.path("slow-ended").exists(), "the command was waited for");
    let service = home.start(&[]);
    let stability = call(&home, "diagnostics.stability", &json!({})).unwrap();
    assert_eq!(stability["lives"]["wasInterrupted"], false, "{stability}");
    service.stop();
}

// A person has accepted what was lost at that start, and nothing that is lost later.
#[test]
fn a_restart_accepts_no_loss_that_nobody_has_seen() {
    let home = Home::new();
    home.configure("{}");
    drop(Store::open(&home.state_dir(), CompactionPolicy::default()).unwrap());
    let log = home.state_dir().join("store/generation-1/db");
    let older = std::fs::read(&log).unwrap();
    let service = home.start(&["--accept-loss"]);
    // What this life writes is lost with its file.
    std::fs::rename(&log, home.path("lost")).unwrap();
    std::fs::write(&log, older).unwrap();
    call(&home, "gateway.restart.request", &json!({})).unwrap();
    let ended = service.finish();
    assert_eq!(ended.code, 78, "{ended:?}");
    for part in ["is damaged", "commits are missing", "--accept-loss"] {
        assert!(ended.err.contains(part), "{part:?} is in {}", ended.err);
    }
    assert!(!home.state_dir().join("store/damaged-1").exists());
}
