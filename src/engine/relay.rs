//! Messages from inside the gateway: handing one in, and finding out what became of it.

use telson_actors::channel::webchat::{ChatRecord, chat_prefix};
use telson_actors::cron::last_outside;
use telson_actors::inbox::{DedupeRecord, Fate, dedupe_key};
use telson_actors::journey::{self, Ending};
use telson_actors::message::{AccountKey, Destination, EnvelopeId, SessionKey};
use telson_actors::router::{Admission, AdmitError, Relayed};
use telson_actors::session::{Exchange, unsent_key};
use telson_actors::store::{Batch, StoreError};
use telson_actors::suspension::{Openness, Suspension};

use super::Engine;
use crate::methods::Taking;

/// A message that was handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// Its number.
    pub message: EnvelopeId,
    /// The session it went to: of a repeat, that of the first.
    pub session: SessionKey,
    /// Whether this call admitted it; not if it was known before.
    pub is_new: bool,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It waits, or is being answered.
    Waiting,
    /// It was answered.
    Answered {
        /// The turn.
        exchange: Box<Exchange>,
        /// Whether the answer is sent: not where the agent chose silence or a hook stopped it.
        is_sent: bool,
    },
    /// It could not be answered and waits for a person, for this reason.
    DeadLettered(String),
    /// It ended without a turn of its own, as commands do; this was said to its readers.
    Ended(Vec<String>),
}

impl Engine {
    /// Hands in a message from inside the gateway for a session that is known. Returns when it is
    /// durable. The same account and dedupe key again only tell of the first.
    ///
    /// # Errors
    /// Nothing is known to be admitted; offer the same again under the same key.
    pub async fn relay(&self, relayed: Relayed) -> Result<Relay, AdmitError> {
        let (account, id) = (relayed.inbound.account.clone(), relayed.inbound.dedupe_key.clone());
        let mut admission = Admission::new(account.clone());
        admission.relayed.push(relayed);
        let admitted = self.0.admissions.admit(admission).await?;
        let is_new = admitted.admitted > 0;
        match self.relayed(&account, &id).map_err(AdmitError::Store)? {
            Some((message, session)) => Ok(Relay { message, session, is_new }),
            None => Err(AdmitError::Restarting),
        }
    }

    /// What a dedupe key was admitted as.
    ///
    /// # Errors
    /// A damaged record.
    pub fn relayed(
        &self,
        account: &AccountKey,
        id: &str,
    ) -> Result<Option<(EnvelopeId, SessionKey)>, StoreError> {
        let record: Option<DedupeRecord> = self.0.store.get(&dedupe_key(account, id))?;
        Ok(match record.map(|record| record.fate) {
            Some(Fate::Admitted { envelope, session }) => Some((envelope, session)),
            Some(Fate::Declined { .. } | Fate::History) | None => None,
        })
    }

    /// What has become of a message. An end is told only once it is durable.
    ///
    /// # Errors
    /// A damaged record, or a store that has failed.
    pub async fn outcome(
        &self,
        session: &SessionKey,
        message: EnvelopeId,
    ) -> Result<Outcome, StoreError> {
        let store = &self.0.store;
        let ending = journey::ending(store, session, message)?;
        if ending == Ending::Waiting {
            return Ok(Outcome::Waiting);
        }
        // What was read may be on its way to the disk; this stands behind it.
        store.commit(Batch::new()).await?;
        match ending {
            Ending::Waiting => return Ok(Outcome::Waiting),
            Ending::Told(exchange) => {
                let is_sent = !store.contains(&unsent_key(exchange.turn))?;
                return Ok(Outcome::Answered { exchange, is_sent });
            }
            Ending::Dead(letter) => {
                return Ok(Outcome::DeadLettered(format!("{}: {}", letter.id, letter.reason)));
            }
            Ending::Forgotten => {}
        }
        let said = store.scan::<ChatRecord>(&chat_prefix(session.as_str()))?.into_iter();
        let said = said.map(|(_, record)| record).filter(|record| record.number > message.0);
        Ok(Outcome::Ended(said.map(|record| record.text).collect()))
    }

    /// Has a session that nobody comes back to removed when `cron.sessionRetention` has passed; it
    /// stays where this engine runs no jobs. Becomes durable with the next thing that does.
    ///
    /// # Errors
    /// What the store says.
    pub fn forget_later(&self, session: &SessionKey) -> Result<(), StoreError> {
        let jobs = self.0.cron.as_ref();
        jobs.map_or(Ok(()), |jobs| jobs.forget_later(session, self.0.clock.now()))
    }

    /// Where a session last spoke to somebody outside; what only readers over the gateway saw does
    /// not count.
    ///
    /// # Errors
    /// A damaged record.
    pub fn last_route(&self, session: &SessionKey) -> Result<Option<Destination>, StoreError> {
        last_outside(&self.0.store, session)
    }

    /// The accounts messages can be sent from.
    pub fn accounts(&self) -> impl Iterator<Item = &AccountKey> {
        self.0.outbox.accounts()
    }

    /// Replies of an account that wait to be sent.
    pub(crate) fn undelivered(&self, account: &AccountKey) -> usize {
        self.0.outbox.backlog(account).len()
    }

    /// Becoming quiet for a while, and what is taken in meanwhile.
    pub fn suspension(&self) -> &Suspension {
        &self.0.suspension
    }

    /// What callers of methods may begin.
    pub(crate) fn taking(&self) -> Taking {
        let intake = self.0.suspension.intake();
        match intake.openness() {
            Openness::Shut => Taking::Nothing,
            _ if intake.has_ended() => Taking::Ending,
            Openness::Own => Taking::Quieter,
            Openness::Open => Taking::All,
        }
    }

    /// Whether it takes new work: not any more once it drains, and not while it is suspended.
    pub fn is_admitting(&self) -> bool {
        self.0.suspension.intake().is_open()
    }
}
