//! What is outside of the engine: it outlives engines, and its record is the only one believed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use telson_actors::clock::{Clock, Timestamp};

use super::chance::Chance;
use super::plan::{Plan, Weather};
use super::planted::Planted;
use super::token::{Mark, Token, marks, tokens};

/// Longest time a platform needs to take in what was handed to it, in milliseconds.
pub(crate) const WIRE_MAX: u64 = 20_000;
/// A platform that has seen nothing for so long will never see it.
pub(crate) const SETTLED_AFTER: u64 = 60_000;
/// When the first life begins: some day in 2026.
pub(crate) const BEGIN: i64 = 1_780_000_000_000;

/// Shared by everything outside.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) planted: Option<Planted>,
    state: Mutex<State>,
}

/// A message on its platform.
pub(crate) struct Item {
    pub(crate) token: Token,
    /// Under which id the platform offers it.
    pub(crate) id: String,
    /// When it may be offered next; `None` when there is nothing more to do.
    pub(crate) due: Option<u64>,
    pub(crate) again: Vec<u64>,
    pub(crate) acked: u32,
}

/// Something the platform shows to the person.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) account: usize,
    pub(crate) target: String,
    pub(crate) entry: String,
    pub(crate) text: String,
}

/// The record and the state of the outside.
pub(crate) struct State {
    pub(crate) chance: Chance,
    pub(crate) weather: Weather,
    /// Fates until the weather clears for good, once the last life has begun.
    clears_in: Option<u64>,
    clock: Option<Clock>,
    /// Milliseconds since the beginning, as of the end of the last life.
    elapsed: u64,
    pub(crate) record: Vec<String>,
    pub(crate) broken: Vec<String>,
    pub(crate) items: Vec<Item>,
    pub(crate) rows: Vec<Row>,
    /// How often each piece of an answer has arrived.
    pub(crate) arrived: BTreeMap<Mark, usize>,
    /// The last entry that arrived, per lane.
    last_entry: BTreeMap<(usize, String), u64>,
    /// Taken by the network, not there yet.
    pub(crate) wire: Vec<(u64, Row)>,
    /// Calls that are open, by what may have only one.
    pub(crate) open: BTreeMap<String, u32>,
    /// Messages in the order in which they became durable.
    pub(crate) admitted: Vec<Token>,
    /// Messages whose turn is on disk as answered.
    pub(crate) transcribed: BTreeSet<Token>,
    /// Messages that were a dead letter once: their order is a person's choice.
    pub(crate) lettered: BTreeSet<Token>,
    /// Messages a person has dropped (or wanted to).
    pub(crate) dropped: BTreeSet<Token>,
    /// Prompts the model was paid for in this life, and for which of a turn's answers.
    pub(crate) paid: BTreeSet<(Vec<Token>, usize)>,
    /// How often each tool call has acted, over all lives.
    pub(crate) acted: BTreeMap<String, u32>,
    /// Whether an actor was killed or the disk has failed in this life: then an answer may have got
    /// lost on its way to the disk.
    pub(crate) is_disturbed: bool,
    pub(crate) full_until: u64,
    pub(crate) sessions: BTreeSet<String>,
}

impl World {
    pub(crate) fn new(seed: u64, planted: Option<Planted>) -> Self {
        let chance = Chance::new(seed);
        let plan = Plan::of(&chance.fork());
        let items = plan.writings.iter().map(|writing| Item {
            token: writing.token,
            id: format!("id-{}", writing.token),
            due: Some(writing.at),
            again: writing.again.clone(),
            acked: 0,
        });
        let state = State {
            items: items.collect(),
            weather: plan.weather.clone(),
            clears_in: None,
            chance: chance.fork(),
            clock: None,
            elapsed: 0,
            record: Vec::new(),
            broken: Vec::new(),
            rows: Vec::new(),
            arrived: BTreeMap::new(),
            last_entry: BTreeMap::new(),
            wire: Vec::new(),
            open: BTreeMap::new(),
            admitted: Vec::new(),
            transcribed: BTreeSet::new(),
            lettered: BTreeSet::new(),
            dropped: BTreeSet::new(),
            paid: BTreeSet::new(),
            acted: BTreeMap::new(),
            is_disturbed: false,
            full_until: 0,
            sessions: BTreeSet::new(),
        };
        Self { plan, planted, state: Mutex::new(state) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A client that panics may hold it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which session a message belongs to, by the rules of this world.
    pub(crate) fn session_of(&self, token: Token) -> (usize, usize) {
        use telson_actors::message::session_key::DmScope;
        match self.plan.scope {
            DmScope::Main => (0, 0),
            DmScope::PerPeer | DmScope::PerChannelPeer => (0, token.person),
            DmScope::PerAccountChannelPeer => (token.account, token.person),
        }
    }

    pub(crate) fn person(&self, token: Token) -> &super::plan::Person {
        &self.plan.accounts[token.account].people[token.person]
    }
}

impl State {
    /// A life begins: time goes on where the last one ended. Call it on the runtime of that life.
    pub(crate) fn wake(&mut self, pause: u64) {
        self.elapsed += pause;
        let begin = BEGIN + i64::try_from(self.elapsed).unwrap();
        self.clock = Some(Clock::virtual_from(Timestamp(begin)));
        self.open.clear();
        self.paid.clear();
        self.is_disturbed = false;
        self.note(|| "a life begins".into());
    }

    /// A life has ended.
    pub(crate) fn sleep(&mut self) {
        self.elapsed = self.now();
        self.clock = None;
    }

    /// Milliseconds since the beginning.
    pub(crate) fn now(&self) -> u64 {
        match &self.clock {
            Some(clock) => u64::try_from(clock.now().0 - BEGIN).unwrap(),
            None => self.elapsed,
        }
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        let line = format!("{:>9} {}", self.now(), line());
        self.record.push(line);
    }

    /// What happens next, of what this weather has in store.
    pub(crate) fn fate<T: Copy>(&mut self, of: impl Fn(&Weather) -> &Vec<(T, u64)>) -> T {
        match &mut self.clears_in {
            Some(0) => self.weather = Weather::calm(),
            Some(left) => *left -= 1,
            None => {}
        }
        self.chance.weighted(of(&self.weather))
    }

    /// How long somebody outside takes.
    pub(crate) fn pause(&self) -> Duration {
        let pause = self.chance.pause(self.weather.slow);
        if self.weather.in_step { Duration::from_secs(pause.as_secs()) } else { pause }
    }

    /// The last life begins: no more than a handful of faults is to come.
    pub(crate) fn clear_up(&mut self) {
        self.clears_in = Some(self.chance.below(64));
        self.weather.clear_up();
    }

    /// A promise is broken.
    pub(crate) fn complain(&mut self, text: String) {
        self.note(|| format!("BROKEN {text}"));
        self.broken.push(text);
    }

    /// Hands something to the network.
    pub(crate) fn put_on_wire(&mut self, row: Row, delay: u64) {
        let at = self.now() + delay;
        self.wire.push((at, row));
    }

    /// The network delivers what is due.
    pub(crate) fn settle_wire(&mut self) {
        let now = self.now();
        while let Some(at) = (0..self.wire.len())
            .filter(|at| self.wire[*at].0 <= now)
            .min_by_key(|at| (self.wire[*at].0, *at))
        {
            let (when, row) = self.wire.remove(at);
            self.note(|| format!("row of {when}: {} {} {:?}", row.target, row.entry, row.text));
            self.check_row(&row);
            self.rows.push(row);
        }
    }

    /// D4 and S3, and no doubles, with every row.
    fn check_row(&mut self, row: &Row) {
        let lane = (row.account, row.target.clone());
        let last = self.last_entry.insert(lane, row.number()).unwrap_or(0);
        if row.number() == last {
            self.complain(format!("doubled: entry {} arrived twice", row.entry));
        } else if row.number() < last {
            self.complain(format!("D4: {} arrived behind e{last}", row.entry));
        }
        for mark in marks(row.text.as_bytes()) {
            let times = self.arrived.entry(mark).or_default();
            *times += 1;
            if *times > 1 {
                self.complain(format!("doubled: {mark} arrived twice"));
            }
            if !row.is_for(mark) {
                self.complain(format!("S3: {mark} went to {} of {}", row.target, row.account));
            }
        }
    }

    /// Something of which there may be only one begins.
    pub(crate) fn begin(&mut self, what: &str) {
        let open = self.open.entry(what.to_owned()).or_default();
        *open += 1;
        if *open > 1 {
            self.complain(format!("at once: {what}"));
        }
    }

    pub(crate) fn end(&mut self, what: &str) {
        if let Some(open) = self.open.get_mut(what) {
            *open = open.saturating_sub(1);
        }
    }

    /// When the next item of an account is due.
    pub(crate) fn next_due(&self, account: usize) -> Option<u64> {
        let items = self.items.iter().filter(|item| item.token.account == account);
        items.filter_map(|item| item.due).min()
    }

    /// Whether everybody has written everything, and all of it is acknowledged.
    pub(crate) fn is_all_taken(&self) -> bool {
        self.items.iter().all(|item| item.due.is_none())
    }

    /// How often this piece of an answer has arrived.
    pub(crate) fn count_rows(&self, mark: Mark) -> usize {
        self.arrived.get(&mark).copied().unwrap_or(0)
    }
}

impl Row {
    /// The lane it belongs to.
    pub(crate) fn lane(&self) -> (usize, &str) {
        (self.account, &self.target)
    }

    /// Its entry's number.
    pub(crate) fn number(&self) -> u64 {
        self.entry.trim_start_matches('e').parse().unwrap()
    }

    fn is_for(&self, mark: Mark) -> bool {
        let Token { account, person, .. } = mark.token;
        self.account == account && self.target == format!("person{person}")
    }
}

/// The messages a stored value names, each once, in order.
pub(crate) fn distinct(value: &[u8]) -> Vec<Token> {
    let mut all = Vec::new();
    for token in tokens(value).into_iter().chain(marks(value).into_iter().map(|m| m.token)) {
        if !all.contains(&token) {
            all.push(token);
        }
    }
    all
}
