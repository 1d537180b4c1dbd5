//! The OpenClaw terminal interface, unmodified, in a terminal of `tmux`.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::frames;
use super::scene::Scene;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(4);
/// Pause between two looks at the screen.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Pause before Enter, longer than a burst of keys.
const ENTER_EVERY: Duration = Duration::from_secs(2);

struct Terminal<'a> {
    scene: &'a Scene,
    socket: PathBuf,
}

impl<'a> Terminal<'a> {
    fn start(scene: &'a Scene) -> Self {
        let terminal = Self { scene, socket: scene.client_home().join("tmux") };
        let program = scene.programs.openclaw(&scene.client_home());
        let mut line = vec!["env".to_owned(), "-i".to_owned()];
        line.extend(program.get_envs().filter_map(|(name, value)| {
            Some(format!("{}={}", name.to_string_lossy(), value?.to_string_lossy()))
        }));
        line.push(program.get_program().to_string_lossy().into_owned());
        line.extend(program.get_args().map(|arg| arg.to_string_lossy().into_owned()));
        line.push("tui".into());
        let mut start = vec!["new-session", "-d", "-s", "tui", "-x", "140", "-y", "45"];
        start.extend(line.iter().map(String::as_str));
        terminal.tmux(&start);
        terminal
    }

    fn tmux(&self, args: &[&str]) -> String {
        let output = Command::new("tmux").arg("-S").arg(&self.socket).args(args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn says(&self, text: &str) {
        wait(&format!("the terminal shows {text:?}"), || self.shows(text));
    }

    fn shows(&self, text: &str) -> bool {
        self.tmux(&["capture-pane", "-p", "-S", "-200", "-t", "tui"]).contains(text)
    }

    /// Types a line as a person does, who sees it before Enter: the program takes a quick burst of
    /// keys for a paste, in which Enter is a line break. Enter on an empty line does nothing.
    fn types(&self, text: &str, method: &str) {
        self.tmux(&["send-keys", "-t", "tui", "-l", text]);
        self.says(text);
        let answers = || {
            let sent = self.scene.recorder.sent();
            sent.iter().filter(|it| it.method.as_deref() == Some(method)).count()
        };
        let (before, end) = (answers(), Instant::now() + PATIENCE);
        while answers() == before {
            assert!(Instant::now() < end, "{text:?} leads to no {method}");
            std::thread::sleep(ENTER_EVERY);
            self.tmux(&["send-keys", "-t", "tui", "Enter"]);
        }
    }

    /// What left the gateway in answer to a method.
    fn answered(&self, method: &str) {
        wait(&format!("{method} is answered"), || {
            let sent = self.scene.recorder.sent();
            sent.iter().any(|it| it.method.as_deref() == Some(method))
        });
    }
}

impl Terminal<'_> {
    /// Whether a chat was told to be in this state.
    fn is_told(&self, state: &str) -> bool {
        let sent = self.scene.recorder.sent();
        sent.iter().any(|it| it.frame["event"] == "chat" && it.frame["payload"]["state"] == state)
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("-- tui --\n{}", self.tmux(&["capture-pane", "-p", "-t", "tui"]));
        }
        self.tmux(&["kill-server"]);
    }
}

/// The program loads a hundred megabytes before it says anything.
fn wait(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "after {} s still waiting: {what}", PATIENCE.as_secs());
        std::thread::sleep(LOOK_EVERY);
    }
}

fn has_tmux() -> bool {
    let found = Command::new("tmux").arg("-V").output().is_ok();
    assert!(found || std::env::var("CI").is_err(), "install tmux");
    if !found {
        eprintln!("SKIPPED: no tmux; install it to run the test of the terminal interface");
    }
    found
}

#[test]
fn the_unmodified_terminal_interface_talks_to_us() {
    let Some(scene) = Scene::start("{}") else { return };
    if !has_tmux() {
        return;
    }
    let terminal = Terminal::start(&scene);
    terminal.answered("connect");
    terminal.says("agent main | session main");
    terminal.answered("agents.list");
    terminal.types("hello from a terminal", "chat.send");
    terminal.says("echo: hello from a terminal");
    wait("the answer is told piece by piece", || terminal.is_told("delta"));
    wait("its end is told", || terminal.is_told("final"));
    terminal.types("/sessions", "sessions.list");
    drop(terminal);
    frames::check(&scene);
}

#[test]
fn the_unmodified_terminal_interface_stops_an_answer() {
    // A model that takes a question and says nothing.
    let model = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = json!({
        "models": {"providers": {"slow": {
            "baseUrl": format!("http://{}/v1", model.local_addr().unwrap()),
            "api": "openai-completions",
            "apiKey": "key",
            "models": [{"id": "m"}],
        }}},
        "agents": {"defaults": {"model": "slow/m"}},
    });
    let Some(scene) = Scene::start(&config.to_string()) else { return };
    if !has_tmux() {
        return;
    }
    let terminal = Terminal::start(&scene);
    terminal.answered("connect");
    terminal.says("agent main | session main");
    terminal.types("take your time", "chat.send");
    terminal.tmux(&["send-keys", "-t", "tui", "Escape"]);
    terminal.answered("chat.abort");
    wait("the end is told", || terminal.is_told("aborted"));
    drop(terminal);
    frames::check(&scene);
}
