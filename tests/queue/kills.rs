//! The disk dies at each commit of a scene, before or after it has written; the next life goes on
//! with what is there. Whatever the moment, each message ends once and nothing is done twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use telson::{Builder, Engine};
use telson_actors::outbox::UnsettledSends;
use telson_actors::session::lane::Mode;
use telson_actors::store::{Backend, Key, MemoryBackend, Pair, StoreError, Write};

use crate::desk::{Desk, stop};
use crate::support::{Platform, account, direct};

/// More commits than any of the scenes makes.
const COMMITS_MAX: u64 = 60;

/// A disk that dies at its nth commit.
struct Mortal {
    disk: MemoryBackend,
    left: AtomicU64,
    /// Whether the last commit is still written, though nobody hears of it.
    writes_last: bool,
    is_dead: AtomicBool,
}

impl Mortal {
    fn new(disk: &MemoryBackend, commits: u64, writes_last: bool) -> Self {
        let (left, is_dead) = (AtomicU64::new(commits), AtomicBool::new(false));
        Self { disk: disk.clone(), left, writes_last, is_dead }
    }

    fn write(&self, writes: &[Write]) -> Result<(), StoreError> {
        let dead = || StoreError::Database("the disk has died".into());
        if self.is_dead.load(Ordering::SeqCst) {
            return Err(dead());
        }
        if self.left.fetch_sub(1, Ordering::SeqCst) > 1 {
            return self.disk.commit(writes);
        }
        self.is_dead.store(true, Ordering::SeqCst);
        if self.writes_last {
            self.disk.commit(writes)?;
        }
        Err(dead())
    }
}

impl Backend for Mortal {
    fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.write(writes)
    }

    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        self.disk.get(key)
    }

    fn scan(&self, of: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Pair>, StoreError> {
        self.disk.scan(of, after, limit)
    }

    fn tail(&self, prefix: &Key, limit: usize) -> Result<Vec<Pair>, StoreError> {
        self.disk.tail(prefix, limit)
    }
}

/// What the people write, and when: each once the tool has been called so often.
type Script = [(&'static str, usize)];

/// Plays the scene once; `true` if the disk died in it.
struct Scene {
    platform: Platform,
    desk: Desk,
    disk: MemoryBackend,
    mode: Mode,
}

impl Scene {
    fn new(mode: Mode) -> Self {
        let (platform, disk) = (Platform::new(), MemoryBackend::new());
        Self { platform, desk: Desk::default(), disk, mode }
    }

    /// A send that was cut off is made again unless the platform has it: here nothing may be parked.
    fn engine(&self) -> Builder {
        self.desk.engine(&self.platform, self.mode).unsettled(&account(), UnsettledSends::Resend)
    }

    /// Two lives: the first ends with its disk, the second on a sound one. `true` if the first died.
    async fn play(&self, script: &Script, commits: u64, writes_last: bool) -> bool {
        let mortal = Arc::new(Mortal::new(&self.disk, commits, writes_last));
        if let Ok(engine) = self.engine().backend(mortal).start().await {
            let done = self.live(&engine, script).await;
            stop(engine).await;
            if done {
                return false;
            }
        }
        // What hung before goes on now.
        self.desk.open(100);
        let sound = Arc::new(self.disk.clone());
        let engine = self.engine().backend(sound).start().await.unwrap();
        assert!(self.live(&engine, script).await, "a sound disk does not die");
        stop(engine).await;
        true
    }

    /// Offers everything, as a platform does after a restart, and waits until all is done. `false`
    /// if the engine ended before.
    async fn live(&self, engine: &Engine, script: &Script) -> bool {
        let playing = async {
            for (nth, (text, calls)) in script.iter().enumerate() {
                while self.desk.called().len() < *calls && !engine.load().is_idle() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                if engine.inject(direct(&nth.to_string(), "anna", text)).await.is_err() {
                    return false;
                }
            }
            self.desk.open(10);
            while !engine.load().is_idle() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            true
        };
        let playing = tokio::time::timeout(Duration::from_secs(30), playing);
        tokio::select! {
            done = playing => done.unwrap(),
            _ = engine.failed() => false,
        }
    }

    /// How often a text stands in what the person received.
    fn received(&self, text: &str) -> usize {
        self.platform.sent_to("anna").join("\n").matches(text).count()
    }
}

fn assert_once(list: &[String], what: &str) {
    let mut sorted = list.to_vec();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), list.len(), "{what}: {list:?}");
}

// D2, D7: a steered message ends with the turn that answered it, and a turn that has been asked with
// it is never asked without it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steered_messages_are_answered_once_whenever_the_disk_dies() {
    let script = [("work 2", 0), ("and this", 1), ("and that", 1)];
    let mut deaths = 0;
    for (commits, writes_last) in (1..COMMITS_MAX).flat_map(|n| [(n, false), (n, true)]) {
        let scene = Scene::new(Mode::Steer);
        let died = scene.play(&script, commits, writes_last).await;
        deaths += u32::from(died);
        let what =
            format!("death at {commits}, {writes_last}: {:?}", scene.platform.sent_to("anna"));
        for (text, _) in script {
            assert_eq!(scene.received(text), 1, "{text}, {what}");
        }
        let answers = scene.platform.sent_to("anna").join("\n");
        let places: Vec<_> = script.iter().map(|(text, _)| answers.find(text)).collect();
        assert!(places.is_sorted(), "{what}");
        assert_once(&scene.desk.called(), &what);
        for pair in scene.desk.asked().windows(2).filter(|pair| pair[0][0] == pair[1][0]) {
            assert!(pair[1].starts_with(&pair[0]), "asked with less: {pair:?}, {what}");
        }
        if !died {
            break;
        }
    }
    assert!(deaths > 20, "the scene makes more commits than {deaths}");
}

// D2: an interrupted turn ends once, and the newer message is answered once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupting_message_is_answered_once_whenever_the_disk_dies() {
    let script = [("work 1", 0), ("newer", 1)];
    let (mut deaths, mut ended) = (0, 0);
    for (commits, writes_last) in (1..COMMITS_MAX).flat_map(|n| [(n, false), (n, true)]) {
        let scene = Scene::new(Mode::Interrupt);
        let died = scene.play(&script, commits, writes_last).await;
        deaths += u32::from(died);
        let what =
            format!("death at {commits}, {writes_last}: {:?}", scene.platform.sent_to("anna"));
        // The notice about the interruption says `newer message`.
        let answers = scene.received("newer") - scene.received("your newer message");
        assert_eq!(answers, 1, "{what}");
        assert!(scene.received("work 1") <= 1, "{what}");
        assert_once(&scene.desk.called(), &what);
        // The tool may end before the session has read what was written meanwhile.
        ended += u32::from(scene.received("work 1") == 0);
        if !died {
            break;
        }
    }
    assert!(deaths > 15 && ended > 0, "{deaths} deaths, {ended} turns that ended");
}

// D2: after a stop nothing of what came before it is answered, and it is acknowledged once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_holds_whenever_the_disk_dies() {
    let script = [("work 1", 0), ("waiting", 1), ("/stop", 1)];
    let (mut deaths, mut ended) = (0, 0);
    for (commits, writes_last) in (1..COMMITS_MAX).flat_map(|n| [(n, false), (n, true)]) {
        let scene = Scene::new(Mode::Followup);
        let died = scene.play(&script, commits, writes_last).await;
        deaths += u32::from(died);
        let what =
            format!("death at {commits}, {writes_last}: {:?}", scene.platform.sent_to("anna"));
        let said = scene.received("Stopped.") + scene.received("Nothing is running.");
        assert_eq!(said, 1, "{what}");
        assert!(scene.received("work 1") <= 1 && scene.received("waiting") <= 2, "{what}");
        assert_once(&scene.desk.called(), &what);
        // The tool may end before the session has read what was written meanwhile.
        ended += u32::from(scene.received("work 1") == 0);
        if !died {
            break;
        }
    }
    assert!(deaths > 15 && ended > 0, "{deaths} deaths, {ended} turns that ended");
}
