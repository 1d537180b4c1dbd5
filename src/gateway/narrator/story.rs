//! What clients are told of runs. Pure: what happens goes in with its time, events come out.
//!
//! A run is a message that somebody wants answered; a turn answers one or more of them and is told
//! under the run of its first. What holds:
//! * A run that is open gets exactly one ending, whatever order news arrives in: `final`, `aborted`
//!   or `error`. A run that is not open gets none.
//! * The deltas between two beginnings of an answer, put together, are the text that is told; the
//!   first is told at once, later ones are gathered.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use serde_json::{Value, json};
use telson_actors::clock::Timestamp;
use telson_actors::event::AttemptFailed;
use telson_actors::message::SessionKey;
use telson_actors::session::command::Command;
use telson_actors::session::{Exchange, Said};
use telson_actors::stream::StreamTool;

use super::tale::{Tale, Told};
use crate::methods::chat::view::{agent_of, answer_text, model_of, run_of, run_of_exchange};

/// How long pieces of an answer are gathered.
pub(crate) const GATHER: Duration = Duration::from_millis(150);
/// A run that nobody has heard of for this long is looked up.
const LOOK_AFTER: Duration = Duration::from_secs(2);
/// A run whose message never came to the store was given up by its client.
const GIVEN_UP_AFTER: Duration = Duration::from_mins(1);

/// A moment: what clocks on walls say, and the time that never steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) wall: Timestamp,
    pub(crate) steady: Timestamp,
}

/// Everything that is open. Bounded by the messages that wait for an answer.
#[derive(Debug, Default)]
pub(crate) struct Story {
    open: HashMap<String, Open>,
    turns: HashMap<u64, Turn>,
    /// Turns with untold text, by the time it is to be told.
    untold: BTreeSet<(Timestamp, u64)>,
}

/// A run without an ending.
#[derive(Debug)]
struct Open {
    session: String,
    agent: String,
    seq: u64,
    since: Timestamp,
    /// When something was last heard of it.
    heard: Timestamp,
}

/// A turn in flight.
#[derive(Debug)]
struct Turn {
    run: String,
    text: String,
    /// Bytes of it that were told.
    told: usize,
    /// Whether any text was told that the next piece replaces.
    replaces: bool,
    has_told: bool,
    /// Whether its text is known from its beginning.
    is_whole: bool,
    told_at: Option<Timestamp>,
    /// Why there is no answer yet, until a piece of one comes.
    failed: Option<(AttemptFailed, At)>,
}

impl Story {
    /// Expects a run; `false` if it is open already.
    pub(crate) fn open(&mut self, run: &str, session: &str, agent: &str, at: At) -> bool {
        if self.open.contains_key(run) {
            return false;
        }
        let (session, agent) = (session.to_owned(), agent.to_owned());
        let open = Open { session, agent, seq: 0, since: at.steady, heard: at.steady };
        self.open.insert(run.to_owned(), open);
        true
    }

    /// Begins with what is open alone: what turns have said so far is not known any more.
    pub(crate) fn restart(&mut self) {
        self.turns.clear();
        self.untold.clear();
    }

    /// Expects it no more.
    pub(crate) fn forget(&mut self, run: &str) {
        self.open.remove(run);
    }

    /// The runs that are open in a session.
    pub(crate) fn open_in(&self, session: &str) -> Vec<String> {
        let open = self.open.iter().filter(|(_, open)| open.session == session);
        open.map(|(run, _)| run.clone()).collect()
    }

    /// The session of a run that is open.
    pub(crate) fn session_of(&self, run: &str) -> Option<&str> {
        self.open.get(run).map(|open| open.session.as_str())
    }

    /// Whether this turn is being told.
    pub(crate) fn knows(&self, turn: u64) -> bool {
        self.turns.contains_key(&turn)
    }

    /// A turn begins, or is heard of for the first time (then its text is not `is_whole`).
    pub(crate) fn begin(
        &mut self,
        turn: u64,
        (run, session): (&str, &SessionKey),
        is_whole: bool,
        at: At,
    ) -> Vec<Told> {
        if self.knows(turn) {
            return Vec::new();
        }
        self.open(run, session.as_str(), &agent_of(session), at);
        let state = Turn {
            run: run.to_owned(),
            text: String::new(),
            told: 0,
            replaces: false,
            has_told: false,
            is_whole,
            told_at: None,
            failed: None,
        };
        self.turns.insert(turn, state);
        let Some(mut tale) = self.tale(run, at) else { return Vec::new() };
        tale.agent("lifecycle", json!({"phase": "start", "startedAt": at.wall.0}));
        tale.agent("run_status", json!({"phase": "starting_model"}));
        tale.chat("status", json!({"phase": "starting_model"}));
        tale.changed("start");
        tale.told
    }

    /// A model begins an answer: what came of this one before counts no more.
    pub(crate) fn answering(&mut self, turn: u64) {
        let Some(state) = self.turns.get_mut(&turn) else { return };
        state.replaces = state.has_told;
        (state.told, state.is_whole) = (0, true);
        state.text.clear();
        let due = state.due(turn);
        self.untold.remove(&due);
    }

    /// A model has given no answer, and is asked again or another in its place.
    pub(crate) fn failed(&mut self, failed: &AttemptFailed, at: At) -> Vec<Told> {
        let Some(state) = self.turns.get_mut(&failed.turn) else { return Vec::new() };
        let run = state.run.clone();
        state.failed = Some((failed.clone(), at));
        let Some(mut tale) = self.tale(&run, at) else { return Vec::new() };
        tale.attempt(failed);
        tale.told
    }

    /// The turns that a model has failed and that have nothing of an answer yet, at most so many:
    /// what somebody is told who begins to listen now. Their pauses are what is left of them.
    pub(crate) fn failing(&mut self, max: usize, at: At) -> Vec<Value> {
        let turns = self.turns.values().filter_map(|turn| {
            let (mut failed, since) = turn.failed.clone()?;
            let waited = u64::try_from(at.steady.since(since.steady).as_millis());
            failed.pause_ms = failed.pause_ms.saturating_sub(waited.unwrap_or(u64::MAX));
            Some((turn.run.clone(), failed, since))
        });
        let failing: Vec<_> = turns.take(max).collect();
        let mut told = Vec::new();
        for (run, failed, since) in failing {
            let Some(Open { session, agent, .. }) = self.open.get(&run) else { continue };
            let mut seq = 0;
            let now = since.wall;
            let mut tale = Tale { run, session, agent, seq: &mut seq, now, told: Vec::new() };
            tale.attempt(&failed);
            told.extend(tale.told.into_iter().map(|it| it.payload));
        }
        told
    }

    /// The next piece of it.
    pub(crate) fn text(&mut self, turn: u64, piece: &str, at: At) -> Vec<Told> {
        self.answers(turn);
        let Some(state) = self.turns.get_mut(&turn).filter(|state| state.is_whole) else {
            return Vec::new();
        };
        state.text.push_str(piece);
        let due = state.due(turn);
        if due.0 <= at.steady {
            return self.tell(turn, at);
        }
        self.untold.insert(due);
        Vec::new()
    }

    /// A tool is called, or has answered.
    pub(crate) fn tool(&mut self, turn: u64, tool: &StreamTool, at: At) -> Vec<Told> {
        self.answers(turn);
        let Some(run) = self.turns.get(&turn).map(|state| state.run.clone()) else {
            return Vec::new();
        };
        let Some(mut tale) = self.tale(&run, at) else { return Vec::new() };
        let mut data = json!({"phase": "start", "name": tool.name, "toolCallId": tool.call});
        if let Some(status) = tool.ended {
            data["phase"] = json!("result");
            data["isError"] = json!(status != telson_actors::provider::ToolStatus::Done);
        }
        tale.agent("tool", data);
        tale.told
    }

    /// Its model answers after all.
    fn answers(&mut self, turn: u64) {
        if let Some(state) = self.turns.get_mut(&turn) {
            state.failed = None;
        }
    }

    /// Pieces are missing: no text is told until an answer begins anew.
    pub(crate) fn gap(&mut self) {
        for state in self.turns.values_mut() {
            state.is_whole = false;
        }
        self.untold.clear();
    }

    /// When there is something to be told at the latest.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        self.untold.first().map(|(due, _)| *due)
    }

    /// Tells what is due.
    pub(crate) fn flush(&mut self, at: At) -> Vec<Told> {
        let mut told = Vec::new();
        while let Some((due, turn)) = self.untold.first().copied() {
            if due > at.steady {
                break;
            }
            self.untold.pop_first();
            told.extend(self.tell(turn, at));
        }
        told
    }

    /// The transcript shows how these messages have ended.
    pub(crate) fn told(&mut self, session: &SessionKey, exchange: &Exchange, at: At) -> Vec<Told> {
        let mut told = self.tell(exchange.turn, at);
        let partial = self.close(exchange.turn);
        let first = run_of_exchange(exchange);
        for said in &exchange.said {
            let run = run_of(&said.platform_id, said.envelope.0);
            let is_first = run == first;
            told.extend(match exchange.unanswered() {
                Some(_) if is_stop(said) => self.finish(&run, None, at),
                Some(why) => {
                    let partial = partial.as_deref().filter(|_| is_first);
                    self.abort(&run, why, partial, at)
                }
                None => self.finish(&run, is_first.then_some(exchange), at),
            });
        }
        if self.open.contains_key(&first) {
            tracing::debug!(%session, run = first, "a turn ended without its first message");
        }
        told
    }

    /// A message was set aside.
    pub(crate) fn dead(
        &mut self,
        run: &str,
        turn: u64,
        (why, kind): (&str, &str),
        at: At,
    ) -> Vec<Told> {
        let partial = self.close(turn);
        let Some(mut tale) = self.tale(run, at) else { return Vec::new() };
        tale.agent("lifecycle", json!({"phase": "error", "error": why, "endedAt": at.wall.0}));
        let mut fields = json!({"errorMessage": why, "errorKind": kind});
        if let Some(partial) = partial {
            fields["message"] = tale.message(&partial);
        }
        tale.chat("error", fields);
        tale.changed("error");
        let told = tale.told;
        self.forget(run);
        told
    }

    /// It has ended, and nobody knows how: clients look at the history.
    pub(crate) fn lost(&mut self, run: &str, at: At) -> Vec<Told> {
        let turn = self.turns.iter().find(|(_, turn)| turn.run == run).map(|(number, _)| *number);
        if let Some(turn) = turn {
            self.close(turn);
        }
        self.finish(run, None, at)
    }

    /// Its message is not in the store: it is expected a while longer.
    pub(crate) fn absent(&mut self, run: &str, at: At) {
        if self.open.get(run).is_some_and(|it| at.steady.since(it.since) >= GIVEN_UP_AFTER) {
            self.forget(run);
        }
    }

    /// Runs nobody has heard of for a while, at most so many, and their sessions. `all` of them if
    /// news was missed.
    pub(crate) fn quiet(&mut self, all: bool, max: usize, at: At) -> Vec<(String, String)> {
        let is_quiet = |open: &Open| all || at.steady.since(open.heard) >= LOOK_AFTER;
        let mut quiet = Vec::new();
        for (run, open) in &mut self.open {
            if quiet.len() < max && is_quiet(open) {
                open.heard = at.steady;
                quiet.push((run.clone(), open.session.clone()));
            }
        }
        quiet
    }

    fn finish(&mut self, run: &str, exchange: Option<&Exchange>, at: At) -> Vec<Told> {
        let Some(mut tale) = self.tale(run, at) else { return Vec::new() };
        let mut end =
            json!({"phase": "end", "stopReason": "stop", "aborted": false, "endedAt": at.wall.0});
        let mut fields = json!({"stopReason": "stop"});
        if let Some(exchange) = exchange {
            let usage = exchange.usage;
            let (provider, model) = model_of(exchange);
            tale.agent("usage", json!({"inputTokens": usage.input, "outputTokens": usage.output}));
            end["startedAt"] = json!(exchange.started_at.0);
            (end["provider"], end["model"]) = (json!(provider), json!(model));
            if let Some(text) = answer_text(exchange) {
                fields["message"] = tale.message(text);
            }
        }
        tale.agent("lifecycle", end);
        tale.chat("final", fields);
        tale.changed("end");
        let told = tale.told;
        self.forget(run);
        told
    }

    fn abort(&mut self, run: &str, why: &str, partial: Option<&str>, at: At) -> Vec<Told> {
        let Some(mut tale) = self.tale(run, at) else { return Vec::new() };
        let end = json!({"phase": "end", "status": "cancelled", "aborted": true, "stopReason": "aborted", "endedAt": at.wall.0});
        tale.agent("lifecycle", end);
        let mut fields = json!({"stopReason": "aborted", "errorMessage": why});
        if let Some(partial) = partial {
            fields["message"] = tale.message(partial);
        }
        tale.chat("aborted", fields);
        tale.changed("end");
        let told = tale.told;
        self.forget(run);
        told
    }

    /// Tells the untold text of a turn.
    fn tell(&mut self, turn: u64, at: At) -> Vec<Told> {
        let Some(state) = self.turns.get_mut(&turn) else { return Vec::new() };
        let due = state.due(turn);
        let Some(delta) = state.text.get(state.told..).filter(|rest| !rest.is_empty()) else {
            return Vec::new();
        };
        let (run, delta, text) = (state.run.clone(), delta.to_owned(), state.text.clone());
        let replaces = std::mem::take(&mut state.replaces);
        (state.told, state.has_told, state.told_at) = (text.len(), true, Some(at.steady));
        self.untold.remove(&due);
        let Some(mut tale) = self.tale(&run, at) else { return Vec::new() };
        let mut data = json!({"text": text, "delta": delta});
        let mut fields = json!({"deltaText": delta, "message": tale.message(&text)});
        if replaces {
            (data["replace"], fields["replace"]) = (json!(true), json!(true));
        }
        tale.agent("assistant", data);
        tale.chat("delta", fields);
        tale.told
    }

    /// A turn is over; gives what was told of its answer.
    fn close(&mut self, turn: u64) -> Option<String> {
        let state = self.turns.remove(&turn)?;
        self.untold.remove(&state.due(turn));
        (state.is_whole && !state.text.is_empty()).then_some(state.text)
    }

    fn tale(&mut self, run: &str, at: At) -> Option<Tale<'_>> {
        let Open { session, agent, seq, heard, .. } = self.open.get_mut(run)?;
        *heard = at.steady;
        Some(Tale { run: run.to_owned(), session, agent, seq, now: at.wall, told: Vec::new() })
    }
}

impl Turn {
    /// When its untold text is to be told: the first at once.
    fn due(&self, turn: u64) -> (Timestamp, u64) {
        (self.told_at.map_or(Timestamp(i64::MIN), |told_at| told_at.plus(GATHER)), turn)
    }
}

/// Whether a message was a wish to stop, which is fulfilled where others end.
fn is_stop(said: &Said) -> bool {
    matches!(Command::parse(&said.text), Some(Command::Stop | Command::StopWord))
}

/// What a client is told of a failure's class.
pub(crate) fn kind_of(class: &str) -> &'static str {
    match class {
        "ratelimit" | "rate_limit" => "rate_limit",
        "timeout" => "timeout",
        "contextoverflow" => "context_length",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests;
