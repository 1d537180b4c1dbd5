//! What a channel offers, and what it is told.

use crate::client_tool::ClientTools;
use crate::dead_letter::Reason;
use crate::message::{AccountKey, Inbound, SessionKey};
use crate::store::StoreError;

/// Everything a channel has read since its last admission: durable together or not at all.
#[derive(Debug, Clone)]
pub struct Admission {
    /// The account.
    pub account: AccountKey,
    /// Messages, in the order in which they are to be answered.
    pub inbound: Vec<Inbound>,
    /// Messages from inside the gateway, for sessions that are known. Nobody's access is asked.
    pub relayed: Vec<Relayed>,
    /// What the channel itself has decided not to offer, for the record.
    pub declined: Vec<DeclinedRow>,
    /// Platform ids that were there before the account was first watched.
    pub history: Vec<String>,
    /// How far the channel has read, in its own words.
    pub cursor: Option<Vec<u8>>,
}

impl Admission {
    /// Nothing yet.
    pub fn new(account: AccountKey) -> Self {
        Self {
            account,
            inbound: Vec::new(),
            relayed: Vec::new(),
            declined: Vec::new(),
            history: Vec::new(),
            cursor: None,
        }
    }

    /// Whether there is nothing to make durable.
    pub fn is_empty(&self) -> bool {
        self.is_only_cursor() && self.cursor.is_none()
    }

    /// Whether it brings nothing that would stay in the store.
    pub fn is_only_cursor(&self) -> bool {
        !self.has_messages() && self.declined.is_empty() && self.history.is_empty()
    }

    /// Whether it brings messages to be answered.
    pub fn has_messages(&self) -> bool {
        !self.inbound.is_empty() || !self.relayed.is_empty()
    }
}

/// A message from inside the gateway, such as one agent's to another.
#[derive(Debug, Clone)]
pub struct Relayed {
    /// The session it is for.
    pub session: SessionKey,
    /// The agent that answers there.
    pub agent: String,
    /// The message. Its dedupe key must be none that a platform could give.
    pub inbound: Inbound,
    /// Tools of whoever asks, with a message of web chat's account. They are durable with it, and
    /// nothing of them is if it is refused.
    pub tools: Option<ClientTools>,
}

/// A platform message the channel declines.
#[derive(Debug, Clone)]
pub struct DeclinedRow {
    /// The platform's id.
    pub dedupe_key: String,
    /// Who wrote it.
    pub sender: String,
    /// What it says, as far as known.
    pub text: String,
    /// Why it is declined.
    pub reason: String,
    /// Set if a person should look at it.
    pub dead_letter: Option<Reason>,
}

/// What became of an admission.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Admitted {
    /// Messages bound to a session.
    pub admitted: usize,
    /// Messages refused by policy, and rows declined by the channel.
    pub declined: usize,
    /// Messages known before.
    pub duplicates: usize,
}

/// Why nothing was admitted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AdmitError {
    /// Too many messages wait for an answer.
    #[error("{waiting} messages wait for an answer; nothing more is admitted until some are done")]
    Busy {
        /// How many.
        waiting: u64,
    },
    /// Too many replies of the account wait to be sent.
    #[error(
        "{undelivered} replies wait to be sent on this account; nothing more of it is admitted \
         until some are out"
    )]
    Congested {
        /// How many.
        undelivered: usize,
    },
    /// The disk is nearly full.
    #[error("{0}")]
    DiskFull(String),
    /// Somebody has asked for quiet.
    #[error("the gateway is suspended for a moment; nothing is admitted until it goes on")]
    Suspended,
    /// The router is being restarted.
    #[error("the router is restarting")]
    Restarting,
    /// The store can't make it durable.
    #[error(transparent)]
    Store(StoreError),
}
