//! Telling agents what happened, and their heartbeats.

use telson_actors::heartbeat::{Heartbeats, Reason, Reporter, WakeMode};
use telson_actors::message::SessionKey;
use telson_actors::store::StoreError;
use telson_actors::system_event::{Added, SystemEvents};

use super::Engine;

impl Engine {
    /// Tells the agent of a session what happened: a line above its next turn's message, or with
    /// [`WakeMode::Now`] a turn of its own. Durable when this returns; with an `id` it is told once,
    /// however often this is called, also after a crash.
    ///
    /// # Errors
    /// Nothing was told; do it again.
    pub async fn system_event(
        &self,
        session: &SessionKey,
        text: &str,
        mode: WakeMode,
        id: Option<&str>,
    ) -> Result<Added, StoreError> {
        self.reporter().report(session, text, mode, id).await
    }

    /// The way in for system events, for actors that report them.
    pub fn reporter(&self) -> Reporter {
        Reporter::new(self.system_events(), self.heartbeats())
    }

    /// The system events that wait.
    pub fn system_events(&self) -> SystemEvents {
        self.0.events.clone()
    }

    /// Heartbeats: the last one, those to come, and whether there are any.
    pub fn heartbeats(&self) -> Heartbeats {
        self.0.beats.clone()
    }

    /// Lets an agent look whether something needs attention, as if it were time. Its gates hold.
    pub fn request_heartbeat(&self, agent: &str) {
        let session = self.0.beats.session_of(agent);
        self.0.beats.wake(&session, Reason::Requested);
    }
}
