//! The lane of sends: one at a time, each doing what its mode says.

use std::io;
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use telson_actors::clock::Clock;

use super::ledger::{Entry, Ledger, Step};
use super::methods;
use super::modes::{Effect, Ending, Mode, asked_for, roll};
use super::options::Options;
use super::rpc::{Params, Request, RpcError};
use crate::demo::messages_db::{
    Chat, ChatName, ERROR_UNREACHABLE, Error, File, MessagesDb, OutgoingShape, Row,
};

/// Exit code of the process in a dying mode.
const EXIT_CODE: i32 = 3;
/// Between the two rows of a doubled send, as observed.
const DOUBLE_GAP: Duration = Duration::from_millis(60);
/// The parameters that name a chat.
const TARGETS: [&str; 4] = ["to", "chat_id", "chat_identifier", "chat_guid"];

/// Performs sends in the order they were accepted.
pub(super) struct Lane<'a> {
    db: &'a Path,
    options: Options,
    ledger: Ledger,
    seed: u64,
    /// Ends when the input does.
    closed: Receiver<()>,
}

impl<'a> Lane<'a> {
    pub(super) fn new(db: &'a Path, options: Options, closed: Receiver<()>) -> io::Result<Self> {
        let ledger = Ledger::open(options.ledger.as_deref())?;
        // Without a chosen seed every process rolls differently.
        let moment = Clock::system().now().0.unsigned_abs();
        let seed = options.seed.unwrap_or(moment ^ (u64::from(std::process::id()) << 32));
        Ok(Self { db, options, ledger, seed, closed })
    }

    /// The outcome of one request; `None` if its caller is never to hear of it.
    pub(super) fn answer(&mut self, request: &Request) -> Option<Result<Value, RpcError>> {
        if request.method == "send" {
            return self.send(&request.params).transpose();
        }
        Some(methods::call(self.db, request))
    }

    fn send(&mut self, params: &Params) -> Result<Option<Value>, RpcError> {
        let target = chat_name(params)?;
        let text = params.get("text").and_then(Value::as_str).unwrap_or_default();
        if text.is_empty() && !params.contains_key("file") {
            return Err(RpcError::invalid_params("text or file is required"));
        }
        let mode = self.mode(text)?;
        let (effect, ending) = mode.script();
        self.note(Step::Accepted, mode, params, None)?;
        if effect == Effect::None {
            return self.end(ending, mode, params, None);
        }
        let db = methods::open(self.db)?;
        let chat = db.find_chat(&target).map_err(|error| self.no_target(&error))?;
        thread::sleep(self.pause(mode));
        let row = perform(&db, &chat, params, effect, self.options.delay);
        let row = row.map_err(|error| RpcError::internal(error.to_string()))?;
        self.note(Step::Effect, mode, params, Some(&row))?;
        self.end(ending, mode, params, Some((&chat, &row)))
    }

    /// The text's own wish, else what the odds say, else the general mode.
    fn mode(&self, text: &str) -> Result<Mode, RpcError> {
        let wish = asked_for(text, self.ledger.attempts(text));
        let wish = wish.map_err(|unknown| RpcError::invalid_params(unknown.to_string()))?;
        let drawn = || self.options.odds.pick(roll(self.seed, self.ledger.accepted()));
        Ok(wish.or_else(drawn).unwrap_or(self.options.mode))
    }

    fn pause(&self, mode: Mode) -> Duration {
        let extra = if mode == Mode::Slow { self.options.slow } else { Duration::ZERO };
        self.options.delay + extra
    }

    fn end(
        &mut self,
        ending: Ending,
        mode: Mode,
        params: &Params,
        sent: Option<(&Chat, &Row)>,
    ) -> Result<Option<Value>, RpcError> {
        match ending {
            Ending::Receipt | Ending::BareOk => {
                self.note(Step::Replied, mode, params, sent.map(|(_, row)| row))?;
                Ok(Some(receipt(sent.filter(|_| ending == Ending::Receipt))))
            }
            Ending::Silence => {
                // Nothing is ever sent on it: this waits until the input has ended.
                while self.closed.recv().is_ok() {}
                Ok(None)
            }
            Ending::Exit => std::process::exit(EXIT_CODE),
            Ending::Unknown => Err(RpcError::outcome_unknown()),
            Ending::NotStarted => Err(RpcError::not_started("Delivery failed before dispatch")),
            Ending::Denied => {
                let told = "Not authorized to send Apple events to Messages. (-1743)";
                Err(RpcError::internal(told))
            }
        }
    }

    fn no_target(&self, error: &Error) -> RpcError {
        match error {
            Error::NoChat(_) => RpcError::not_started("Can't get chat. (-1728)"),
            _ => methods::database_error(self.db, error),
        }
    }

    fn note(
        &mut self,
        step: Step,
        mode: Mode,
        params: &Params,
        row: Option<&Row>,
    ) -> Result<(), RpcError> {
        let named = |key: &&str| params.get(*key).map(|value| ((*key).to_owned(), value.clone()));
        let entry = Entry {
            at_ms: 0,
            pid: 0,
            step,
            mode: mode.name().to_owned(),
            text: params.get("text").and_then(Value::as_str).unwrap_or_default().to_owned(),
            target: TARGETS.iter().filter_map(named).collect(),
            rowid: row.map(|row| row.rowid),
            guid: row.map(|row| row.guid.clone()),
        };
        let written = self.ledger.note(entry);
        written.map_err(|error| RpcError::internal(format!("write the ledger: {error}")))
    }
}

/// Lets Messages write what the effect says; the answer is the first row.
/// It is delivered a little later than sent, so that a reader may see the state between.
fn perform(
    db: &MessagesDb,
    chat: &Chat,
    params: &Params,
    effect: Effect,
    delivery: Duration,
) -> Result<Row, Error> {
    let text = params.get("text").and_then(Value::as_str).unwrap_or_default();
    if effect == Effect::Ghost {
        return db.outgoing(chat, text, OutgoingShape::Ghost);
    }
    let file = params.get("file").and_then(Value::as_str).map(file_at);
    let row = match &file {
        Some(file) if text.is_empty() => db.accept_file(chat, file)?,
        _ => db.accept(chat, text)?,
    };
    if effect == Effect::FailedRow {
        db.mark_failed(&row, ERROR_UNREACHABLE)?;
        return Ok(row);
    }
    db.mark_sent(&row)?;
    if let (Some(file), false) = (&file, text.is_empty()) {
        // A text with a file is two sends.
        db.mark_sent(&db.accept_file(chat, file)?)?;
    }
    if effect == Effect::TwoRows {
        thread::sleep(DOUBLE_GAP);
        db.mark_sent(&db.accept(chat, text)?)?;
    }
    thread::sleep(delivery);
    db.mark_delivered(&row)?;
    Ok(row)
}

fn file_at(path: &str) -> File {
    let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let media_type = "application/octet-stream".to_owned();
    let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    File { name, media_type, path: Some(path.to_owned()), bytes }
}

/// The one chat the parameters name.
fn chat_name(params: &Params) -> Result<ChatName, RpcError> {
    let mut named = TARGETS.iter().filter_map(|key| Some((*key, params.get(*key)?)));
    let (Some((key, value)), None) = (named.next(), named.next()) else {
        let detail = format!("exactly one of {} is required", TARGETS.join(", "));
        return Err(RpcError::invalid_params(detail));
    };
    match (key, value) {
        ("chat_id", value) => value.as_i64().map(ChatName::Rowid),
        ("chat_guid", Value::String(guid)) => Some(ChatName::Guid(guid.clone())),
        (_, Value::String(identifier)) => Some(ChatName::Identifier(identifier.clone())),
        _ => None,
    }
    .ok_or_else(|| RpcError::invalid_params(format!("{key} has the wrong type")))
}

fn receipt(sent: Option<(&Chat, &Row)>) -> Value {
    let mut receipt = json!({"ok": true, "transport": "applescript"});
    if let Some((chat, row)) = sent {
        receipt["id"] = json!(row.rowid);
        receipt["guid"] = json!(row.guid);
        receipt["chat_guid"] = json!(chat.guid);
        receipt["service"] = json!(chat.service.name());
    }
    receipt
}
