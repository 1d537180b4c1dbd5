//! Processes that are killed (SIGKILL) in the middle of steering and interrupting. The child is this
//! test binary; model, tool and platform keep their ledgers in files that no life owns.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use telson::Engine;
use telson_actors::channel::{
    Capabilities, Channel, Evidence, Outbound, Receipt, SendFailure, SendOutcome, Settled,
};
use telson_actors::message::session_key::DmScope;
use telson_actors::outbox::UnsettledSends;
use telson_actors::session::lane::{LaneSettings, Mode};
use tokio::time::Instant;

use crate::desk::Desk;
use crate::support::{Platform, account, direct, open_access};

/// Tells the child where it lives; without it a test is the parent.
const HOME: &str = "TELSON_QUEUE_TEST_HOME";
/// How long the tool takes: long enough to be killed in.
pub(crate) const TOOL_TAKES: Duration = Duration::from_millis(60);

/// Lines in a file: each is there whole before anything follows from it.
#[derive(Debug, Clone)]
pub(crate) struct Pages(PathBuf);

impl Pages {
    pub(crate) fn add(&self, name: &str, line: &str) {
        let path = self.0.join(name);
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(format!("{}\n", line.escape_default()).as_bytes()).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.0.join(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// A platform whose ledger is a page.
struct Paper(Pages);

impl Channel for Paper {
    fn capabilities(&self) -> Capabilities {
        Platform::new().capabilities()
    }

    fn prepare<'a>(&'a self, _: &'a Outbound) -> BoxFuture<'a, Result<Evidence, SendFailure>> {
        Box::pin(async { Ok(Evidence::default()) })
    }

    fn send<'a>(&'a self, part: &'a Outbound, _: &'a Evidence) -> BoxFuture<'a, SendOutcome> {
        Box::pin(async move {
            self.0.add("sent", &format!("{} {}", part.entry, part.text));
            SendOutcome::Sent(receipt(part))
        })
    }

    fn reconcile<'a>(&'a self, part: &'a Outbound, _: &'a Evidence) -> BoxFuture<'a, Settled> {
        Box::pin(async move {
            let begins = format!("{} ", part.entry);
            if self.0.read("sent").iter().any(|line| line.starts_with(&begins)) {
                Settled::Sent(receipt(part))
            } else {
                Settled::Unresolved("the platform does not know it".into())
            }
        })
    }
}

fn receipt(part: &Outbound) -> Receipt {
    Receipt { platform_id: part.entry.clone(), note: String::new() }
}

/// One life: offers everything, as a platform does after a restart, and works until all is done.
async fn live(home: &Path, mode: Mode, script: &[&str]) {
    let pages = Pages(home.to_owned());
    let desk = Desk::on_paper(pages.clone());
    let channel: Arc<dyn Channel> = Arc::new(Paper(pages.clone()));
    let lane = LaneSettings { mode, ..LaneSettings::default() };
    let builder = Engine::builder().channel(account(), channel, None, open_access());
    let builder = builder.rules(|rules| rules.session.dm_scope = DmScope::PerChannelPeer);
    let builder = desk.staff(builder).lane("", lane).state_dir(home.join("state"));
    let builder = builder.unsettled(&account(), UnsettledSends::Resend);
    let engine = builder.start().await.unwrap();
    pages.add("lives", "begun");
    for (nth, text) in script.iter().enumerate() {
        engine.inject(direct(&nth.to_string(), "anna", text)).await.unwrap();
        while pages.read("called").is_empty() && !engine.load().is_idle() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    while !engine.load().is_idle() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    engine.shutdown(Duration::from_secs(5)).await;
    pages.add("done", "done");
}

/// Plays a scene in children that are killed after so many milliseconds, one after the other, then in
/// one that may end. Answers its pages.
fn play(test: &str, kills: &[u64]) -> (tempfile::TempDir, Pages) {
    let dir = tempfile::tempdir().unwrap();
    let pages = Pages(dir.path().to_owned());
    for (nth, after) in kills.iter().enumerate() {
        let mut child = spawn(test, dir.path());
        wait_for(&mut child, || pages.read("lives").len() > nth || is_done(&pages));
        let until = Instant::now() + Duration::from_millis(*after);
        while Instant::now() < until && !is_done(&pages) {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if is_done(&pages) {
            return (dir, pages);
        }
    }
    let mut child = spawn(test, dir.path());
    wait_for(&mut child, || is_done(&pages));
    child.kill().unwrap();
    child.wait().unwrap();
    (dir, pages)
}

fn is_done(pages: &Pages) -> bool {
    !pages.read("done").is_empty()
}

fn spawn(test: &str, home: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--test-threads=1"]).env(HOME, home);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn wait_for(child: &mut Child, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_mins(1), "the child does nothing");
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none() || holds(), "the child has failed: {ended:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The child's part of a test; `false` in the parent.
fn is_child(mode: Mode, script: &[&str]) -> bool {
    let Some(home) = std::env::var_os(HOME) else { return false };
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(live(Path::new(&home), mode, script));
    true
}

fn count(lines: &[String], text: &str) -> usize {
    lines.iter().map(|line| line.matches(text).count()).sum()
}

fn assert_distinct(lines: &[String], what: &str) {
    let distinct: std::collections::BTreeSet<&String> = lines.iter().collect();
    assert_eq!(distinct.len(), lines.len(), "{what}: {lines:?}");
}

/// Moments that cover a scene of about 250 milliseconds, one kill each, and two kills in a row.
fn moments() -> Vec<Vec<u64>> {
    let mut moments: Vec<Vec<u64>> = (0..16).map(|nth| vec![nth * 15]).collect();
    moments.extend([vec![20, 20], vec![70, 5], vec![100, 60]]);
    moments
}

#[test]
fn a_steered_message_is_answered_once_across_sigkill() {
    let script = ["work 2", "and this", "and that"];
    if is_child(Mode::Steer, &script) {
        return;
    }
    let mut steered = 0;
    for kills in moments() {
        let test = "sigkill::a_steered_message_is_answered_once_across_sigkill";
        let (_dir, pages) = play(test, &kills);
        let (sent, asked) = (pages.read("sent"), pages.read("asked"));
        let what = format!("killed after {kills:?}: {sent:?}, asked {asked:?}");
        for text in script {
            assert_eq!(count(&sent, text), 1, "{text}, {what}");
        }
        assert_distinct(&pages.read("called"), &what);
        // Once asked with more, the turn is never asked with less.
        let of_turn: Vec<&String> = asked.iter().filter(|a| a.starts_with("work 2")).collect();
        assert!(of_turn.windows(2).all(|pair| pair[1].starts_with(pair[0].as_str())), "{what}");
        steered += usize::from(of_turn.last().is_some_and(|last| last.contains("and this")));
    }
    assert!(steered > 0, "none was steered");
}

#[test]
fn an_interrupting_message_is_answered_once_across_sigkill() {
    let script = ["work 1", "newer"];
    if is_child(Mode::Interrupt, &script) {
        return;
    }
    let mut interrupted = 0;
    for kills in moments() {
        let test = "sigkill::an_interrupting_message_is_answered_once_across_sigkill";
        let (_dir, pages) = play(test, &kills);
        let sent = pages.read("sent");
        let what = format!("killed after {kills:?}: {sent:?}");
        assert_eq!(count(&sent, "newer") - count(&sent, "your newer message"), 1, "{what}");
        assert!(count(&sent, "work 1") <= 1, "{what}");
        assert_distinct(&pages.read("called"), &what);
        interrupted += usize::from(count(&sent, "work 1") == 0);
    }
    assert!(interrupted > 0, "none was interrupted");
}
