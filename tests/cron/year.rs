//! A year of a thousand jobs in several zones, through both changes of the clock, with deaths of
//! the process and of actors, clocks that are set and machines that sleep.
//!
//! The judge has calendars of its own: it lists a job's instants day by day from the fields of its
//! expression, and knows of the engine only which instants have run and when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::ToSpan;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use serde_json::json;
use telson_actors::clock::{Clock, Timestamp};
use telson_actors::cron::LATE_MAX;
use telson_actors::cron::wake::{Event, Wake, Woken};
use telson_actors::router::AdmitError;
use telson_actors::store::MemoryBackend;

use crate::kit::{HOUR, MINUTE, START, World, jobs};
use crate::mortal::Mortal;

const JOBS: usize = 1000;
const DAYS: i64 = 365;
const ZONES: [&str; 6] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Asia/Kolkata",
];
/// How far from a fault an instant may fall either way.
const MARGIN_MS: i64 = 61_000;

/// SplitMix64.
struct Roll(u64);

impl Roll {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// A job, as the judge knows it.
#[derive(Debug)]
struct Planned {
    zone: &'static str,
    hours: Vec<i8>,
    minute: i8,
    /// Days of the week, Sunday being 0; all if empty.
    weekdays: Vec<i8>,
    /// A day of the month; any if absent.
    day: Option<i8>,
    is_event: bool,
}

impl Planned {
    fn new(roll: &mut Roll, nth: usize) -> Self {
        let hour = |roll: &mut Roll| i8::try_from(roll.below(24)).unwrap();
        // Half of them in the hours in which clocks change.
        let first =
            if roll.below(2) == 0 { i8::try_from(roll.below(4)).unwrap() } else { hour(roll) };
        let mut hours = vec![first];
        if roll.below(4) == 0 {
            hours.push(hour(roll));
        }
        hours.sort_unstable();
        hours.dedup();
        let (weekdays, day) = match roll.below(40) {
            // A few run every day, most once a week or a month.
            0 => (Vec::new(), None),
            1..16 => (vec![i8::try_from(roll.below(7)).unwrap()], None),
            _ => (Vec::new(), Some(i8::try_from(1 + roll.below(31)).unwrap())),
        };
        let minute = i8::try_from(roll.below(60)).unwrap();
        Self { zone: ZONES[nth % 6], hours, minute, weekdays, day, is_event: roll.below(20) > 0 }
    }

    fn expression(&self) -> String {
        let list = |all: &[i8]| all.iter().map(i8::to_string).collect::<Vec<_>>().join(",");
        let day = self.day.map_or("*".to_owned(), |day| day.to_string());
        let weekdays = if self.weekdays.is_empty() { "*".into() } else { list(&self.weekdays) };
        format!("{} {} {day} * {weekdays}", self.minute, list(&self.hours))
    }

    fn fits(&self, date: Date) -> bool {
        let weekday = date.weekday().to_sunday_zero_offset();
        self.day.is_none_or(|day| day == date.day())
            && (self.weekdays.is_empty() || self.weekdays.contains(&weekday))
    }

    /// Its instants from `from` on to `to`, in milliseconds.
    fn instants(&self, from: i64, to: i64) -> BTreeSet<i64> {
        let zone = TimeZone::get(self.zone).unwrap();
        let moment = |ms| jiff::Timestamp::from_millisecond(ms).unwrap().to_zoned(zone.clone());
        let (mut date, last) = (moment(from).date(), moment(to).date());
        // Several hours make a job that goes by the clock on the wall.
        let is_fixed = self.hours.len() == 1;
        let mut found = BTreeSet::new();
        while date <= last {
            for hour in self.hours.iter().filter(|_| self.fits(date)) {
                let civil = date.at(*hour, self.minute, 0, 0);
                found.extend(resolve(&zone, civil, is_fixed));
            }
            date = date.checked_add(1.day()).unwrap();
        }
        found.retain(|at| (from..=to).contains(at));
        found
    }
}

fn resolve(zone: &TimeZone, civil: DateTime, is_fixed: bool) -> Vec<i64> {
    let ambiguous = zone.to_ambiguous_timestamp(civil);
    let ms = |at: jiff::Timestamp| at.as_millisecond();
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => vec![ms(ambiguous.unambiguous().unwrap())],
        AmbiguousOffset::Fold { .. } if is_fixed => vec![ms(ambiguous.earlier().unwrap())],
        AmbiguousOffset::Fold { .. } => {
            vec![ms(ambiguous.earlier().unwrap()), ms(ambiguous.later().unwrap())]
        }
        // The first moment behind the gap: there the offset changes.
        AmbiguousOffset::Gap { .. } if is_fixed => {
            let inside = ambiguous.later().unwrap();
            vec![ms(zone.following(inside - 6.hours()).next().unwrap().timestamp())]
        }
        AmbiguousOffset::Gap { .. } => Vec::new(),
    }
}

/// Takes events, and keeps its own record.
struct Ledger {
    clock: Clock,
    ran: Mutex<Vec<(usize, i64, i64)>>,
    known: Mutex<BTreeSet<String>>,
}

impl Ledger {
    fn note(&self, run: &str) {
        let (job, at) = run.strip_prefix("cron:").unwrap().rsplit_once(':').unwrap();
        let (job, at): (usize, i64) = (job.parse().unwrap(), at.parse().unwrap());
        self.ran.lock().unwrap().push((job, at, self.clock.now().0));
    }
}

impl Wake for Ledger {
    fn system_event(&self, event: Event) -> BoxFuture<'_, Result<Woken, AdmitError>> {
        // The same run is the same event: whoever takes it keeps it once.
        if self.known.lock().unwrap().insert(event.run.clone()) {
            self.note(&event.run);
        }
        Box::pin(std::future::ready(Ok(Woken::Done)))
    }
}

/// A time in which the engine was up and the clock on the wall went on as it should: wall times.
type Awake = Vec<(i64, i64)>;

/// Lives of the engine over one disk, with faults between them.
struct Year {
    world: World,
    ledger: Arc<Ledger>,
    planned: Vec<Planned>,
    awake: Awake,
    roll: Roll,
}

impl Year {
    async fn engine(&self) -> (telson::Engine, Arc<Mortal>) {
        let mortal = Arc::new(Mortal::new(&self.world.memory, true));
        let builder = self.world.builder().wake(self.ledger.clone()).backend(mortal.clone());
        (builder.start().await.unwrap(), mortal)
    }

    async fn live(&mut self) {
        let end = START.0 + DAYS * 86_400_000;
        let (mut engine, mut mortal) = self.engine().await;
        for (nth, planned) in self.planned.iter().enumerate() {
            let payload = if planned.is_event {
                json!({"kind": "systemEvent", "text": "e"})
            } else {
                json!({"kind": "agentTurn", "message": "say nothing"})
            };
            let job = json!({
                "id": nth.to_string(), "payload": payload, "delivery": {"mode": "none"},
                "schedule": {"kind": "cron", "expr": planned.expression(), "tz": planned.zone, "staggerMs": 0},
            });
            jobs(&engine).add(job).await.unwrap();
        }
        let mut since = self.world.clock.now().0;
        while self.world.clock.now().0 < end {
            let pause =
                Duration::from_secs(3600 * (6 + self.roll.below(90)) + self.roll.below(3600));
            tokio::time::sleep(pause).await;
            self.awake.push((since, self.world.clock.now().0));
            let away = Duration::from_secs(60 + self.roll.below(3 * 86_400));
            match self.roll.below(6) {
                0 | 1 => {
                    // Between two commits, without order.
                    mortal.dies_in(1);
                    engine.shutdown(Duration::ZERO).await;
                    tokio::time::sleep(away).await;
                    (engine, mortal) = self.engine().await;
                }
                2 => self.world.clock.sleep(away),
                3 => self.world.clock.step(i64::try_from(away.as_millis()).unwrap()),
                4 => {
                    let back = Duration::from_secs(60 + self.roll.below(2 * 86_400));
                    self.world.clock.step(-i64::try_from(back.as_millis()).unwrap());
                }
                _ => {
                    for path in ["core/cron/scheduler", "core/cron/runs", "core/cron"] {
                        engine.kill_actor(path);
                        tokio::time::sleep(Duration::from_secs(self.roll.below(90))).await;
                    }
                }
            }
            since = self.world.clock.now().0;
        }
        tokio::time::sleep(HOUR).await;
        self.awake.push((since, self.world.clock.now().0));
        engine.shutdown(MINUTE).await;
    }

    /// What ran, from the ledger of events and the model's bill; turns are named by their history.
    fn ran(&self) -> BTreeMap<usize, Vec<(i64, i64)>> {
        let mut by_job: BTreeMap<usize, Vec<(i64, i64)>> = BTreeMap::new();
        for (job, at, when) in self.ledger.ran.lock().unwrap().iter() {
            by_job.entry(*job).or_default().push((*at, *when));
        }
        by_job
    }
}

/// What the judge says of one job.
fn judge(planned: &Planned, ran: &[(i64, i64)], awake: &Awake) -> Result<usize, String> {
    let late = i64::try_from(LATE_MAX.as_millis()).unwrap();
    let (first, last) = (awake[0].0, awake.iter().map(|span| span.1).max().unwrap());
    let expected = planned.instants(first, last + 86_400_000);
    let mut seen = BTreeSet::new();
    for (at, when) in ran {
        if !seen.insert(*at) {
            return Err(format!("{at} ran twice"));
        }
        if !expected.contains(at) {
            return Err(format!("{at} is none of its instants"));
        }
        if *when < *at {
            return Err(format!("{at} ran before its time, at {when}"));
        }
        if !planned.is_event && when - at > late + MARGIN_MS {
            return Err(format!("{at} is a turn and was made up for at {when}"));
        }
    }
    let passed = |at: i64, margin: i64| {
        awake.iter().any(|(from, to)| at > from + margin && at < to - margin)
    };
    for at in &expected {
        // The first one that was missed behind a jump may have been let go before its time came again.
        let given_up = awake.windows(2).any(|two| {
            let gap = two[0].1..=two[1].0;
            gap.contains(at) && expected.range(gap).next() == Some(at)
        });
        if passed(*at, MARGIN_MS) && !seen.contains(at) && !given_up {
            return Err(format!("{at} was due and did not run"));
        }
    }
    // Between two times awake an event is made up for once, the first one.
    for two in awake.windows(2).filter(|two| two[1].0 > two[0].1 && two[1].1 - two[1].0 > 3_600_000)
    {
        let missed: Vec<&i64> = expected
            .range(two[0].1 + MARGIN_MS..(two[1].0 - late - MARGIN_MS).max(two[0].1 + MARGIN_MS))
            .filter(|at| !passed(**at, -MARGIN_MS))
            .collect();
        let made_up: Vec<&&i64> = missed.iter().filter(|at| seen.contains(**at)).collect();
        let edge = expected.range(two[0].1 - MARGIN_MS..two[0].1 + MARGIN_MS).next().is_some()
            || awake.iter().any(|(from, to)| *from > two[0].1 && *to < two[1].0);
        let right = if planned.is_event { usize::from(!missed.is_empty()) } else { 0 };
        let fits = made_up.len() == right || (edge && made_up.len() <= 1);
        if !fits || made_up.first().is_some_and(|at| !edge && **at != missed[0]) {
            return Err(format!("of {missed:?} missed before {} ran {made_up:?}", two[1].0));
        }
    }
    Ok(seen.len())
}

#[tokio::test(start_paused = true)]
async fn a_year_of_a_thousand_jobs_runs_every_instant_by_its_policy() {
    let mut roll = Roll(20_260_301);
    let planned: Vec<Planned> = (0..JOBS).map(|nth| Planned::new(&mut roll, nth)).collect();
    let mut world = World::new();
    world.settings.runs_max = 64;
    world.memory = MemoryBackend::new();
    let ledger =
        Arc::new(Ledger { clock: world.clock, ran: Mutex::default(), known: Mutex::default() });
    let mut year = Year { world, ledger, planned, awake: Vec::new(), roll };
    year.live().await;
    let by_job = year.ran();
    let mut total = 0;
    let mut wrong = Vec::new();
    for (nth, planned) in year.planned.iter().enumerate().filter(|(_, planned)| planned.is_event) {
        let ran = by_job.get(&nth).cloned().unwrap_or_default();
        match judge(planned, &ran, &year.awake) {
            Ok(count) => total += count,
            Err(why) => wrong.push(format!("job {nth} {planned:?}: {why}")),
        }
    }
    assert!(wrong.is_empty(), "{} jobs: {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);
    assert!(total > 10_000, "{total} runs");
    assert!(year.awake.len() > 80, "{} faults", year.awake.len());
    // Turns are known by the model's own bill: many jobs may share an instant, and none is paid twice.
    let mut due: BTreeMap<String, usize> = BTreeMap::new();
    for planned in year.planned.iter().filter(|planned| !planned.is_event) {
        for at in planned.instants(START.0, START.0 + (DAYS + 30) * 86_400_000) {
            *due.entry(telson_actors::cron::words::moment(Timestamp(at))).or_default() += 1;
        }
    }
    let mut paid: BTreeMap<String, usize> = BTreeMap::new();
    for at in year.world.instants() {
        *paid.entry(at).or_default() += 1;
    }
    assert!(paid.values().sum::<usize>() > 800, "{}", paid.len());
    for (at, times) in paid {
        assert!(times <= due.get(&at).copied().unwrap_or(0), "{at} was paid {times} times");
    }
}
