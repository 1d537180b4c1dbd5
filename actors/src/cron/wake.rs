//! Telling an agent's main session of something: the seam to whoever decides when it hears of it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;

use super::job::WakeMode;
use super::last;
use super::prompt;
use crate::channel::webchat;
use crate::clock::Clock;
use crate::heartbeat::{Heartbeats, Skip};
use crate::inbox::dedupe_key;
use crate::message::{Inbound, SessionKey};
use crate::router::{Admission, Admissions, AdmitError, Relayed};
use crate::store::Store;
use crate::system_event::SystemEvents;

/// An event for a main session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The session.
    pub session: SessionKey,
    /// The agent that answers there.
    pub agent: String,
    /// What it is told.
    pub text: String,
    /// The run it comes from: the same id is the same event, however often it is handed over.
    pub run: String,
    /// When it is to hear of it.
    pub mode: WakeMode,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Woken {
    /// It is handed over.
    Done,
    /// It waits for the session's next turn, for this reason: it may not make one of its own.
    Waits(String),
    /// It is not wanted, for this reason.
    Skipped(String),
}

/// Takes events for main sessions. What it has taken must not get lost.
pub trait Wake: Send + Sync + 'static {
    /// Hands an event over. An error is tried again.
    fn system_event(&self, event: Event) -> BoxFuture<'_, Result<Woken, AdmitError>>;
}

/// Says it at once, as a message of its own that the session answers where it last spoke.
pub struct Message {
    /// Time.
    pub clock: Clock,
    /// The zone in which its time is said.
    pub zone: TimeZone,
    /// Where the session's last place is found.
    pub store: Store,
    /// The way in.
    pub admissions: Admissions,
}

impl Message {
    async fn say(&self, event: Event) -> Result<Woken, AdmitError> {
        let now = self.clock.now();
        let text = prompt::of_event(&event.text, now, &self.zone);
        let account = webchat::account();
        let mut inbound = Inbound::direct(&account, &event.run, "cron", &text, now);
        let last = last::of_main(&self.store, &event.session).map_err(AdmitError::Store)?;
        inbound.reply_to = last.unwrap_or_else(|| webchat::destination(&event.session));
        let mut admission = Admission::new(account);
        admission.relayed.push(Relayed {
            session: event.session,
            agent: event.agent,
            inbound,
            tools: None,
        });
        self.admissions.admit(admission).await.map(|_| Woken::Done)
    }
}

impl Wake for Message {
    fn system_event(&self, event: Event) -> BoxFuture<'_, Result<Woken, AdmitError>> {
        Box::pin(self.say(event))
    }
}

/// Says at once what is to be heard at once, and leaves the rest for the session's next turn. What
/// comes too often is left as well, and said so.
pub struct NowOrLater {
    /// What says it.
    pub now: Message,
    /// Where it waits.
    pub later: SystemEvents,
    /// Who may wake now, and in which session agents look for what waits.
    pub beats: Heartbeats,
}

impl NowOrLater {
    /// Where the agent's heart beats it is told by a heartbeat; anywhere else by a person's turn only.
    async fn wait(&self, event: Event) -> Result<Woken, AdmitError> {
        let session = self.beats.session_of(&event.agent);
        let reported = self.later.report(&session, &event.text, false, Some(&event.run));
        reported.await.map(|_| Woken::Done).map_err(AdmitError::Store)
    }

    async fn hurry(&self, event: Event) -> Result<Woken, AdmitError> {
        let waits = || Ok(Woken::Waits(Skip::RateLimited.to_string()));
        // An earlier life, or another try, may have come this far: told once is enough.
        let message = dedupe_key(&webchat::account(), &event.run);
        if self.now.store.contains(&message).map_err(AdmitError::Store)? {
            return Ok(Woken::Done);
        }
        if self.later.knows(&event.run).map_err(AdmitError::Store)? {
            return waits();
        }
        let agent = event.agent.clone();
        if self.beats.take_wake(&agent, self.now.clock.steady()).is_err() {
            self.wait(event).await?;
            return waits();
        }
        let said = self.now.say(event).await;
        if said.is_err() {
            self.beats.give_wake_back(&agent);
        }
        said
    }
}

impl Wake for NowOrLater {
    fn system_event(&self, event: Event) -> BoxFuture<'_, Result<Woken, AdmitError>> {
        match event.mode {
            WakeMode::Now => Box::pin(self.hurry(event)),
            WakeMode::NextHeartbeat => Box::pin(self.wait(event)),
        }
    }
}

/// Anything that wakes. Cheap to clone.
pub type SharedWake = Arc<dyn Wake>;
