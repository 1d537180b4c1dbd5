//! What everybody else holds: waking agents, judging their answers, and what became of heartbeats.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use telson_supervision::{Registry, Via};
use tokio::sync::broadcast;

use super::actor::{HeartbeatMessage, NAME};
use super::record::{BeatKey, EnabledRecord, SaidRecord};
use super::reply::{Judged, ReplyFacts, judge, stripped};
use super::rights::WakeRights;
use super::rules::{Beat, BeatRules};
use super::status::{BeatStatus, Outcome, preview};
use super::target::{Route, Target, is_direct_target, resolve};
use super::visibility::Visibility;
use super::wake::Reason;
use super::{KEY_PREFIX, is_beat_turn};
use crate::clock::Timestamp;
use crate::cron::last_outside;
use crate::message::session_key::{KeyParts, Place};
use crate::message::{Destination, SessionKey};
use crate::reply::is_silent;
use crate::router::{PairingBook, pairing_key};
use crate::session::{Exchange, Said, exchange_prefix};
use crate::store::{Batch, Store, StoreError};
use crate::system_event::has_events;

/// Statuses kept for a slow reader before it misses some; the last one is in the store.
const NEWS_KEPT_MAX: usize = 256;
/// Exchanges looked through for the last one with a person.
const LOOKED_THROUGH_MAX: usize = 50;
/// How the dedupe keys of messages begin that no person wrote.
const INTERNAL: [&str; 4] = [KEY_PREFIX, "cron:", "manual:", "hook:"];

/// The heartbeats of an engine. Cheap to clone.
#[derive(Clone)]
pub struct Heartbeats(Arc<Inner>);

struct Inner {
    rules: BeatRules,
    store: Store,
    actor: Via<HeartbeatMessage>,
    is_enabled: AtomicBool,
    news: broadcast::Sender<BeatStatus>,
    rights: WakeRights,
}

/// How a heartbeat's turn ends: what is sent of its answer, and what is told about it.
#[derive(Debug, Clone)]
pub struct BeatEnd {
    judged: Judged,
    route: Option<Route>,
    status: BeatStatus,
    /// Whether it leaves nothing behind that anybody has to know later.
    pub is_quiet: bool,
}

impl Heartbeats {
    /// Heartbeats by these rules.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn new(rules: BeatRules, store: Store, registry: &Registry) -> Result<Self, StoreError> {
        let enabled: Option<EnabledRecord> = store.get(&BeatKey::Enabled.key())?;
        let is_enabled = AtomicBool::new(enabled.is_none_or(|record| record.is_enabled));
        let (actor, news) = (registry.via(NAME), broadcast::channel(NEWS_KEPT_MAX).0);
        let rights = WakeRights::default();
        Ok(Self(Arc::new(Inner { rules, store, actor, is_enabled, news, rights })))
    }

    /// What they go by.
    pub fn rules(&self) -> &BeatRules {
        &self.0.rules
    }

    /// Asks for a wake: within a quarter of a second, together with whatever else asks for one.
    /// Durable is only what it is about: an event that waits wakes its agent again after a restart.
    pub fn wake(&self, session: &SessionKey, reason: Reason) {
        let message = HeartbeatMessage::Wake(session.clone(), reason);
        if self.0.actor.cast(message).is_err() {
            tracing::debug!(%session, "heartbeats are restarting; they look for events themselves");
        }
    }

    /// Wakes a session again, at this moment of the wall clock, for what a failed heartbeat was told.
    /// That it is to be woken is durable already.
    pub(crate) fn retry(&self, session: &SessionKey, at: Timestamp) {
        if self.0.actor.cast(HeartbeatMessage::Retry(session.clone(), at)).is_err() {
            tracing::debug!(%session, "heartbeats are restarting; they look for what failed");
        }
    }

    /// Takes an agent's right to a turn that nobody has written for, at this moment of steady time:
    /// whatever wakes an agent asks for it, so that nothing wakes it in a circle.
    ///
    /// # Errors
    /// It wakes too often: when it may again.
    pub fn take_wake(&self, agent: &str, now: Timestamp) -> Result<(), Timestamp> {
        self.0.rights.take(agent, now)
    }

    /// Gives the right back: the turn did not begin.
    pub fn give_wake_back(&self, agent: &str) {
        self.0.rights.give_back(agent);
    }

    /// Whether they are on.
    pub fn is_enabled(&self) -> bool {
        self.0.is_enabled.load(Ordering::Acquire)
    }

    /// Switches them on or off, for all agents and over restarts.
    ///
    /// # Errors
    /// When it can't be written down; nothing has changed then.
    pub async fn set_enabled(&self, is_enabled: bool) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        batch.put(BeatKey::Enabled.key(), &EnabledRecord { is_enabled });
        self.0.store.commit(batch).await?;
        self.0.is_enabled.store(is_enabled, Ordering::Release);
        if self.0.actor.cast(HeartbeatMessage::Switched).is_err() {
            tracing::debug!("heartbeats are restarting; they read whether they are on");
        }
        Ok(())
    }

    /// Agents may be woken again that could not for a while.
    pub fn go_on(&self) {
        if self.0.actor.cast(HeartbeatMessage::Switched).is_err() {
            tracing::debug!("heartbeats are restarting; they look for events themselves");
        }
    }

    /// What became of the last one, over restarts; none if there was none.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn last(&self) -> Result<Option<BeatStatus>, StoreError> {
        self.0.store.get(&BeatKey::Last.key())
    }

    /// What becomes of them from now on.
    pub fn watch(&self) -> broadcast::Receiver<BeatStatus> {
        self.0.news.subscribe()
    }

    /// Tells those who watch.
    pub fn tell(&self, status: BeatStatus) {
        tracing::debug!(
            agent = status.agent,
            outcome = status.outcome.name(),
            reason = status.reason,
            "heartbeat"
        );
        // Nobody may be watching.
        drop(self.0.news.send(status));
    }

    /// The agent that answers in a session.
    pub fn agent_of(&self, session: &SessionKey) -> Option<String> {
        session.agent().or_else(|| self.0.rules.default_agent.clone())
    }

    /// An agent's main session, which is everybody's where there is only one.
    pub fn main_session(&self, agent: &str) -> SessionKey {
        let rules = &self.0.rules;
        let main = SessionKey::main(agent, &rules.main_key).ok().filter(|_| !rules.is_global);
        main.unwrap_or_else(SessionKey::global)
    }

    /// The session in which an agent's heart beats.
    pub fn session_of(&self, agent: &str) -> SessionKey {
        let named = self.beat(agent).and_then(|beat| beat.session.as_deref());
        let named = named.and_then(|name| SessionKey::parse(name).ok());
        let is_own = |key: &SessionKey| key.agent().is_none_or(|owner| owner == agent);
        named.filter(is_own).unwrap_or_else(|| self.main_session(agent))
    }

    /// How an agent's heart beats; none if it does not.
    pub fn beat(&self, agent: &str) -> Option<&Beat> {
        self.0.rules.agents.get(agent)
    }

    /// Where an answer in this session would go.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn route(&self, beat: &Beat, session: &SessionKey) -> Result<Option<Route>, StoreError> {
        let named = (beat.account.as_deref(), beat.to.as_deref());
        let last = if beat.target == Target::Last { self.last_route(session)? } else { None };
        let owners = &self.0.rules.owners;
        let found = resolve(&beat.target, named, owners, last.as_ref());
        match found {
            None if beat.target == Target::Owner && owners.is_empty() => {
                Ok(resolve(&beat.target, named, &self.paired()?, None))
            }
            found => Ok(found),
        }
    }

    /// What is shown at the end of a route.
    pub fn visibility(&self, route: Option<&Route>) -> Visibility {
        self.0.rules.visibility.of(route.map(|route| &route.to.account))
    }

    /// Where the session last spoke to somebody outside; else its web chat, if a person has used that.
    fn last_route(&self, session: &SessionKey) -> Result<Option<Route>, StoreError> {
        let to = match last_outside(&self.0.store, session)? {
            Some(to) => Some(to),
            None => self.last_chat(session)?,
        };
        let is_direct = |to: &Destination| !is_room(session) && is_direct_target(&to.target);
        Ok(to.map(|to| Route { is_direct: is_direct(&to), to }))
    }

    /// Where the session's last answer to a person went.
    fn last_chat(&self, session: &SessionKey) -> Result<Option<Destination>, StoreError> {
        let is_internal = |exchange: &Exchange| {
            exchange
                .said
                .iter()
                .all(|said| INTERNAL.iter().any(|prefix| said.platform_id.starts_with(prefix)))
        };
        let exchanges =
            self.0.store.tail::<Exchange>(&exchange_prefix(session), LOOKED_THROUGH_MAX)?;
        let mut exchanges = exchanges.into_iter().rev().map(|(_, exchange)| exchange);
        let last = exchanges.find(|exchange| !is_internal(exchange));
        Ok(last.map(|exchange| exchange.reply_to))
    }

    /// People whom the operator has let in one by one.
    fn paired(&self) -> Result<Vec<Destination>, StoreError> {
        let mut found = Vec::new();
        for account in &self.0.rules.accounts {
            let book: PairingBook = self.0.store.get(&pairing_key(account))?.unwrap_or_default();
            found.extend(book.paired().map(|person| Destination {
                account: account.clone(),
                target: person.to_owned(),
                thread: None,
            }));
        }
        Ok(found)
    }

    /// Judges the answer of a heartbeat's turn.
    ///
    /// # Errors
    /// When the store can't be read.
    pub(crate) fn judge(
        &self,
        session: &SessionKey,
        agent: &str,
        exchange: &Exchange,
        now: Timestamp,
    ) -> Result<BeatEnd, StoreError> {
        let standard = Beat::default();
        let beat = self.beat(agent).unwrap_or(&standard);
        let route = self.route(beat, session)?;
        let route = route.filter(|route| beat.allows_direct || !route.is_direct);
        let said: Option<SaidRecord> = self.0.store.get(&BeatKey::Said(session).key())?;
        let visibility = self.visibility(route.as_ref());
        let has_events = has_events(&exchange.prompt);
        let judged = judge(&ReplyFacts {
            answer: &exchange.answer,
            ok_chars: beat.ok_chars,
            has_events,
            visibility,
            route: route.clone(),
            said: said.as_ref(),
            now,
        });
        let duration = exchange.finished_at.since(exchange.started_at).as_millis();
        let reason = judged.reason.map_or_else(|| why(exchange), str::to_owned);
        let status = BeatStatus {
            at: now,
            outcome: judged.outcome,
            agent: agent.to_owned(),
            to: route.as_ref().map(|route| route.to.clone()),
            preview: preview(&exchange.answer),
            duration_ms: u64::try_from(duration).ok(),
            reason: Some(reason),
            indicator: judged.outcome.indicator().filter(|_| visibility.indicator),
        };
        let is_quiet = is_quiet(exchange, beat.ok_chars);
        Ok(BeatEnd { judged, route, status, is_quiet })
    }

    /// The status of a heartbeat that was skipped, or whose turn has failed.
    pub(crate) fn ended(
        &self,
        agent: &str,
        outcome: Outcome,
        reason: String,
        route: Option<&Route>,
        now: Timestamp,
    ) -> BeatStatus {
        let shown = self.visibility(route).indicator;
        BeatStatus {
            at: now,
            outcome,
            agent: agent.to_owned(),
            to: route.map(|route| route.to.clone()),
            preview: None,
            duration_ms: None,
            reason: Some(reason),
            indicator: outcome.indicator().filter(|_| shown),
        }
    }

    /// Keeps a status as the last one.
    pub(crate) fn keep(batch: &mut Batch, status: &BeatStatus) {
        batch.put(BeatKey::Last.key(), status);
    }
}

/// Whether an exchange is a heartbeat that found nothing, was told nothing and did nothing: it would
/// only push a conversation out of the memory of its agent.
fn is_quiet(exchange: &Exchange, ok_chars: usize) -> bool {
    let has_done = !exchange.steps.is_empty() || has_events(&exchange.prompt);
    !has_done && is_quiet_turn(&exchange.said, &exchange.answer, ok_chars)
}

/// Whether these messages are heartbeats, and the answer is that nothing needs attention.
pub(crate) fn is_quiet_turn(said: &[Said], answer: &str, ok_chars: usize) -> bool {
    let (text, has_token) = stripped(answer);
    let is_ok =
        text.is_empty() || is_silent(text) || (has_token && text.chars().count() <= ok_chars);
    is_beat_turn(said) && is_ok
}

impl BeatEnd {
    /// What is sent, and where; else why nothing is.
    pub fn sending(&self) -> Result<(&Destination, &str), String> {
        if let (Some(route), Some(text)) = (&self.route, &self.judged.text) {
            return Ok((&route.to, text));
        }
        let reason = self.status.reason.as_deref().unwrap_or_default();
        Err(format!("a heartbeat's answer was kept back: {reason}"))
    }

    /// Whether what is sent is the token itself.
    pub fn says_ok(&self) -> bool {
        self.judged.is_ok()
    }

    /// It was not sent after all.
    pub fn unsent(&mut self, reason: &str) {
        if self.judged.text.take().is_some() {
            self.status.outcome = Outcome::Skipped;
            (self.status.reason, self.status.indicator) = (Some(reason.to_owned()), None);
        }
    }

    /// Writes down how it ended, in the commit that ends its turn.
    pub fn write(&self, batch: &mut Batch, session: &SessionKey) {
        Heartbeats::keep(batch, &self.status);
        if let (Outcome::Sent, Some(text)) = (self.status.outcome, &self.judged.text) {
            let said = SaidRecord { at: self.status.at, text: text.clone() };
            batch.put(BeatKey::Said(session).key(), &said);
        }
    }

    /// What is told about it.
    pub fn status(self) -> BeatStatus {
        self.status
    }
}

/// Why the agent woke, as the key of the message tells.
fn why(exchange: &Exchange) -> String {
    let key = exchange.said.first().map_or("", |said| said.platform_id.as_str());
    let instant = key.rsplit(':').next().unwrap_or_default();
    let name = if instant.starts_with("event-") {
        "wake"
    } else if instant.starts_with("retry-") {
        "retry"
    } else if instant.starts_with("now-") {
        "requested"
    } else {
        "interval"
    };
    name.to_owned()
}

fn is_room(session: &SessionKey) -> bool {
    matches!(session.parts(), KeyParts::Agent { place: Place::Room { .. }, .. })
}
