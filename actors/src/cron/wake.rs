//! Telling an agent's main session of something: the seam to whoever decides when it hears of it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;

use super::job::WakeMode;
use super::last;
use super::prompt;
use crate::channel::webchat;
use crate::clock::Clock;
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

/// Says at once what is to be heard at once, and leaves the rest for the session's next turn.
pub struct NowOrLater {
    /// What says it.
    pub now: Message,
    /// Where it waits.
    pub later: SystemEvents,
}

impl NowOrLater {
    async fn wait(&self, event: Event) -> Result<Woken, AdmitError> {
        let reported = self.later.report(&event.session, &event.text, false, Some(&event.run));
        reported.await.map(|_| Woken::Done).map_err(AdmitError::Store)
    }
}

impl Wake for NowOrLater {
    fn system_event(&self, event: Event) -> BoxFuture<'_, Result<Woken, AdmitError>> {
        match event.mode {
            WakeMode::Now => Box::pin(self.now.say(event)),
            WakeMode::NextHeartbeat => Box::pin(self.wait(event)),
        }
    }
}

/// Anything that wakes. Cheap to clone.
pub type SharedWake = Arc<dyn Wake>;
