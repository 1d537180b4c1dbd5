//! Seeds: one, two at a time, or thousands.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};

use super::disk::Disk;
use super::judge;
use super::life::{Ending, live};
use super::planted::Planted;
use super::world::World;

/// Broken seeds after which a hunt goes home.
const BROKEN_MAX: usize = 5;
/// A store that is damaged for good must not keep a run going for ever.
const LIVES_MAX: usize = 40;

/// What one seed came to.
#[derive(Default)]
pub(crate) struct Run {
    /// Everything that happened outside, and what the engine told.
    pub(crate) record: Vec<String>,
    /// Broken promises; empty if all is well.
    pub(crate) broken: Vec<String>,
    pub(crate) tally: Tally,
}

/// How much was done.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) lives: u64,
    pub(crate) killed: u64,
    pub(crate) failed: u64,
    pub(crate) effects: u64,
    pub(crate) messages: u64,
    pub(crate) rows: u64,
    pub(crate) lettered: u64,
    /// Tool calls that have acted.
    pub(crate) calls: u64,
}

/// What a hunt came to.
#[derive(Default)]
pub(crate) struct Found {
    /// Each broken seed with the command that replays it.
    pub(crate) broken: Vec<String>,
    pub(crate) tally: Tally,
}

/// Runs one seed to its end.
pub(crate) fn replayed(seed: u64, planted: Option<Planted>) -> Run {
    quiet_panics();
    let world = Arc::new(World::new(seed, planted));
    let tally = catch_unwind(AssertUnwindSafe(|| lives(&world)));
    let mut state = world.state();
    let tally = tally.unwrap_or_else(|_| {
        state.broken.push("the simulation itself panics".into());
        Tally::default()
    });
    let (record, broken) = (std::mem::take(&mut state.record), std::mem::take(&mut state.broken));
    Run { record, broken, tally }
}

fn lives(world: &Arc<World>) -> Tally {
    let (disk, mut tally) = (Disk::new(), Tally::default());
    for plan in &world.plan.lives {
        let (ending, effects) = live(world, &disk, Some(plan));
        tally.add_life(&ending, effects);
        judge::in_order(world);
        if !world.state().broken.is_empty() {
            return tally;
        }
    }
    world.state().clear_up();
    let mut ending = Ending::Killed;
    while ending != Ending::Done && world.state().broken.is_empty() {
        let (last, effects) = live(world, &disk, None);
        tally.add_life(&last, effects);
        ending = last;
        if tally.lives > LIVES_MAX as u64 {
            world.state().complain(format!("lost: the last life ends as {ending:?}"));
        }
    }
    judge::in_order(world);
    let state = world.state();
    tally.messages = state.items.len() as u64;
    tally.rows = state.rows.len() as u64;
    tally.lettered = state.lettered.len() as u64;
    tally.calls = state.acted.len() as u64;
    tally
}

/// Runs `count` seeds from `from` on all processors.
pub(crate) fn hunted(from: u64, count: u64, planted: Option<Planted>) -> Found {
    let found = Mutex::new(Found::default());
    threads(from, count, &|seed| {
        if found.lock().unwrap_or_else(PoisonError::into_inner).broken.len() >= BROKEN_MAX {
            return;
        }
        let run = replayed(seed, planted);
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        found.tally.add(&run.tally);
        if let Some(first) = run.broken.first() {
            found.broken.push(format!(
                "{first}\n  replay: TELSON_SEED={seed} cargo test --test simulation replay -- \
                 --nocapture"
            ));
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Calls `work` for every seed, on as many threads as there are processors.
pub(crate) fn threads(from: u64, count: u64, work: &(dyn Fn(u64) + Sync)) {
    let next = AtomicU64::new(0);
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    work(from + number);
                }
            });
        }
    });
}

/// A number from the environment.
pub(crate) fn number_of(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

/// The panics of the plan are no news; all others are.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = info.payload_as_str().unwrap_or_default();
            if !text.starts_with("simulated") {
                default(info);
            }
        }));
    });
}

impl Tally {
    fn add_life(&mut self, ending: &Ending, effects: u64) {
        self.lives += 1;
        self.effects += effects;
        match ending {
            Ending::Killed => self.killed += 1,
            Ending::Failed | Ending::NotStarted => self.failed += 1,
            Ending::Stopped | Ending::Done => {}
        }
    }

    fn add(&mut self, other: &Tally) {
        self.lives += other.lives;
        self.killed += other.killed;
        self.failed += other.failed;
        self.effects += other.effects;
        self.messages += other.messages;
        self.rows += other.rows;
        self.lettered += other.lettered;
        self.calls += other.calls;
    }

    /// Whether `seeds` seeds have done what they are meant to do.
    pub(crate) fn is_busy(&self, seeds: u64) -> bool {
        let least = [self.lives / 2, self.messages / 3, self.rows / 3, self.effects / 50];
        let some = [self.killed, self.failed, self.lettered, self.calls];
        least.iter().all(|count| *count >= seeds / 2)
            && (seeds < 100 || some.iter().all(|count| *count > 0))
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { lives, killed, failed, effects, messages, rows, lettered, calls } = self;
        write!(
            f,
            "{lives} lives ({killed} killed, {failed} failed), {effects} effects, \
             {messages} messages, {rows} replies, {lettered} dead letters, {calls} tool calls"
        )
    }
}
