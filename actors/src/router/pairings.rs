//! What an operator does about people who want in: look, approve, reject, take back.
//!
//! Looking reads the store; everything else goes to the router, which owns the books.

use std::sync::Arc;

use telson_supervision::{Registry, Via};

use super::actor::{NAME, RouterMessage};
use super::pairing::{CodeError, PairingBook, PairingRequest};
use super::record::pairing_key;
use super::rules::{DEFAULT_ACCOUNT, Rules};
use crate::clock::Clock;
use crate::message::AccountKey;
use crate::store::{Store, StoreError};

/// What the operator has decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The person with this code may write direct messages.
    Approve(String),
    /// The person with this code may not. They can ask again.
    Reject(String),
    /// This person may not any more.
    Revoke(String),
}

/// A verdict that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Whom it was about, in the form in which ids are compared.
    pub sender: String,
    /// Whether a note to them is on its way.
    pub is_told: bool,
}

/// Why nothing was decided.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PairingError {
    /// Nobody speaks for us there.
    #[error("there is no account {account}; {}", known(.accounts))]
    NoAccount {
        /// What was named.
        account: AccountKey,
        /// What there is.
        accounts: Vec<AccountKey>,
    },
    /// The code can't be used.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The code is one of another account of the channel.
    #[error(
        "no request with this code waits on {named}, but one does on {right}: name that account"
    )]
    Elsewhere {
        /// The account that was named.
        named: AccountKey,
        /// The account on which it waits.
        right: AccountKey,
    },
    /// Nothing to take back.
    #[error("{sender} has no approval on {account}; who is in allowFrom is let in by the config")]
    NotPaired {
        /// Who.
        sender: String,
        /// Where.
        account: AccountKey,
    },
    /// The router is not up; whether it has decided before is in the list.
    #[error("the router is restarting; look at the list, then try again")]
    Restarting,
    /// It could not be made durable.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn known(accounts: &[AccountKey]) -> String {
    let names: Vec<String> = accounts.iter().map(ToString::to_string).collect();
    if names.is_empty() {
        return "no channel is configured".into();
    }
    format!("there are {}", names.join(", "))
}

/// The requests and approvals of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountPairings {
    /// The account.
    pub account: AccountKey,
    /// Who waits, oldest first.
    pub pending: Vec<PairingRequest>,
    /// Who is let in.
    pub paired: Vec<String>,
}

/// The handle of the pairing books. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pairings {
    store: Store,
    clock: Clock,
    rules: Arc<Rules>,
    router: Via<RouterMessage>,
}

impl Pairings {
    /// A handle.
    pub fn new(store: Store, clock: Clock, rules: Arc<Rules>, registry: &Registry) -> Self {
        Self { store, clock, rules, router: registry.via(NAME) }
    }

    /// An account of a channel; its default one unless another is named.
    ///
    /// # Errors
    /// [`PairingError::NoAccount`].
    pub fn account(
        &self,
        channel: &str,
        account: Option<&str>,
    ) -> Result<AccountKey, PairingError> {
        let default = self.rules.default_accounts.get(channel).map(String::as_str);
        let account = account.unwrap_or(default.unwrap_or(DEFAULT_ACCOUNT));
        let account = AccountKey::new(channel, account);
        if self.rules.access.contains_key(&account) {
            return Ok(account);
        }
        let accounts = self.rules.access.keys().cloned().collect();
        Err(PairingError::NoAccount { account, accounts })
    }

    /// Who waits and who is let in, on every configured account.
    ///
    /// # Errors
    /// What the store answers.
    pub fn list(&self) -> Result<Vec<AccountPairings>, StoreError> {
        let now = self.clock.now();
        let accounts = self.rules.access.keys().map(|account| {
            let book: PairingBook = self.store.get(&pairing_key(account))?.unwrap_or_default();
            Ok(AccountPairings {
                account: account.clone(),
                pending: book.pending(now).cloned().collect(),
                paired: book.paired().map(str::to_owned).collect(),
            })
        });
        accounts.collect()
    }

    /// Makes a verdict durable, and only then answers.
    ///
    /// # Errors
    /// See [`PairingError`]; nothing was decided, but for [`PairingError::Restarting`].
    pub async fn judge(
        &self,
        account: &AccountKey,
        verdict: Verdict,
    ) -> Result<Judged, PairingError> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.router
            .cast(RouterMessage::Judge(account.clone(), verdict, sender.into()))
            .map_err(|_| PairingError::Restarting)?;
        receiver.await.map_err(|_| PairingError::Restarting)?
    }
}
