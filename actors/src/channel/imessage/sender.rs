//! Sending through `imsg`, and settling doubt from chat.db.
//!
//! Messages' own database is the record of what went out: before a send its highest row id is
//! journalled, afterwards our row above it, in the same chat, with the same text, is the proof. An
//! attempt whose outcome is unknown is never repeated on its own account, and never over another
//! transport.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chatdb::{ChatDb, ChatDbError, Identity, path_identity};
use super::echoes::Echoes;
use super::rpc::{RpcClient, RpcError};
use super::text_hash::{Match, SendEvidence, TextHash, match_outgoing};
use super::wire::{RpcFault, send_params};
use crate::channel::{
    Capabilities, Channel, Evidence, LengthUnit, Outbound, Receipt, SendFailure, SendOutcome,
    Settled,
};
use crate::clock::Clock;

/// How long SQLite waits for a lock by itself.
const BUSY_TIMEOUT: Duration = Duration::from_millis(1500);
/// How long an answered send is looked for before doubt sets in.
const CONFIRM_MAX: Duration = Duration::from_secs(10);
/// Pause between looks while an answered send is being confirmed.
const CONFIRM_EVERY: Duration = Duration::from_millis(100);
/// Pause between looks for the row of a send that has no answer yet.
const UNANSWERED_EVERY: Duration = Duration::from_secs(1);
/// How long an answer may stay away once the row is there.
const ANSWER_GRACE: Duration = Duration::from_secs(2);
/// Pause between looks when chat.db itself cannot be read.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(5);

/// How an account sends.
#[derive(Debug, Clone)]
pub(super) struct SenderConfig {
    /// The database that proves what went out.
    pub db_path: PathBuf,
    /// Longest text of one message, in characters.
    pub text_max: usize,
    /// `auto`, `imessage` or `sms`, for targets that are no chats.
    pub service: String,
    /// The region for phone numbers without a country code.
    pub region: String,
    /// How long a send may take; AppleScript has been seen to stall for minutes.
    pub send_max: Duration,
    /// How long evidence is waited for. Stalled sends have completed minutes later.
    pub settle_max: Duration,
}

/// The sending half of an account.
pub(super) struct Sender {
    config: SenderConfig,
    rpc: RpcClient,
    echoes: Echoes,
    clock: Clock,
    db: Arc<Mutex<Option<ChatDb>>>,
}

/// What is journalled before a send.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Journalled {
    evidence: SendEvidence,
    dev: u64,
    ino: u64,
    unique_id: Option<String>,
}

impl Journalled {
    fn is_of(&self, identity: &Identity) -> bool {
        identity.is(self.dev, self.ino, self.unique_id.as_deref())
    }
}

impl Sender {
    /// A sender over an account's `imsg` child.
    pub(super) fn new(config: SenderConfig, rpc: RpcClient, echoes: Echoes, clock: Clock) -> Self {
        Self { config, rpc, echoes, clock, db: Arc::default() }
    }

    /// Runs a look at chat.db on a thread that may block. A failed look closes the connection.
    async fn with_db<T: Send + 'static>(
        &self,
        look: impl FnOnce(&ChatDb) -> Result<T, ChatDbError> + Send + 'static,
    ) -> Result<T, ChatDbError> {
        let (db, path) = (self.db.clone(), self.config.db_path.clone());
        let looked = tokio::task::spawn_blocking(move || {
            let mut slot = db.lock().unwrap_or_else(PoisonError::into_inner);
            let is_current = match slot.as_ref() {
                Some(open) => open.identity()?.file == path_identity(&path)?,
                None => false,
            };
            if !is_current {
                *slot = None;
                *slot = Some(ChatDb::open(&path, BUSY_TIMEOUT)?);
            }
            let result = match slot.as_ref() {
                Some(open) => look(open),
                None => return Err(ChatDbError::Other { message: "not open".into() }),
            };
            if result.is_err() {
                *slot = None;
            }
            result
        });
        looked.await.unwrap_or_else(|error| {
            Err(ChatDbError::Other { message: format!("the reading thread failed: {error}") })
        })
    }

    async fn evidence(&self, part: &Outbound) -> Result<Journalled, ChatDbError> {
        let (target, text) = (part.to.target.clone(), TextHash::of(&part.text));
        self.with_db(move |db| {
            let (chat_guids, chat_identifier) = chats_of(db, &target)?;
            let identity = db.identity()?;
            Ok(Journalled {
                evidence: SendEvidence {
                    base_rowid: db.max_rowid()?,
                    chat_guids,
                    chat_identifier,
                    text,
                    guid: None,
                },
                dev: identity.file.dev,
                ino: identity.file.ino,
                unique_id: identity.unique_id,
            })
        })
        .await
    }

    /// What chat.db says about a send; `None` if it is another database by now.
    async fn look(&self, journalled: &Journalled) -> Result<Option<Match>, ChatDbError> {
        let journalled = journalled.clone();
        self.with_db(move |db| {
            if !journalled.is_of(&db.identity()?) {
                return Ok(None);
            }
            let rows = db.outgoing_above(journalled.evidence.base_rowid)?;
            Ok(Some(match_outgoing(&journalled.evidence, &rows)))
        })
        .await
    }

    async fn attempt(&self, part: &Outbound, journalled: &Journalled) -> SendOutcome {
        let params =
            send_params(&part.to.target, &part.text, &self.config.service, &self.config.region);
        tokio::select! {
            answer = self.rpc.call("send", params, self.config.send_max) => match answer {
                Ok(answer) => self.confirm(journalled, answer).await,
                Err(error) => classify(error),
            },
            outcome = self.proof_without_answer(journalled) => {
                self.rpc.restart("imsg sent a message and did not say so");
                outcome
            }
        }
    }

    /// The row is the proof, also when the child that wrote it hangs: nobody behind it in the
    /// queue should wait for the deadline of its answer.
    async fn proof_without_answer(&self, journalled: &Journalled) -> SendOutcome {
        loop {
            tokio::time::sleep(UNANSWERED_EVERY).await;
            if let Ok(Some(found)) = self.look(journalled).await
                && let Some(outcome) = proof(&found)
            {
                // The answer normally comes right behind the row, and says more.
                tokio::time::sleep(ANSWER_GRACE).await;
                return outcome;
            }
        }
    }

    /// An answer is a promise; the row is the proof.
    async fn confirm(&self, journalled: &Journalled, answer: Value) -> SendOutcome {
        let mut journalled = journalled.clone();
        journalled.evidence.guid = answer.get("guid").and_then(Value::as_str).map(str::to_owned);
        let begun = self.clock.steady();
        loop {
            if let Ok(Some(found)) = self.look(&journalled).await
                && let Some(outcome) = proof(&found)
            {
                return outcome;
            }
            if self.clock.steady().since(begun) >= CONFIRM_MAX {
                return SendOutcome::InDoubt(
                    "imsg accepted it, but chat.db does not show it".into(),
                );
            }
            tokio::time::sleep(CONFIRM_EVERY).await;
        }
    }

    async fn settle(&self, part: &Outbound, evidence: &Evidence) -> Settled {
        let Ok(journalled) = serde_json::from_slice::<Journalled>(&evidence.0) else {
            return Settled::Unresolved("the journalled evidence is unreadable".into());
        };
        let waited = self.clock.now().since(part.attempted_at);
        let found = match self.look(&journalled).await {
            Ok(Some(found)) => found,
            Ok(None) => {
                return Settled::Unresolved("chat.db was replaced after the attempt".into());
            }
            Err(error) => {
                tracing::warn!(entry = part.entry, %error, "cannot look for a send in chat.db");
                return Settled::Wait(UNREADABLE_PAUSE);
            }
        };
        match proof(&found) {
            Some(SendOutcome::Sent(mut receipt)) => {
                receipt.note = join_notes("found in chat.db", &receipt.note);
                Settled::Sent(receipt)
            }
            Some(SendOutcome::NotSent(failure)) => Settled::NotSent(failure),
            Some(SendOutcome::InDoubt(_)) | None if waited < self.config.settle_max => {
                Settled::Wait(look_pause(waited))
            }
            Some(SendOutcome::InDoubt(_)) | None => give_up(found, waited),
        }
    }
}

impl Channel for Sender {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            text_max: self.config.text_max,
            text_unit: LengthUnit::Chars,
            // Rows of two sends at once could not be told apart when they say the same.
            sends_in_flight_max: 1,
            leaves_evidence: true,
        }
    }

    fn prepare<'a>(&'a self, part: &'a Outbound) -> BoxFuture<'a, Result<Evidence, SendFailure>> {
        Box::pin(async move {
            let journalled = self
                .evidence(part)
                .await
                .map_err(|error| SendFailure::transient(error.to_string()))?;
            serde_json::to_vec(&journalled)
                .map(Evidence)
                .map_err(|error| SendFailure::transient(error.to_string()))
        })
    }

    fn send<'a>(
        &'a self,
        part: &'a Outbound,
        evidence: &'a Evidence,
    ) -> BoxFuture<'a, SendOutcome> {
        Box::pin(async move {
            let Ok(journalled) = serde_json::from_slice::<Journalled>(&evidence.0) else {
                let failure = SendFailure::transient("the journalled evidence is unreadable");
                return SendOutcome::NotSent(failure);
            };
            let chat = journalled.evidence.chat_guids.first().cloned().unwrap_or_default();
            let text = journalled.evidence.text;
            self.echoes.begin(&chat, text);
            let outcome = self.attempt(part, &journalled).await;
            let guid = match &outcome {
                SendOutcome::Sent(receipt) => Some(receipt.platform_id.as_str()),
                SendOutcome::NotSent(_) | SendOutcome::InDoubt(_) => None,
            };
            self.echoes.end(&chat, text, guid);
            outcome
        })
    }

    fn reconcile<'a>(
        &'a self,
        part: &'a Outbound,
        evidence: &'a Evidence,
    ) -> BoxFuture<'a, Settled> {
        Box::pin(self.settle(part, evidence))
    }
}

/// The guids and the identifier of the chats a target names; one person has a chat per service.
fn chats_of(db: &ChatDb, target: &str) -> Result<(Vec<String>, Option<String>), ChatDbError> {
    let named = match target.split_once(':') {
        Some(("chat_guid", guid)) => {
            let chat = db.chat_by_guid(guid)?;
            if chat.is_none() {
                return Ok((vec![guid.to_owned()], None));
            }
            chat
        }
        Some(("chat_id", number)) => match number.parse() {
            Ok(rowid) => db.chat_by_rowid(rowid)?,
            Err(_) => None,
        },
        Some(("chat_identifier", identifier)) => {
            db.chats_by_identifier(identifier)?.into_iter().next()
        }
        _ => db.chats_by_identifier(target)?.into_iter().next(),
    };
    let identifier = match &named {
        Some(chat) => chat.address().to_owned(),
        None => target.to_owned(),
    };
    let mut guids: Vec<String> = named.into_iter().map(|chat| chat.guid).collect();
    for chat in db.chats_by_identifier(&identifier)? {
        if !guids.contains(&chat.guid) {
            guids.push(chat.guid);
        }
    }
    Ok((guids, Some(identifier)))
}

/// What a match proves, if it proves anything.
fn proof(found: &Match) -> Option<SendOutcome> {
    let sent = |guid: &str, note: &str| {
        Some(SendOutcome::Sent(Receipt { platform_id: guid.to_owned(), note: note.to_owned() }))
    };
    match found {
        Match::One { guid } => sent(guid, ""),
        Match::Many { guids } => {
            sent(guids.first().map_or("", String::as_str), "Messages wrote it more than once")
        }
        Match::Failed { code, .. } => {
            let message = format!("Messages could not deliver it (error {code})");
            Some(SendOutcome::NotSent(SendFailure::permanent(message)))
        }
        Match::None | Match::Ghost { .. } | Match::Pending { .. } => None,
    }
}

/// What is left to say when the time for evidence is over.
fn give_up(found: Match, waited: Duration) -> Settled {
    let seconds = waited.as_secs();
    match found {
        // Accepted and stored; sending it again would double it as soon as the network is back.
        Match::Pending { guid } => Settled::Sent(Receipt {
            platform_id: guid,
            note: format!("in chat.db, not confirmed as sent after {seconds} s"),
        }),
        Match::Ghost { .. } => Settled::Unresolved(
            "Messages left an empty row outside the chat: it probably never arrived".into(),
        ),
        _ => Settled::Unresolved(format!("no row in chat.db {seconds} s after the attempt")),
    }
}

fn look_pause(waited: Duration) -> Duration {
    match waited.as_secs() {
        0..5 => Duration::from_millis(250),
        5..60 => Duration::from_secs(2),
        _ => Duration::from_secs(10),
    }
}

fn join_notes(first: &str, second: &str) -> String {
    if second.is_empty() { first.into() } else { format!("{first}; {second}") }
}

/// What an error proves about a send.
fn classify(error: RpcError) -> SendOutcome {
    let fault = match error {
        RpcError::NotStarted(message) => {
            return SendOutcome::NotSent(SendFailure::transient(message));
        }
        RpcError::NoAnswer(message) => return SendOutcome::InDoubt(message),
        RpcError::Fault(fault) => fault,
    };
    let text = format!("imsg answered {}: {}", fault.code, fault.message);
    if is_permission(&fault) {
        let text = format!("{text}; allow Automation of Messages for the program that runs this");
        return SendOutcome::NotSent(SendFailure::permission(text));
    }
    match fault.code {
        // Not JSON-RPC, no such method, wrong parameters: refused before anything began.
        -32700 | -32600 | -32601 | -32602 => SendOutcome::NotSent(SendFailure::permanent(text)),
        // Busy, database unavailable, bridge not running, lane blocked: nothing began.
        -32000 | -32002 | -32003 | -32004 => SendOutcome::NotSent(SendFailure::transient(text)),
        _ if fault.says_not_started() => SendOutcome::NotSent(SendFailure::transient(text)),
        _ => SendOutcome::InDoubt(text),
    }
}

/// AppleScript errors that come before any send: not authorised, no consent.
fn is_permission(fault: &RpcFault) -> bool {
    fault.code == -32603 && (fault.message.contains("(-1743)") || fault.message.contains("(-1744)"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::channel::FailureClass;

    fn fault(code: i64, message: &str, data: Value) -> SendOutcome {
        classify(RpcError::Fault(RpcFault { code, message: message.into(), data }))
    }

    fn class(outcome: SendOutcome) -> Option<FailureClass> {
        match outcome {
            SendOutcome::NotSent(failure) => Some(failure.class),
            SendOutcome::Sent(_) | SendOutcome::InDoubt(_) => None,
        }
    }

    #[test]
    fn only_proof_of_nothing_sent_allows_another_attempt() {
        let not_started = json!({"disposition": "not_started", "retry_safe": true});
        let may_have = json!({"disposition": "may_have_completed", "retry_safe": false});
        let transient = Some(FailureClass::Transient);
        assert_eq!(class(fault(-32603, "no", not_started)), transient);
        assert_eq!(class(fault(-32000, "busy", Value::Null)), transient);
        assert_eq!(class(fault(-32004, "blocked", Value::Null)), transient);
        assert_eq!(class(fault(-32602, "bad", Value::Null)), Some(FailureClass::Permanent));
        let denied = fault(-32603, "Not authorized to send Apple events (-1743)", Value::Null);
        assert_eq!(class(denied), Some(FailureClass::Permission));
        let spawn = classify(RpcError::NotStarted("no imsg".into()));
        assert_eq!(class(spawn), transient);

        for doubtful in [
            fault(-32001, "unknown", may_have),
            fault(-32603, "AppleEvent timed out (-1712)", Value::Null),
            fault(-32603, "Can't get chat. (-1728)", Value::Null),
            classify(RpcError::NoAnswer("killed".into())),
        ] {
            assert!(matches!(doubtful, SendOutcome::InDoubt(_)), "{doubtful:?}");
        }
    }
}
