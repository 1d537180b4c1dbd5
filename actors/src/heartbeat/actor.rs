//! The heartbeat actor: a timer for all agents, and the gates between a wake and a turn.
//!
//! Sent to by its own timer and by whoever wakes an agent. It sends to the router, and waits for its
//! answer. Restart: reads how far each row has got, and wakes for events that wait.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use telson_supervision::{Health, Registry};

use super::gate::{Facts, Skip, gate};
use super::handle::Heartbeats;
use super::prompt::{Cause, prompt};
use super::record::{BeatKey, ScheduleRecord};
use super::retry::PAUSE_MAX;
use super::rules::Beat;
use super::schedule::{after, first_due};
use super::status::Outcome;
use super::target::{Route, Target};
use super::visibility::Visibility;
use super::wake::{COALESCE, RETRY, Reason, Wakes};
use super::{KEY_PREFIX, SENDER, is_effectively_empty};
use crate::channel::webchat;
use crate::clock::{Clock, Timestamp};
use crate::crash_point::crash_point;
use crate::inbox::InboxRecord;
use crate::message::{Inbound, SessionKey};
use crate::router::{Admission, Admissions, Relayed};
use crate::store::{Batch, Key, Space, Store, StoreError};
use crate::system_event::{EventRecord, RetryRecord, SystemEvents};

/// The name it answers to.
pub(super) const NAME: &str = "heartbeat";
/// Longest time between two looks at the clock, which may have been set meanwhile.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// What it needs.
#[derive(Clone)]
pub struct HeartbeatDeps {
    /// What it goes by, and who is told.
    pub beats: Heartbeats,
    /// What agents are to be told.
    pub events: SystemEvents,
    /// The way in.
    pub admissions: Admissions,
    /// How far it has got.
    pub store: Store,
    /// Time.
    pub clock: Clock,
    /// Whether anything is taken in: a service that stops finishes what it has.
    pub admitting: Arc<AtomicBool>,
    /// Where it answers to its name.
    pub registry: Registry,
    /// Completed work.
    pub health: Health,
}

/// What it is told.
pub enum HeartbeatMessage {
    /// Something asks for a wake in this session.
    Wake(SessionKey, Reason),
    /// What a failed heartbeat was told is to be told again then, by the wall clock.
    Retry(SessionKey, Timestamp),
    /// They were switched on or off, or may go on.
    Switched,
    /// Time has passed.
    Tick(u64),
}

/// See the module.
pub struct HeartbeatActor;

/// Its memory: a view of the store, and what has been asked for.
pub struct Heart {
    deps: HeartbeatDeps,
    /// When each agent is due, by the wall clock.
    due: BTreeMap<String, Timestamp>,
    wakes: Wakes,
    /// Wakes that were told to wait, and of which that was told.
    put_off: HashSet<SessionKey>,
    /// When the timer fires, in steady time.
    armed: Option<Timestamp>,
    /// Timers that were set; the last one counts.
    timers: u64,
}

type Myself = ActorRef<HeartbeatMessage>;
type Outcomes<T = ()> = Result<T, ActorProcessingErr>;

impl Actor for HeartbeatActor {
    type Msg = HeartbeatMessage;
    type State = Heart;
    type Arguments = HeartbeatDeps;

    async fn pre_start(&self, myself: Myself, deps: HeartbeatDeps) -> Outcomes<Heart> {
        deps.registry.register(NAME, &myself, Some(deps.health.clone()));
        let mut heart = Heart {
            deps,
            due: BTreeMap::new(),
            wakes: Wakes::default(),
            put_off: HashSet::new(),
            armed: None,
            timers: 0,
        };
        heart.take_up().await?;
        heart.arm(&myself);
        Ok(heart)
    }

    async fn handle(
        &self,
        myself: Myself,
        message: HeartbeatMessage,
        heart: &mut Heart,
    ) -> Outcomes {
        match message {
            HeartbeatMessage::Wake(session, reason) => {
                heart.deps.health.taken();
                heart.wakes.request(session, reason, heart.deps.clock.steady());
            }
            HeartbeatMessage::Retry(session, at) => {
                heart.deps.health.taken();
                heart.retry(session, at);
            }
            HeartbeatMessage::Switched => {
                heart.deps.health.taken();
                heart.find_events()?;
            }
            // A later one has taken over.
            HeartbeatMessage::Tick(number) if number != heart.timers => return Ok(()),
            HeartbeatMessage::Tick(_) => {
                heart.armed = None;
                heart.beat().await?;
            }
        }
        heart.deps.health.completed();
        heart.arm(&myself);
        Ok(())
    }
}

impl Heart {
    /// Goes on where an earlier life has ended.
    async fn take_up(&mut self) -> Result<(), StoreError> {
        let (now, mut batch) = (self.deps.clock.now(), Batch::new());
        for (agent, beat) in &self.deps.beats.rules().agents {
            if beat.every.is_zero() {
                continue;
            }
            let key = BeatKey::Schedule(agent).key();
            let known: Option<ScheduleRecord> = self.deps.store.get(&key)?;
            let known = known.filter(|record| record.every_ms == millis(beat.every));
            let due = first_due(known.map(|record| record.due), beat.every, now);
            if known.is_none_or(|record| record.due != due) {
                batch.put(key, &ScheduleRecord { due, every_ms: millis(beat.every) });
            }
            self.due.insert(agent.clone(), due);
        }
        if !batch.is_empty() {
            self.deps.store.commit(batch).await?;
        }
        self.find_events()
    }

    /// Wakes for what waits and asks for it: nobody may have been there when it was reported.
    fn find_events(&mut self) -> Result<(), StoreError> {
        let now = self.deps.clock.steady();
        for (session, number) in self.deps.events.waking()? {
            self.wakes.request(session, Reason::Wake(number), now);
        }
        for (session, retry) in self.deps.events.retries()? {
            self.retry(session, retry.at);
        }
        Ok(())
    }

    /// Sees to another try with what a failed heartbeat was told.
    fn retry(&mut self, session: SessionKey, at: Timestamp) {
        // A clock that was set back makes nobody wait longer than the longest pause.
        let pause = at.since(self.deps.clock.now()).min(PAUSE_MAX);
        let at_steady = self.deps.clock.steady().plus(pause.max(COALESCE));
        self.wakes.by(session, Reason::Retry(at), at_steady);
    }

    /// What is due.
    async fn beat(&mut self) -> Outcomes {
        let (now, steady) = (self.deps.clock.now(), self.deps.clock.steady());
        let rows: Vec<(String, Timestamp)> =
            self.due.iter().map(|(agent, due)| (agent.clone(), *due)).collect();
        for (agent, due) in rows {
            let Some(beat) = self.deps.beats.beat(&agent).cloned() else { continue };
            let due = first_due(Some(due), beat.every, now);
            self.due.insert(agent.clone(), due);
            if due <= now {
                let next = after(due, beat.every, beat.hours.as_ref(), now);
                self.due.insert(agent.clone(), next);
                let session = self.deps.beats.session_of(&agent);
                self.wakes.request(session, Reason::Interval(due), steady);
            }
        }
        if !self.deps.admitting.load(Ordering::Acquire) {
            return Ok(());
        }
        for (session, reason) in self.wakes.due(steady) {
            self.wake(session, reason).await?;
        }
        Ok(())
    }

    /// One wake: through the gates and into the session, or put off, or skipped.
    async fn wake(&mut self, session: SessionKey, reason: Reason) -> Outcomes {
        let agent = self.deps.beats.agent_of(&session).unwrap_or_default();
        let beat = self.deps.beats.beat(&agent).cloned();
        let waiting = self.deps.events.waiting(&session)?;
        let retry = self.deps.events.retry(&session)?;
        let Some(reason) = still_meant(reason, &waiting, retry.as_ref()) else {
            self.put_off.remove(&session);
            if let Some(retry) = retry {
                self.retry(session, retry.at);
            }
            return self.advance(&agent, Batch::new()).await;
        };
        let has_events = !waiting.is_empty() || retry.is_some();
        let (beat, file, route) = match self.passed(beat, &agent, &session, has_events).await? {
            Ok(passed) => passed,
            Err((skip, route)) => return self.skip(&agent, session, reason, skip, route).await,
        };
        if let Err(at) = self.deps.beats.take_wake(&agent, self.deps.clock.steady()) {
            return self.put_off(&agent, session, reason, (Skip::RateLimited, at), route).await;
        }
        let cause = Cause::of(&reason, has_events);
        let text = prompt(cause, beat.prompt.as_deref(), file.as_deref(), &self.time());
        self.admit(&agent, session, reason, &text).await
    }

    /// Asks the gates, the cheap ones first: a file is read only where it matters.
    async fn passed(
        &self,
        beat: Option<Beat>,
        agent: &str,
        session: &SessionKey,
        has_events: bool,
    ) -> Outcomes<Result<(Beat, Option<String>, Option<Route>), (Skip, Option<Route>)>> {
        let now = self.deps.clock.now();
        let hours = beat.as_ref().and_then(|beat| beat.hours.as_ref());
        let mut facts = Facts {
            is_enabled: self.deps.beats.is_enabled() && beat.is_some(),
            is_active: hours.is_none_or(|hours| hours.contains(now)),
            is_busy: self.is_busy(agent)?,
            is_actionable: true,
            is_sent: false,
            route: None,
            allows_direct: true,
            visibility: Visibility::default(),
        };
        let beat = match (gate(&facts), beat) {
            (Err(skip), _) => return Ok(Err((skip, None))),
            (Ok(()), None) => return Ok(Err((Skip::Disabled, None))),
            (Ok(()), Some(beat)) => beat,
        };
        let file = self.file(agent).await;
        let is_told = match &file {
            Some(text) => !is_effectively_empty(text),
            // Without a file the agent's own words say what to do, if it has some.
            None => beat.prompt.is_some(),
        };
        facts.is_actionable = has_events || is_told;
        facts.is_sent = beat.target != Target::Nobody;
        facts.allows_direct = beat.allows_direct;
        facts.route = self.deps.beats.route(&beat, session)?;
        facts.visibility = self.deps.beats.visibility(facts.route.as_ref());
        Ok(match gate(&facts) {
            Ok(()) => Ok((beat, file, facts.route)),
            Err(skip) => Err((skip, facts.route)),
        })
    }

    /// Whether the agent answers something or something waits for it, in whatever session.
    fn is_busy(&self, agent: &str) -> Result<bool, StoreError> {
        if self.deps.store.tally(Space::Inbox) == 0 {
            return Ok(false);
        }
        let waiting = self.deps.store.scan::<InboxRecord>(&Key::of(Space::Inbox))?;
        Ok(waiting.iter().any(|(_, record)| record.agent == agent))
    }

    async fn file(&self, agent: &str) -> Option<String> {
        let source = self.deps.beats.rules().file.as_ref()?;
        match source(agent).await {
            Ok(text) => text,
            Err(why) => {
                tracing::warn!(agent, "HEARTBEAT.md is not readable, and counts as empty: {why}");
                Some(String::new())
            }
        }
    }

    /// The time of day for people.
    fn time(&self) -> String {
        let at = jiff::Timestamp::from_millisecond(self.deps.clock.now().0).unwrap_or_default();
        let at = at.to_zoned(self.deps.beats.rules().zone.clone());
        at.strftime("%A, %Y-%m-%d %H:%M (%Z)").to_string()
    }

    /// A moment that passes is waited for; anything else ends the wake.
    async fn skip(
        &mut self,
        agent: &str,
        session: SessionKey,
        reason: Reason,
        skip: Skip,
        route: Option<Route>,
    ) -> Outcomes {
        let steady = self.deps.clock.steady();
        let later = match skip {
            Skip::RequestsInFlight => Some(steady.plus(RETRY)),
            // What an event is about must not wait for somebody to write.
            Skip::QuietHours if reason.is_about_news() => self.opening(agent),
            _ => None,
        };
        if let Some(at) = later {
            return self.put_off(agent, session, reason, (skip, at), route).await;
        }
        self.put_off.remove(&session);
        let now = self.deps.clock.now();
        let status =
            self.deps.beats.ended(agent, Outcome::Skipped, skip.to_string(), route.as_ref(), now);
        let mut batch = Batch::new();
        Heartbeats::keep(&mut batch, &status);
        self.advance(agent, batch).await?;
        self.deps.beats.tell(status);
        Ok(())
    }

    /// When the agent's active hours begin, in steady time.
    fn opening(&self, agent: &str) -> Option<Timestamp> {
        let (now, steady) = (self.deps.clock.now(), self.deps.clock.steady());
        let hours = self.deps.beats.beat(agent)?.hours.as_ref()?;
        // The clock may be set until then: it is looked at again.
        Some(steady.plus(hours.next_open(now)?.since(now).clamp(RETRY, LOOK_EVERY)))
    }

    /// Tries again later, and tells so once.
    async fn put_off(
        &mut self,
        agent: &str,
        session: SessionKey,
        reason: Reason,
        (skip, at): (Skip, Timestamp),
        route: Option<Route>,
    ) -> Outcomes {
        if self.put_off.insert(session.clone()) {
            let now = self.deps.clock.now();
            let why = skip.to_string();
            let status = self.deps.beats.ended(agent, Outcome::Skipped, why, route.as_ref(), now);
            let mut batch = Batch::new();
            Heartbeats::keep(&mut batch, &status);
            self.deps.store.commit(batch).await?;
            self.deps.beats.tell(status);
        }
        self.wakes.again(session, reason, at);
        Ok(())
    }

    /// Hands the heartbeat in. Its key is the same in every life that tries.
    async fn admit(
        &mut self,
        agent: &str,
        session: SessionKey,
        reason: Reason,
        text: &str,
    ) -> Outcomes {
        let now = self.deps.clock.now();
        let instant = match (&reason, reason.event()) {
            (_, Some(number)) => format!("event-{number}"),
            (Reason::Interval(due), _) => due.0.to_string(),
            // Another one for each failure.
            (Reason::Retry(at), _) => format!("retry-{}", at.0),
            (_, None) => format!("now-{}", now.0),
        };
        let account = webchat::account();
        let key = format!("{KEY_PREFIX}{agent}:{instant}");
        let mut inbound = Inbound::direct(&account, &key, SENDER, text, now);
        inbound.peer = session.to_string();
        inbound.reply_to = webchat::destination(&session);
        let mut admission = Admission::new(account);
        let relayed =
            Relayed { session: session.clone(), agent: agent.to_owned(), inbound, tools: None };
        admission.relayed.push(relayed);
        crash_point("heartbeat.before_admit");
        if let Err(error) = self.deps.admissions.admit(admission).await {
            tracing::info!(agent, %error, "a heartbeat waits until messages are admitted again");
            self.deps.beats.give_wake_back(agent);
            self.wakes.again(session, reason, self.deps.clock.steady().plus(RETRY));
            return Ok(());
        }
        crash_point("heartbeat.after_admit");
        self.put_off.remove(&session);
        self.advance(agent, Batch::new()).await
    }

    /// The row goes on, durably: only now, so that a life that ends before tries again.
    async fn advance(&self, agent: &str, mut batch: Batch) -> Outcomes {
        if let (Some(due), Some(beat)) = (self.due.get(agent), self.deps.beats.beat(agent)) {
            let record = ScheduleRecord { due: *due, every_ms: millis(beat.every) };
            batch.put(BeatKey::Schedule(agent).key(), &record);
        }
        if !batch.is_empty() {
            self.deps.store.commit(batch).await?;
        }
        Ok(())
    }

    /// Sees to waking up in time.
    fn arm(&mut self, myself: &Myself) {
        let (now, steady) = (self.deps.clock.now(), self.deps.clock.steady());
        let row = self.due.values().min().map(|due| steady.plus(due.since(now)));
        let is_open = self.deps.admitting.load(Ordering::Acquire);
        let next = row.into_iter().chain(self.wakes.next()).min();
        let Some(next) = next.filter(|_| is_open) else { return };
        let next = next.min(steady.plus(LOOK_EVERY));
        if self.armed.is_none_or(|armed| next < armed) {
            self.armed = Some(next);
            self.timers += 1;
            let number = self.timers;
            let pause = next.since(steady).max(Duration::from_millis(1));
            myself.send_after(pause, move || HeartbeatMessage::Tick(number));
        }
    }
}

/// What a wake is about by now; nothing if a turn has taken that meanwhile: its agent knows. Another
/// event may have come since.
fn still_meant(
    reason: Reason,
    waiting: &[(u64, EventRecord)],
    retry: Option<&RetryRecord>,
) -> Option<Reason> {
    let is_waiting = |number| waiting.iter().any(|(waits, _)| *waits == number);
    match (&reason, retry) {
        (Reason::Retry(_), Some(retry)) => return Some(Reason::Retry(retry.at)),
        (Reason::Retry(_), None) => {}
        _ if reason.event().is_none_or(is_waiting) => return Some(reason),
        _ => {}
    }
    let newest = waiting.iter().rev().find(|(_, event)| event.wakes);
    newest.map(|(number, _)| Reason::Wake(*number))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
