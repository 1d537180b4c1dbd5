//! The OpenClaw terminal interface, unmodified, in a terminal of `tmux`.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tokio::time::Instant;

use super::frames;
use super::scene::Scene;

/// What it asks for before it shows a conversation. Where one of these is not served yet, the test
/// says so and looks only at the part that is.
const NEEDS: &[&str] =
    &["sessions.subscribe", "agents.list", "chat.history", "chat.send", "chat.abort"];

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(4);
/// Pause between two looks at the screen.
const LOOK_EVERY: Duration = Duration::from_millis(100);

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

    fn types(&self, text: &str) {
        self.tmux(&["send-keys", "-t", "tui", "-l", text]);
        self.tmux(&["send-keys", "-t", "tui", "Enter"]);
    }

    /// What left the gateway in answer to a method.
    fn answered(&self, method: &str) {
        wait(&format!("{method} is answered"), || {
            let sent = self.scene.recorder.sent();
            sent.iter().any(|it| it.method.as_deref() == Some(method))
        });
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
    let served = scene.advertised();
    let missing: Vec<_> = NEEDS.iter().filter(|it| !served.iter().any(|has| has == **it)).collect();
    if missing.is_empty() {
        terminal.answered("agents.list");
        terminal.types("hello from a terminal");
        terminal.says("echo: hello from a terminal");
        terminal.types("/sessions");
        terminal.answered("sessions.list");
    } else {
        eprintln!("NOT YET: the terminal interface can't chat without {missing:?}");
    }
    drop(terminal);
    frames::check(&scene);
}
