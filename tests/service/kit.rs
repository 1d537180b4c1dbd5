//! The real program as a person meets it: a home folder, command lines, and what they print.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use super::wire::Wire;

/// How long anything may take before the test fails. Far above what is normal, because test
/// machines are busy.
const PATIENCE: Duration = Duration::from_secs(40);
/// Pause between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Looks until there is something to see; fails the test when it takes too long.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < end, "after {} s still waiting: {what}", PATIENCE.as_secs());
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A person's home folder. Nothing of the machine's own environment reaches the program.
pub(crate) struct Home {
    dir: TempDir,
    started: Cell<u32>,
    env: RefCell<Vec<(String, PathBuf)>>,
}

impl Home {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("telson-test-").tempdir().unwrap();
        Self { dir, started: Cell::new(0), env: RefCell::default() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Where the program keeps its memory when nobody says otherwise.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.path(".telson")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        telson::control::socket_path(&self.state_dir())
    }

    /// Puts a config where the program looks for it.
    pub(crate) fn configure(&self, config: &str) {
        std::fs::create_dir_all(self.state_dir()).unwrap();
        std::fs::write(self.state_dir().join("telson.json"), config).unwrap();
    }

    /// What the programs started from now on find in their environment.
    pub(crate) fn set_env(&self, name: &str, value: &Path) {
        self.env.borrow_mut().push((name.to_owned(), value.to_owned()));
    }

    /// Starts the program; what it prints goes to files, so that it never waits for a reader.
    pub(crate) fn spawn(&self, args: &[&str]) -> Process {
        self.spawn_reading(args, Stdio::null())
    }

    /// Runs a command to its end with these bytes on its standard input.
    pub(crate) fn pipe(&self, args: &[&str], input: &[u8]) -> Finished {
        let file = self.path("input");
        std::fs::write(&file, input).unwrap();
        self.spawn_reading(args, File::open(&file).unwrap().into()).finish()
    }

    fn spawn_reading(&self, args: &[&str], input: Stdio) -> Process {
        let number = self.started.get();
        self.started.set(number + 1);
        let (out, err) = (self.path(&format!("out-{number}")), self.path(&format!("err-{number}")));
        let child = Command::new(env!("CARGO_BIN_EXE_telson"))
            .args(args)
            .env_clear()
            .env("HOME", self.dir.path())
            .env("PATH", "/usr/bin:/bin")
            .env("TELSON_GATEWAY_PORT", "0")
            .envs(self.env.borrow().iter().map(|(name, value)| (name, value)))
            .stdin(input)
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&err).unwrap())
            .spawn()
            .unwrap();
        Process { child, out, err, command: args.join(" "), socket: self.socket() }
    }

    /// Runs a command to its end.
    pub(crate) fn ask(&self, args: &[&str]) -> Finished {
        self.spawn(args).finish()
    }

    /// Runs a command with `--json`; answers its exit code and its document.
    pub(crate) fn ask_json(&self, args: &[&str]) -> (i32, Value) {
        let finished = self.ask(&[&["--json"], args].concat());
        (finished.code, finished.json())
    }

    /// Starts the service and returns once it answers.
    pub(crate) fn start(&self, args: &[&str]) -> Process {
        self.start_at(&self.state_dir(), args)
    }

    /// The same for a service that was told to live elsewhere.
    pub(crate) fn start_at(&self, state_dir: &Path, args: &[&str]) -> Process {
        let mut service = self.spawn(&[&["run"], args].concat());
        service.socket = telson::control::socket_path(state_dir);
        until("the service answers", || {
            service.assert_runs();
            Wire::connect(&service.socket)?.call("health", &json!({})).ok()
        });
        // It prints what it has started right after it answers.
        until("the service says what it runs", || service.out().ends_with('\n').then_some(()));
        service
    }
}

/// A program that was started, and is ended with the test whatever happens.
pub(crate) struct Process {
    child: Child,
    out: PathBuf,
    err: PathBuf,
    command: String,
    socket: PathBuf,
}

/// What a program left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Finished {
    /// The one JSON document it printed.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Process {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it is asked, if it was told to live elsewhere.
    pub(crate) fn listens_at(&mut self, state_dir: &Path) {
        self.socket = telson::control::socket_path(state_dir);
    }

    pub(crate) fn out(&self) -> String {
        text(&self.out)
    }

    pub(crate) fn log(&self) -> String {
        text(&self.err)
    }

    /// Asks over the control socket; the service has to answer.
    pub(crate) fn call(&self, method: &str, params: &Value) -> Value {
        let mut wire = Wire::connect(&self.socket).expect("the service listens");
        wire.call(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// What became of the message a text names, as `telson why` tells it.
    pub(crate) fn journey(&self, text: &str) -> Value {
        let answer = self.call("telson.why", &json!({"query": text}));
        answer["journeys"].get(0).cloned().unwrap_or_default()
    }

    /// Waits until so many dead letters are there, and lists them.
    pub(crate) fn dead_letters(&self, count: usize) -> Vec<Value> {
        until("the dead letters are there", || {
            let answer = self.call("telson.deadLetters.list", &json!({}));
            let letters = answer["deadLetters"].as_array().cloned().unwrap_or_default();
            (letters.len() >= count).then_some(letters)
        })
    }

    /// Waits until everything admitted is answered, and every answer is out or a dead letter.
    pub(crate) fn idle(&self) {
        until("nothing is under way", || {
            let load = &self.call("status", &json!({}))["load"];
            (load["waiting"] == 0 && load["undelivered"] == 0).then_some(())
        });
    }

    /// An actor of the tree by its name, such as `watcher`.
    pub(crate) fn node(&self, id: &str) -> Option<Value> {
        find(&self.call("telson.tree", &json!({})), id).cloned()
    }

    /// The same while it may not answer.
    pub(crate) fn try_node(&self, id: &str) -> Option<Value> {
        find(&Wire::connect(&self.socket)?.call("telson.tree", &json!({})).ok()?, id).cloned()
    }

    /// What that actor says of itself.
    pub(crate) fn note(&self, id: &str) -> Option<String> {
        self.node(id)?["note"].as_str().map(str::to_owned)
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// SIGKILL: no handler runs, nothing is tidied up.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and an orderly end.
    pub(crate) fn stop(self) -> Finished {
        self.signal(rustix::process::Signal::TERM);
        let finished = self.finish();
        assert_eq!(finished.code, 0, "an orderly stop: {}", finished.err);
        finished
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Finished {
        let what = format!("`telson {}` ends", self.command);
        let status = until(&what, || self.status());
        let code = status.code().unwrap_or(-1);
        Finished { code, out: self.out(), err: self.log() }
    }

    fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub(crate) fn assert_runs(&mut self) {
        let status = self.status();
        assert!(status.is_none(), "`telson {}` ended by itself: {status:?}", self.command);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already, and a failing test must not fail twice.
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("-- telson {} --\n{}{}", self.command, self.out(), self.log());
        }
    }
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn find<'a>(node: &'a Value, id: &str) -> Option<&'a Value> {
    if node["id"] == id {
        return Some(node);
    }
    node["children"].as_array()?.iter().find_map(|child| find(child, id))
}
