//! What channels hold: the way in.

use telson_supervision::{Registry, Via};

use super::actor::{NAME, RouterMessage};
use super::admission::{Admission, AdmitError, Admitted};

/// The handle of the router, for those who bring messages. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Admissions(Via<RouterMessage>);

impl Admissions {
    /// The way in of an engine.
    pub fn new(registry: &Registry) -> Self {
        Self(registry.via(NAME))
    }

    /// Asks the router to look for messages that nobody has handed to their session.
    pub fn reread(&self) {
        if self.0.cast(RouterMessage::Reread).is_err() {
            tracing::debug!("the router is not up; it reads the store when it starts");
        }
    }

    /// Admits, and returns once everything is durable: then, and only then, the platform may be
    /// told (D1).
    ///
    /// # Errors
    /// Nothing was acknowledged: keep the platform's cursor and offer the same again later.
    pub async fn admit(&self, admission: Admission) -> Result<Admitted, AdmitError> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.0
            .cast(RouterMessage::Admit(admission, sender.into()))
            .map_err(|_| AdmitError::Restarting)?;
        receiver.await.map_err(|_| AdmitError::Restarting)?
    }
}
