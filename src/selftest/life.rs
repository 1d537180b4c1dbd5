//! One world and the lives of its service, performed.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::errands::Errands;
use super::plan::{Course, Errand, Life, Step};
use super::world::{SweepError, World};
use crate::control::Client;
use crate::demo::service::Service;

/// The signal a kill is.
const SIGKILL: i32 = 9;
/// How long the answers to everything may take, on a busy machine.
const SETTLES_WITHIN: Duration = Duration::from_mins(1);
/// How long an armed point may take to be reached.
const REACHED_WITHIN: Duration = Duration::from_secs(20);
/// Pause between two looks at the record.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Pause between two looks at the dead letters.
const LETTERS_EVERY: Duration = Duration::from_millis(250);
/// Pause between two messages of a burst.
const WRITE_EVERY: Duration = Duration::from_millis(5);
/// Pause between two messages while a crash point is waited for.
const TRICKLE_EVERY: Duration = Duration::from_millis(100);
/// Messages written while a crash point is waited for.
const TRICKLE_MAX: u32 = 20;
/// How often a life is lived until its crash point is reached.
const LIVED_MAX: u32 = 3;
/// Rounds in which a person puts dead letters back to work at the end.
const REPLAYS_MAX: u32 = 5;

/// What one world has been through.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// Messages written, and jobs made.
    pub written: u32,
    /// Jobs among them.
    pub jobs: u32,
    /// How often each crash point was died at.
    pub hits: BTreeMap<&'static str, u32>,
    /// Crash points that were waited for in vain.
    pub missed: Vec<&'static str>,
    /// From the start of the process to its first answer, where one was due.
    pub recoveries: Vec<Duration>,
    /// Marks whose answers were dead letters for a while.
    pub parked: BTreeSet<String>,
    /// Dead letters that were messages, and so come with a notice to their writers.
    pub dead_messages: BTreeSet<String>,
    /// Dead letters that were replies.
    pub dead_replies: BTreeSet<String>,
}

/// A dead letter, as the service shows it.
struct Letter {
    id: String,
    text: String,
}

/// A world with its service.
pub(super) struct Lives {
    pub world: Box<dyn World>,
    pub record: Record,
    /// Jobs on their way to the service.
    errands: Errands,
    /// The dead letters at the last look.
    letters: Vec<Letter>,
    /// Marks waited for in vain once: the audit will say what became of them.
    given_up: BTreeSet<String>,
}

/// A life that goes on.
struct Running {
    service: Service,
    /// How it is to die by itself, if at all.
    dies_at: Option<&'static str>,
    /// Answers due at the start, for as long as none has come.
    due: Option<usize>,
}

/// Whether a step was the last, because the service is gone.
#[derive(PartialEq, Eq)]
enum Pulse {
    Alive,
    Gone,
}

impl Lives {
    pub(super) fn new(world: Box<dyn World>) -> Self {
        Self {
            world,
            record: Record::default(),
            errands: Errands::default(),
            letters: Vec::new(),
            given_up: BTreeSet::new(),
        }
    }

    /// A first, peaceful life: what is there before somebody watches is history.
    pub(super) async fn begin(&self) -> Result<(), SweepError> {
        let mut service = Service::spawn(&self.world.launch())?;
        service.answers().await?;
        service.watching().await?;
        Ok(service.stop().await?)
    }

    /// One life, from its start to its end by SIGKILL. On a busy machine a crash point can be
    /// missed: then the service is killed from outside, that is counted, and the life lived again.
    pub(super) async fn live(&mut self, life: &Life) -> Result<(), SweepError> {
        for _ in 0..LIVED_MAX {
            let missed = self.record.missed.len();
            self.live_once(life).await?;
            if self.record.missed.len() == missed {
                break;
            }
        }
        Ok(())
    }

    async fn live_once(&mut self, life: &Life) -> Result<(), SweepError> {
        self.write(life.before, Course::Plain).await?;
        let mut running = self.start(life)?;
        for step in &life.steps {
            if self.take(&mut running, *step).await? == Pulse::Gone {
                return Ok(());
            }
        }
        if running.service.ended(Duration::ZERO).await?.is_none() {
            self.record.missed.extend(running.dies_at);
            running.service.kill().await?;
        }
        Ok(())
    }

    /// A last life in which everything is answered, dead letters are put back to work, and the
    /// service is stopped.
    pub(super) async fn conclude(&mut self) -> Result<(), SweepError> {
        let mut running =
            Running { service: Service::spawn(&self.world.launch())?, dies_at: None, due: None };
        running.service.answers().await?;
        for _ in 0..REPLAYS_MAX {
            self.settle(&mut running).await?;
            self.look_at_letters().await;
            if self.letters.is_empty() {
                break;
            }
            self.replay().await?;
        }
        running.service.stop().await?;
        let end = Instant::now() + REACHED_WITHIN;
        while !self.world.is_quiet()? && Instant::now() < end {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    fn start(&mut self, life: &Life) -> Result<Running, SweepError> {
        let mut launch = self.world.launch();
        if let Some((point, passage)) = life.dies_at {
            launch.env.push(("TELSON_CRASH_AT", format!("{point}:{passage}")));
        }
        if life.is_compacting {
            launch.env.push(("TELSON_COMPACT_FROM", "1".into()));
        }
        if life.is_hasty {
            launch.args.extend(["--drain-seconds", "0"]);
        }
        let open = self.open_marks()?;
        let due = self.errands.others_in(&open);
        // What an earlier life has handed over may still go out: that is no recovery.
        let counts = due > 0 && life.dies_at.is_none() && self.world.is_quiet()?;
        let service = Service::spawn(&launch)?;
        let dies_at = life.dies_at.map(|(point, _)| point);
        Ok(Running { service, dies_at, due: counts.then_some(due) })
    }

    async fn take(&mut self, running: &mut Running, step: Step) -> Result<Pulse, SweepError> {
        match step {
            Step::Settle => return self.settle(running).await,
            Step::Write(count, course) => self.write(count, course).await?,
            Step::Schedule(errand, after) => return self.schedule(running, errand, after).await,
            Step::Pause(pause) => tokio::time::sleep(pause).await,
            Step::Stop => {
                // Before it listens to signals, this one would end it at once.
                running.service.answers().await?;
                running.service.terminate()?;
            }
            Step::Replay => self.replay().await?,
            Step::Await { writing } => return self.await_death(running, writing).await,
        }
        Ok(Pulse::Alive)
    }

    async fn write(&mut self, count: u32, course: Course) -> Result<(), SweepError> {
        for _ in 0..count {
            self.record.written += 1;
            self.world.write(self.record.written, course)?;
            tokio::time::sleep(WRITE_EVERY).await;
        }
        Ok(())
    }

    /// Somebody makes a job. What a dying service does not take, its next life is handed.
    async fn schedule(
        &mut self,
        running: &mut Running,
        errand: Errand,
        after: Duration,
    ) -> Result<Pulse, SweepError> {
        self.record.written += 1;
        self.record.jobs += 1;
        let number = self.record.written;
        let delivery = self.world.tell(number);
        let command = (errand == Errand::Command).then(|| self.world.command(number));
        self.errands.make(number, errand, after, delivery, command);
        let (state_dir, end) = (self.world.launch().state_dir, Instant::now() + REACHED_WITHIN);
        while !self.errands.hand_in(&state_dir).await && Instant::now() < end {
            if self.has_ended(running).await? {
                return Ok(Pulse::Gone);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(Pulse::Alive)
    }

    /// Waits until nothing is open. What never gets settled is for the audit to find.
    async fn settle(&mut self, running: &mut Running) -> Result<Pulse, SweepError> {
        let end = Instant::now() + SETTLES_WITHIN;
        let mut letters_at = Instant::now() + LETTERS_EVERY;
        loop {
            if self.has_ended(running).await? {
                return Ok(Pulse::Gone);
            }
            self.errands.hand_in(&self.world.launch().state_dir).await;
            let open = self.open_marks()?;
            if running.due.is_some_and(|due| self.errands.others_in(&open) < due) {
                running.due = None;
                self.record.recoveries.push(running.service.started().elapsed());
            }
            if open.is_empty() {
                return Ok(Pulse::Alive);
            }
            if Instant::now() >= end {
                self.given_up.extend(open);
                return Ok(Pulse::Alive);
            }
            if Instant::now() >= letters_at {
                self.look_at_letters().await;
                letters_at = Instant::now() + LETTERS_EVERY;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn await_death(
        &mut self,
        running: &mut Running,
        writing: bool,
    ) -> Result<Pulse, SweepError> {
        let end = Instant::now() + REACHED_WITHIN;
        let mut trickle = if writing { TRICKLE_MAX } else { 0 };
        while Instant::now() < end {
            if self.has_ended(running).await? {
                return Ok(Pulse::Gone);
            }
            if trickle > 0 {
                trickle -= 1;
                self.write(1, Course::Plain).await?;
            }
            if let Some(status) = running.service.ended(TRICKLE_EVERY).await? {
                self.note_end(running, status)?;
                return Ok(Pulse::Gone);
            }
        }
        Ok(Pulse::Alive)
    }

    async fn has_ended(&mut self, running: &mut Running) -> Result<bool, SweepError> {
        match running.service.ended(Duration::ZERO).await? {
            None => Ok(false),
            Some(status) => {
                self.note_end(running, status)?;
                Ok(true)
            }
        }
    }

    /// Nobody else sends the signal: a service that was killed died at its point.
    fn note_end(
        &mut self,
        running: &Running,
        status: std::process::ExitStatus,
    ) -> Result<(), SweepError> {
        match running.dies_at {
            Some(point) if status.signal() == Some(SIGKILL) => {
                *self.record.hits.entry(point).or_default() += 1;
                Ok(())
            }
            // It was told to stop and did not pass the point on the way.
            Some(point) if status.success() => {
                self.record.missed.push(point);
                Ok(())
            }
            _ => Err(running.service.failed(&format!("the service ended: {status}")).into()),
        }
    }

    /// Marks without an answer that no dead letter names.
    fn open_marks(&mut self) -> Result<Vec<String>, SweepError> {
        let mut open = self.world.unanswered()?;
        open.retain(|mark| !self.given_up.contains(mark));
        for letter in &self.letters {
            let named = open.extract_if(.., |mark| letter.text.contains(mark.as_str()));
            self.record.parked.extend(named);
        }
        Ok(open)
    }

    /// Asks for the dead letters; a service that is just dying has none to show.
    async fn look_at_letters(&mut self) {
        let Ok(mut client) = Client::connect(&self.world.launch().state_dir).await else { return };
        let Ok(list) = client.call("telson.deadLetters.list", json!({})).await else { return };
        let mut letters = Vec::new();
        for short in list["deadLetters"].as_array().into_iter().flatten() {
            let id = short["id"].as_str().unwrap_or_default().to_owned();
            // The list shows only how it begins.
            let shown = client.call("telson.deadLetters.show", json!({"id": id})).await;
            let Ok(whole) = shown else { return };
            self.note_letter(&id, &whole);
            let text = whole["text"].as_str().unwrap_or_default().to_owned();
            letters.push(Letter { id, text });
        }
        self.letters = letters;
    }

    fn note_letter(&mut self, id: &str, letter: &Value) {
        let kind = match letter["kind"].as_str() {
            Some("message") => &mut self.record.dead_messages,
            _ => &mut self.record.dead_replies,
        };
        kind.insert(id.to_owned());
    }

    /// A person looks into the chats and puts back to work what is missing there.
    async fn replay(&mut self) -> Result<(), SweepError> {
        self.look_at_letters().await;
        let unanswered = self.world.unanswered()?;
        for letter in std::mem::take(&mut self.letters) {
            let missing: Vec<String> =
                unanswered.iter().filter(|mark| letter.text.contains(*mark)).cloned().collect();
            let what = if missing.is_empty() { "drop" } else { "replay" };
            self.world.put_back(&missing);
            self.record.parked.extend(missing);
            let Ok(mut client) = Client::connect(&self.world.launch().state_dir).await else {
                return Ok(());
            };
            let method = format!("telson.deadLetters.{what}");
            if client.call(&method, json!({"id": letter.id, "yes": true})).await.is_err() {
                // It died on the way: what became of the letter shows in its next life.
                return Ok(());
            }
        }
        Ok(())
    }
}
