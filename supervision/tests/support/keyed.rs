//! Children by key, with a ledger of who lived when and got what.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef};
use telson_supervision::dynamic::{DynamicMessage, DynamicSpec};
use telson_supervision::{Backoff, Dice, Strategy, Tree, Via};
use tokio::sync::watch;

use super::{MINUTE, Stage};

/// What a child by key is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letter {
    /// Write this number down.
    Number(usize),
    /// The same, then finish the queue and leave.
    LastNumber(usize),
    /// The same, after a while.
    SlowNumber(Duration, usize),
    /// Leave.
    Leave,
    /// Leave if this child's place is wanted.
    MakeRoom,
    /// Return an error.
    Fail,
    /// Never come back.
    Hang,
}

pub type Pool = Via<DynamicMessage<usize, Letter>>;

/// What the children of one test write down.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Inner>);

#[derive(Default)]
struct Inner {
    pages: Mutex<Pages>,
    total: watch::Sender<usize>,
}

#[derive(Default)]
struct Pages {
    numbers: HashMap<usize, Vec<usize>>,
    lives: HashMap<usize, u32>,
    alive: HashMap<usize, u32>,
    alive_max: HashMap<usize, u32>,
    all_alive_max: u32,
    stopped: u32,
    asked: Vec<usize>,
    stays: bool,
    refusals: u32,
}

impl Ledger {
    pub fn numbers(&self, key: usize) -> Vec<usize> {
        self.pages(|pages| pages.numbers.get(&key).cloned().unwrap_or_default())
    }

    /// How often this key's child was started.
    pub fn lives(&self, key: usize) -> u32 {
        self.pages(|pages| pages.lives.get(&key).copied().unwrap_or_default())
    }

    /// The most children any one key ever had at the same time.
    pub fn most_alive_per_key(&self) -> u32 {
        self.pages(|pages| pages.alive_max.values().copied().max().unwrap_or_default())
    }

    /// The most children ever alive at the same time.
    pub fn most_alive(&self) -> u32 {
        self.pages(|pages| pages.all_alive_max)
    }

    pub fn alive(&self) -> u32 {
        self.pages(|pages| pages.alive.values().sum())
    }

    /// How many stopped in order.
    pub fn stopped(&self) -> u32 {
        self.pages(|pages| pages.stopped)
    }

    /// Who was asked to make room, in order.
    pub fn asked(&self) -> Vec<usize> {
        self.pages(|pages| pages.asked.clone())
    }

    /// Lets children keep their place when asked to make room.
    pub fn keep_places(&self) {
        self.pages(|pages| pages.stays = true);
    }

    pub fn refuse_starts(&self, times: u32) {
        self.pages(|pages| pages.refusals = times);
    }

    /// Waits until this many numbers are written down.
    pub async fn total(&self, total: usize) {
        let mut written = self.0.total.subscribe();
        let enough = written.wait_for(|written| *written >= total);
        tokio::time::timeout(MINUTE, enough).await.expect("numbers are missing").unwrap();
    }

    fn pages<T>(&self, look: impl FnOnce(&mut Pages) -> T) -> T {
        look(&mut self.0.pages.lock().unwrap())
    }

    fn write(&self, key: usize, number: usize) {
        self.pages(|pages| pages.numbers.entry(key).or_default().push(number));
        self.0.total.send_modify(|total| *total += 1);
    }

    fn begin(&self, key: usize) -> Result<Life, ActorProcessingErr> {
        self.pages(|pages| {
            if pages.refusals > 0 {
                pages.refusals -= 1;
                return Err("refused to start".into());
            }
            *pages.lives.entry(key).or_default() += 1;
            let alive = pages.alive.entry(key).or_default();
            *alive += 1;
            let most = pages.alive_max.entry(key).or_default();
            *most = (*most).max(*alive);
            pages.all_alive_max = pages.all_alive_max.max(pages.alive.values().sum());
            Ok(Life { key, ledger: self.clone() })
        })
    }
}

/// A life lasts until the child's state is gone, with all that it holds.
struct Life {
    key: usize,
    ledger: Ledger,
}

impl Drop for Life {
    fn drop(&mut self) {
        self.ledger.pages(|pages| *pages.alive.entry(self.key).or_default() -= 1);
    }
}

struct Child;

impl Actor for Child {
    type Msg = Letter;
    type State = Life;
    type Arguments = (usize, Ledger);

    async fn pre_start(
        &self,
        _: ActorRef<Letter>,
        (key, ledger): (usize, Ledger),
    ) -> Result<Life, ActorProcessingErr> {
        ledger.begin(key)
    }

    async fn handle(
        &self,
        myself: ActorRef<Letter>,
        letter: Letter,
        life: &mut Life,
    ) -> Result<(), ActorProcessingErr> {
        match letter {
            Letter::Number(number) => life.ledger.write(life.key, number),
            Letter::LastNumber(number) => {
                life.ledger.write(life.key, number);
                myself.drain()?;
            }
            Letter::SlowNumber(time, number) => {
                tokio::time::sleep(time).await;
                life.ledger.write(life.key, number);
            }
            Letter::Leave => myself.drain()?,
            Letter::MakeRoom => {
                let stays = life.ledger.pages(|pages| {
                    pages.asked.push(life.key);
                    pages.stays
                });
                if !stays {
                    myself.drain()?;
                }
            }
            Letter::Fail => return Err("boom".into()),
            Letter::Hang => std::future::pending().await,
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<Letter>,
        life: &mut Life,
    ) -> Result<(), ActorProcessingErr> {
        life.ledger.pages(|pages| pages.stopped += 1);
        Ok(())
    }
}

/// A dynamic supervisor of such children at `root/pool`, without pauses before restarts.
pub fn pool(stage: &Stage, ledger: &Ledger) -> DynamicSpec<usize, Letter> {
    let ledger = ledger.clone();
    let mut spec = DynamicSpec::new("root/pool", move |key: usize, parent: ActorCell| {
        let ledger = ledger.clone();
        async move { Ok(Actor::spawn_linked(None, Child, (key, ledger), parent).await?.0) }
    });
    spec.make_room = Some(Arc::new(|| Letter::MakeRoom));
    spec.backoff = Backoff::none();
    spec.events = stage.events.clone();
    spec.dice = Dice::seeded(7);
    spec
}

/// A tree around a dynamic supervisor, and the way to it.
pub async fn start(stage: &Stage, spec: DynamicSpec<usize, Letter>) -> (Tree, Pool) {
    let root = stage
        .branch("root", Strategy::OneForOne, 3)
        .child(spec.into_child("pool", stage.registry.clone()));
    (Tree::start(root).await.unwrap(), stage.registry.via("root/pool"))
}

pub fn send(pool: &Pool, key: usize, letter: Letter) {
    pool.cast(DynamicMessage::Dispatch(key, letter)).unwrap();
}
