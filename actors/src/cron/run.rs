//! The actor of a job that runs: performs one claimed run, reports its end, and leaves.
//!
//! The scheduler starts it through the supervisor of all runs. It admits the turn and waits for the
//! session, or hands an event over. Restart: reads the claimed run from the store and goes on; the
//! dedupe key of the run makes its message one, however often it is admitted. Whoever may have lost
//! its report asks it to go on, and is told again.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr};
use telson_supervision::dynamic::{DynamicMessage, DynamicSpec};
use telson_supervision::{ChildSpec, Dice, Events, Registry, Shutdown, Via};
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::actor::{CronMessage, NAME};
use super::command::{self, Claimed, CommandDeps};
use super::commands_running::{CommandsRunning, Running};
use super::found;
use super::job::{Job, JobId, Payload, Run, RunId};
use super::main_session::MainSessions;
use super::outcome::{Found, Outcome, judge};
use super::prompt;
use super::record::{job_key, run_key};
use super::spent::Spent;
use super::target;
use super::wake::{Event, SharedWake, Woken};
use crate::channel::webchat;
use crate::clock::Clock;
use crate::crash_point::crash_point;
use crate::event::{Journal, JourneyEvent};
use crate::message::{Inbound, SessionKey};
use crate::model::{Catalog, choice_key};
use crate::router::{Admission, Admissions, AdmitError, Relayed};
use crate::session::machine::Event as SessionEvent;
use crate::session::{Asker, SESSIONS, SessionMessage, Sessions};
use crate::store::{Batch, Store, StoreError};
use crate::tool::core::exec::ExecSettings;

/// The name of the supervisor of all runs.
pub(super) const RUNS: &str = "engine/core/cron/runs";

/// How often the store is looked at although nobody has said anything.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Pauses between two tries to admit a message.
const ADMIT_PAUSE: Duration = Duration::from_secs(1);
/// How long an actor that began by itself stays for the word that it is to begin. A first life is
/// told at once; a later one is told nothing.
const STAYS: Duration = Duration::from_mins(1);
/// What a run ends with that can't be read any more.
const DAMAGED: &str = "what stood about it is damaged: nobody knows how far it got; it is not run \
                       again for this instant";
/// What a run ends with whose job has become another one.
const CHANGED: &str = "the job was changed while it ran: it is of another kind now";
/// How long a session may take to confirm that a turn is stopped.
const STOP_MAX: Duration = Duration::from_secs(30);

/// What runs need.
#[derive(Clone)]
pub struct RunDeps {
    /// Where runs are claimed and turns end.
    pub store: Store,
    /// Time.
    pub clock: Clock,
    /// Who is near.
    pub registry: Registry,
    /// The way in.
    pub admissions: Admissions,
    /// Says when a turn may have ended.
    pub journal: Journal,
    /// Takes events for main sessions.
    pub wake: SharedWake,
    /// What models are called.
    pub catalog: Arc<Catalog>,
    /// The agent of jobs that name none.
    pub default_agent: String,
    /// Which session is an agent's main one.
    pub main: MainSessions,
    /// Longest time of an isolated turn that says nothing else.
    pub turn_max: Duration,
    /// The zone in which agents are told the time.
    pub zone: TimeZone,
    /// How commands are run.
    pub commands: ExecSettings,
    /// Which of them run.
    pub running: CommandsRunning,
}

/// What an actor of a run is told.
pub enum RunMessage {
    /// There is a claimed run, of whoever says so: what was reported before this has reached it.
    Begin,
    /// There is a claimed run that should be under way. Whoever says so has not heard of its end.
    GoOn,
    /// Nobody has said so for long (from itself).
    Leave,
}

/// The runs, by job.
pub(super) type Runs = Via<DynamicMessage<JobId, RunMessage>>;

/// All runs as one child of the tree.
pub fn runs_child(deps: RunDeps, events: Events, dice: Dice) -> ChildSpec {
    let registry = deps.registry.clone();
    let deps = Arc::new(deps);
    let mut spec = DynamicSpec::new(RUNS, move |job: JobId, parent: ActorCell| {
        start(job, deps.clone(), parent)
    });
    spec.events = events;
    spec.dice = dice;
    // A run only waits, and everything it has done is durable: the next life waits on.
    spec.shutdown = Shutdown { drain: Duration::ZERO, stop: Duration::from_millis(100) };
    spec.into_child("runs", registry)
}

async fn start(
    job: JobId,
    deps: Arc<RunDeps>,
    parent: ActorCell,
) -> Result<ActorRef<RunMessage>, SpawnErr> {
    let performer = Performer { job, deps, reported: None };
    let (actor, _) = Actor::spawn_linked(None, RunActor, performer, parent).await?;
    Ok(actor)
}

struct RunActor;

struct Performer {
    job: JobId,
    deps: Arc<RunDeps>,
    /// The run that was reported before anybody asked for it.
    reported: Option<RunId>,
}

type Outcomes = Result<Outcome, StoreError>;

impl Actor for RunActor {
    type Msg = RunMessage;
    type State = Performer;
    type Arguments = Performer;

    async fn pre_start(
        &self,
        _: ActorRef<RunMessage>,
        performer: Performer,
    ) -> Result<Performer, ActorProcessingErr> {
        Ok(performer)
    }

    // A life behind a crash finds the run in the store; nobody tells it again. A first life is told
    // behind this, of the same run; to leave before that would have it begin again.
    async fn post_start(
        &self,
        myself: ActorRef<RunMessage>,
        performer: &mut Performer,
    ) -> Result<(), ActorProcessingErr> {
        performer.reported = performer.perform(None).await?;
        myself.send_after(STAYS, || RunMessage::Leave);
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<RunMessage>,
        message: RunMessage,
        performer: &mut Performer,
    ) -> Result<(), ActorProcessingErr> {
        let reported = performer.reported.take();
        match message {
            RunMessage::Begin => {
                performer.perform(reported).await?;
            }
            RunMessage::GoOn => {
                performer.perform(None).await?;
            }
            RunMessage::Leave => {}
        }
        myself.get_cell().drain()?;
        Ok(())
    }
}

impl Performer {
    /// The claimed run of the job, to its end, unless it has been `reported`; answers which one the
    /// scheduler was told of.
    async fn perform(&self, reported: Option<RunId>) -> Result<Option<RunId>, StoreError> {
        let Some(job) = self.deps.store.get::<Job>(&job_key(&self.job))? else { return Ok(None) };
        let running = job.state.running.filter(|running| reported != Some(*running));
        let Some(running) = running else { return Ok(None) };
        let key = run_key(&self.job, running);
        let Some((run, stored)) = self.deps.store.get_as_stored::<Run>(&key)? else {
            // Its claim has written it, so it was damaged and set aside.
            return Ok(self.report(running, Outcome::unknown(DAMAGED), None));
        };
        if run.end.is_some() {
            return Ok(None);
        }
        let mut held = None;
        let outcome = match (&job.spec.payload, &run.session) {
            (payload, _) if !run.may_do(payload) => Outcome::failed(CHANGED, false),
            (Payload::AgentTurn { message, model, timeout_seconds }, Some(session)) => {
                let limit = timeout_seconds.filter(|seconds| *seconds > 0);
                let limit = limit.map_or(self.deps.turn_max, Duration::from_secs);
                let turn = Turn { job: &job, run: &run, session, message, model, limit };
                self.turn(turn, stored).await?
            }
            (Payload::SystemEvent { text }, _) => self.event(&job, &run, text).await,
            (Payload::Command(line), _) => {
                held = self.deps.running.begin();
                if held.is_none() {
                    // It stays claimed; whoever goes on, this life or the next, begins it.
                    let not_begun = CronMessage::NotBegun(self.job.clone(), running);
                    drop(self.deps.registry.via(NAME).cast(not_begun));
                    return Ok(None);
                }
                let RunDeps { store, clock, commands, .. } = &*self.deps;
                let deps = CommandDeps { store, clock, settings: commands };
                command::perform(deps, &job, &Claimed { run: &run, stored }, line).await?
            }
            (Payload::AgentTurn { .. }, None) => Outcome::failed(
                "there is no session to run in: see its sessionTarget and agentId",
                false,
            ),
        };
        Ok(self.report(running, outcome, held))
    }

    /// Tells the scheduler of an end; answers of which, if it was there.
    fn report(&self, running: RunId, outcome: Outcome, held: Option<Running>) -> Option<RunId> {
        let report = CronMessage::Ended(self.job.clone(), running, Box::new(outcome), held);
        if self.deps.registry.via(NAME).cast(report).is_err() {
            // Its next life finds the run claimed and asks for it again.
            tracing::debug!(job = %self.job, "the scheduler is restarting");
            return None;
        }
        Some(running)
    }

    async fn event(&self, job: &Job, run: &Run, text: &str) -> Outcome {
        let agent = self.agent(job);
        let session = self.deps.main.of(&agent);
        let (text, run, mode) = (text.to_owned(), run.run.name(&job.id), job.spec.wake);
        let event = Event { session, agent, text, run, mode };
        loop {
            match self.deps.wake.system_event(event.clone()).await {
                Ok(Woken::Done) => return Outcome::ok(None),
                Ok(Woken::Waits(why)) => return Outcome::waits(&why),
                Ok(Woken::Skipped(why)) => return Outcome::skipped(why),
                Err(error) => self.wait_for_room(&error).await,
            }
        }
    }

    fn agent(&self, job: &Job) -> String {
        job.spec.agent.clone().unwrap_or_else(|| self.deps.default_agent.clone())
    }

    async fn turn(&self, turn: Turn<'_>, stored: Vec<u8>) -> Outcomes {
        let mut is_admitted = self.found(&turn).await?.is_some();
        // A turn that has begun, or has its answer, goes by what it was given.
        if !is_admitted && let Err(why) = self.choose_model(&turn).await? {
            return Ok(Outcome::failed(why, false));
        }
        let mut spent = Spent::read(&self.deps.store, &self.job, turn.run, stored)?;
        let deadline = spent.deadline(turn.limit);
        let mut journal = self.deps.journal.subscribe();
        loop {
            if !is_admitted {
                match self.admit(&turn).await {
                    Ok(()) => is_admitted = true,
                    Err(error) if Instant::now() < deadline => {
                        self.wait_for_room(&error).await;
                        spent.note();
                        continue;
                    }
                    // What was offered last may be durable, although nobody was told.
                    Err(_) if self.found(&turn).await?.is_some() => is_admitted = true,
                    Err(error) => {
                        let text = format!("it did not begin within {:?}: {error}", turn.limit);
                        return Ok(Outcome::failed(text, true));
                    }
                }
            }
            if let Some(outcome) = self.found(&turn).await?.and_then(judge) {
                return Ok(outcome);
            }
            tokio::select! {
                () = moved(&mut journal, turn.session) => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = tokio::time::sleep_until(deadline) => return self.stop(&turn).await,
            }
            spent.note();
        }
    }

    /// Ends a turn that takes too long. What ended in this moment counts as it ended.
    async fn stop(&self, turn: &Turn<'_>) -> Outcomes {
        let seconds = turn.limit.as_secs();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let sender = std::sync::Mutex::new(Some(sender));
        let asker = Asker::new(move |stopped| {
            let mut sender = sender.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some(sender) = sender.take() {
                // Whoever asked may have given up.
                sender.send(stopped).ok();
            }
        });
        let sessions: Sessions = self.deps.registry.via(SESSIONS);
        // In a session of others only what is the run's own is stopped.
        let message = found::admitted(&self.deps.store, &turn.run.run.name(&turn.job.id))?;
        let stop = match message {
            _ if target::is_of_a_run(turn.session) => Some(SessionEvent::Stop(asker)),
            Some(message) => Some(SessionEvent::StopMessage(message, asker)),
            // What it had admitted can't be found any more.
            None => None,
        };
        let is_confirmed = match stop {
            Some(stop) => {
                let stop = DynamicMessage::Dispatch(turn.session.clone(), SessionMessage(stop));
                sessions.cast(stop).is_ok()
                    && matches!(tokio::time::timeout(STOP_MAX, receiver).await, Ok(Ok(_)))
            }
            None => false,
        };
        let answered = self.found(turn).await?.and_then(judge);
        let answered = answered.filter(|found| found.exchange.is_some());
        Ok(answered.unwrap_or_else(|| {
            let end =
                if is_confirmed { "and was stopped" } else { "and nobody knows if it goes on" };
            Outcome::failed(format!("it took longer than {seconds} s {end}"), false)
        }))
    }

    /// The session asks the job's own model, if it has one.
    async fn choose_model(&self, turn: &Turn<'_>) -> Result<Result<(), String>, StoreError> {
        // The job may have been changed since; a session of others keeps the model of others.
        let is_own = target::is_of_a_run(turn.session);
        let Some(name) = turn.model.as_ref().filter(|_| is_own) else { return Ok(Ok(())) };
        let choice = match self.deps.catalog.choose(name) {
            Ok(choice) => choice,
            Err(refusal) => return Ok(Err(refusal.to_string())),
        };
        let mut batch = Batch::new();
        batch.put(choice_key(turn.session), &choice);
        self.deps.store.commit(batch).await.map(Ok)
    }

    async fn admit(&self, turn: &Turn<'_>) -> Result<(), AdmitError> {
        let Turn { job, run, session, message, .. } = turn;
        // What the agent is told stays the same, however often it is admitted.
        let text = prompt::of_turn(
            job.id.as_str(),
            &job.spec.name,
            message,
            run.run.at,
            run.claimed_at,
            &self.deps.zone,
        );
        let (account, id) = (webchat::account(), run.run.name(&job.id));
        let mut inbound = Inbound::direct(&account, &id, "cron", &text, run.claimed_at);
        // The answer is announced by the commit that ends the run, and by nothing else.
        inbound.reply_to = webchat::destination(session);
        // The session of everybody belongs to no agent.
        let agent = session.agent().unwrap_or_else(|| self.agent(job));
        let mut admission = Admission::new(account);
        admission.relayed.push(Relayed {
            session: (*session).clone(),
            agent,
            inbound,
            tools: None,
        });
        crash_point("cron.before_admit");
        self.deps.admissions.admit(admission).await?;
        crash_point("cron.after_admit");
        Ok(())
    }

    async fn wait_for_room(&self, error: &AdmitError) {
        tracing::debug!(job = %self.job, %error, "a run waits");
        tokio::time::sleep(ADMIT_PAUSE).await;
    }

    /// What the store says of the run's message; nothing before it was admitted.
    async fn found(&self, turn: &Turn<'_>) -> Result<Option<Found>, StoreError> {
        found::of_run(&self.deps.store, turn.run, turn.session).await
    }
}

/// A run that asks an agent.
struct Turn<'a> {
    job: &'a Job,
    run: &'a Run,
    session: &'a SessionKey,
    message: &'a str,
    model: &'a Option<String>,
    limit: Duration,
}

/// Something has happened in a session, or may have.
async fn moved(journal: &mut broadcast::Receiver<JourneyEvent>, session: &SessionKey) {
    loop {
        match journal.recv().await {
            Ok(event) if event.session.as_deref() != Some(session.as_str()) => {}
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}
