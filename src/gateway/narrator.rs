//! The narrator: tells clients how runs go on, out of what the engine tells everybody.
//!
//! A supervised task beside the gateway. It hears what models say (`Streams`), what becomes of
//! messages (`Journal`) and what web chat keeps; [`story`] decides what clients are told of it, and
//! the [`Hub`] carries it. All three are lossy, so that it holds up nobody: what it has missed it
//! reads in the store, where every end is durable before it is told.
//! Restart: what it has told and not told yet stays in [`Runs`].

pub(crate) mod story;
pub(crate) mod tale;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use telson_actors::channel::webchat::{ChatRecord, WebChat, account};
use telson_actors::clock::Clock;
use telson_actors::dead_letter::{self, DeadLetter, DeadLetterId, Item, Reason};
use telson_actors::event::{AttemptFailed, Journal, JourneyEvent, JourneyStep};
use telson_actors::inbox::{DedupeRecord, Fate, InboxRecord, dedupe_key, inbox_key};
use telson_actors::journey::{Ending, Origin, ending, origin};
use telson_actors::message::{EnvelopeId, Inbound, SessionKey};
use telson_actors::session::{Exchange, exchange_key};
use telson_actors::store::{Key, Space, Store, StoreError};
use telson_actors::stream::{Item as StreamItem, StreamEvent, StreamKind, Streams};
use tokio::sync::broadcast::error::RecvError;

use self::story::{At, kind_of};
use self::tale::{Told, topic_of};
use super::http::remove;
use super::hub::Hub;
use super::runs::Runs;
use crate::methods::Scope;
use crate::methods::chat::view::{self, Shown, agent_of, dedupe_of, number_of_run, run_of};

/// Its name in the tree.
pub(crate) const NARRATOR: &str = "narrator";
/// How often it looks for runs that nothing is heard of.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Runs looked up at once.
const LOOKED_UP_MAX: usize = 256;
/// Messages of web chat read at once after some were missed.
const PAGE: usize = 200;

/// What it needs.
#[derive(Clone)]
pub(crate) struct NarratorDeps {
    pub(crate) hub: Hub,
    pub(crate) runs: Runs,
    pub(crate) streams: Streams,
    pub(crate) journal: Journal,
    pub(crate) web_chat: WebChat,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
}

/// Tells until the engine has stopped.
pub(crate) async fn run(deps: NarratorDeps) {
    let mut stream = deps.streams.subscribe(None);
    let mut journal = deps.journal.subscribe();
    let mut kept = deps.web_chat.watch();
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // What a life before has kept is read by those who come: only what is new is told.
    let kept_to = deps.runs.kept_to(deps.web_chat.readable_to());
    let mut narrator = Narrator { deps, kept_to };
    narrator.attempt(Narrator::recall);
    narrator.attempt(Narrator::catch_up);
    loop {
        let due = narrator.due();
        tokio::select! {
            // What was said comes before how it ended, as it was told.
            biased;
            item = stream.next() => match item {
                Some(StreamItem::Event(event)) => narrator.attempt(|it| it.heard(event)),
                Some(StreamItem::Gap(missed)) => {
                    tracing::debug!(missed, "pieces of answers are not told");
                    narrator.deps.runs.with(story::Story::gap);
                }
                None => return,
            },
            event = journal.recv() => match event {
                Ok(event) => narrator.attempt(|it| it.happened(event)),
                Err(RecvError::Lagged(missed)) => {
                    tracing::debug!(missed, "ends of runs are read in the store");
                    narrator.attempt(|it| it.look(true));
                }
                Err(RecvError::Closed) => return,
            },
            record = kept.recv() => match record {
                Ok(record) if record.number > narrator.kept_to => narrator.kept(&record),
                // Told when it caught up.
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => narrator.attempt(Narrator::catch_up),
                Err(RecvError::Closed) => return,
            },
            () = tokio::time::sleep(due.unwrap_or(LOOK_EVERY)), if due.is_some() => {}
            _ = look.tick() => narrator.attempt(|it| it.look(false)),
        }
        narrator.flush();
    }
}

struct Narrator {
    deps: NarratorDeps,
    /// The number of the last message of web chat that was told.
    kept_to: u64,
}

type Outcome = Result<(), StoreError>;

impl Narrator {
    /// A store that can't be read fails the engine by itself, and a damaged record is shown
    /// elsewhere.
    fn attempt(&mut self, work: impl FnOnce(&mut Self) -> Outcome) {
        if let Err(error) = work(self) {
            tracing::warn!(%error, "clients are not told of a run; its history is complete");
        }
    }

    fn at(&self) -> At {
        At { wall: self.deps.clock.now(), steady: self.deps.clock.steady() }
    }

    fn due(&self) -> Option<Duration> {
        let due = self.deps.runs.with(|story| story.due())?;
        Some(due.since(self.deps.clock.steady()))
    }

    fn flush(&self) {
        let at = self.at();
        self.tell(self.deps.runs.with(|story| story.flush(at)));
    }

    fn tell(&self, told: Vec<Told>) {
        for Told { name, topic, payload } in told {
            match topic {
                None => self.deps.hub.tell(name, Some(Scope::Read), payload),
                Some(topic) => {
                    self.deps.hub.tell_topics(name, Some(Scope::Read), &[topic], payload);
                }
            }
        }
    }

    /// Messages that a life before left unanswered will have an end too.
    fn recall(&mut self) -> Outcome {
        let at = self.at();
        self.deps.runs.with(story::Story::restart);
        for (_, record) in self.deps.store.scan::<InboxRecord>(&Key::of(Space::Inbox))? {
            let run = run_of_record(&record);
            let (session, agent) = (record.session.as_str(), record.agent.as_str());
            self.deps.runs.with(|story| story.open(&run, session, agent, at));
            self.deps.runs.keep_files(&run, own_files(&record.envelope.inbound));
        }
        // Runs that ended while nobody listened.
        self.look(true)
    }

    fn heard(&mut self, event: StreamEvent) -> Outcome {
        let (turn, at) = (event.turn, self.at());
        if !self.deps.runs.with(|story| story.knows(turn)) {
            let is_whole = matches!(event.kind, StreamKind::Started { .. });
            // News of a turn that is over may still come.
            if self.begin(turn, &event.session, is_whole)?.is_none() {
                return Ok(());
            }
        }
        let told = self.deps.runs.with(|story| match &event.kind {
            StreamKind::Answering { .. } => {
                story.answering(turn);
                Vec::new()
            }
            StreamKind::Text(piece) => story.text(turn, piece, at),
            StreamKind::Tool(tool) => story.tool(turn, tool, at),
            StreamKind::Started { .. }
            | StreamKind::Answered { .. }
            | StreamKind::Failed { .. } => Vec::new(),
        });
        self.tell(told);
        Ok(())
    }

    /// Begins to tell a turn, if its messages still wait.
    fn begin(&self, turn: u64, session: &str, is_whole: bool) -> Result<Option<()>, StoreError> {
        let Ok(session) = SessionKey::parse(session) else { return Ok(None) };
        let key = inbox_key(&session, EnvelopeId(turn));
        let Some(record) = self.deps.store.get::<InboxRecord>(&key)? else { return Ok(None) };
        let (run, at) = (run_of_record(&record), self.at());
        let told = self.deps.runs.with(|story| story.begin(turn, (&run, &session), is_whole, at));
        self.tell(told);
        Ok(Some(()))
    }

    fn happened(&mut self, event: JourneyEvent) -> Outcome {
        let session = event.session.as_deref().and_then(|key| SessionKey::parse(key).ok());
        let Some(session) = session else { return Ok(()) };
        match event.kind {
            JourneyStep::Admitted { message, .. } => self.admitted(&session, EnvelopeId(message)),
            JourneyStep::Answered { turn, .. } | JourneyStep::Ended { turn, .. } => {
                match self.deps.store.get(&exchange_key(&session, turn))? {
                    Some(exchange) => self.ended(&session, &exchange),
                    None => self.look(true)?,
                }
                Ok(())
            }
            JourneyStep::DeadLettered { dead_letter, .. } => {
                let letter = self.deps.store.get(&dead_letter::key(DeadLetterId(dead_letter)))?;
                if let Some(letter) = &letter {
                    self.dead(letter);
                }
                Ok(())
            }
            JourneyStep::AttemptFailed(failed) => self.failed(&session, &failed),
            JourneyStep::Declined { .. }
            | JourneyStep::TurnStarted { .. }
            | JourneyStep::Sending { .. }
            | JourneyStep::Delivered { .. }
            | JourneyStep::InDoubt { .. } => Ok(()),
        }
    }

    /// Whoever waits for this answer and has asked to be told learns why it takes so long.
    fn failed(&self, session: &SessionKey, failed: &AttemptFailed) -> Outcome {
        if !self.deps.runs.with(|story| story.knows(failed.turn))
            && self.begin(failed.turn, session.as_str(), false)?.is_none()
        {
            return Ok(());
        }
        let at = self.at();
        self.tell(self.deps.runs.with(|story| story.failed(failed, at)));
        Ok(())
    }

    /// The readers of a session see what was written.
    fn admitted(&self, session: &SessionKey, id: EnvelopeId) -> Outcome {
        if !self.deps.hub.wants(&topic_of(session.as_str())) {
            return Ok(());
        }
        let shown = match self.deps.store.get::<InboxRecord>(&inbox_key(session, id))? {
            Some(record) => Some(view::waiting(&record)),
            None => match ending(&self.deps.store, session, id)? {
                Ending::Told(exchange) => {
                    exchange.said.iter().find(|said| said.envelope == id).map(view::said)
                }
                Ending::Dead(_) | Ending::Waiting | Ending::Forgotten => None,
            },
        };
        if let Some(shown) = shown {
            self.message(session, shown);
        }
        Ok(())
    }

    fn ended(&self, session: &SessionKey, exchange: &Exchange) {
        let at = self.at();
        self.tell(self.deps.runs.with(|story| story.told(session, exchange, at)));
        for said in &exchange.said {
            remove(&self.deps.runs.take_files(&run_of(&said.platform_id, said.envelope.0)));
        }
        if self.deps.hub.wants(&topic_of(session.as_str())) {
            for shown in view::exchange(exchange).into_iter().skip(exchange.said.len()) {
                self.message(session, shown);
            }
        }
    }

    fn dead(&self, letter: &DeadLetter) {
        let Item::Inbound(record) = &letter.item else { return };
        let kind = match &letter.reason {
            Reason::Provider { class, .. } => kind_of(class),
            _ => "unknown",
        };
        let (run, why, at) = (run_of_record(record), letter.reason.to_string(), self.at());
        let turn = record.envelope.id.0;
        // A replay shows them once more; what is not replayed soon goes with the next sweep.
        self.deps.runs.take_files(&run);
        self.tell(self.deps.runs.with(|story| story.dead(&run, turn, (&why, kind), at)));
    }

    fn message(&self, session: &SessionKey, shown: Shown) {
        let payload = json!({
            "sessionKey": session.as_str(),
            "agentId": agent_of(session),
            "message": shown.value,
            "messageId": shown.id,
        });
        self.tell_readers("session.message", session.as_str(), payload);
    }

    fn kept(&mut self, record: &ChatRecord) {
        self.keep_to(record.number);
        self.tell_kept(record);
    }

    fn keep_to(&mut self, number: u64) {
        self.kept_to = self.kept_to.max(number);
        self.deps.runs.keep_to(self.kept_to);
    }

    fn tell_kept(&self, record: &ChatRecord) {
        if self.deps.hub.wants(&topic_of(&record.session)) {
            self.tell_readers(
                "telson.webchat",
                &record.session,
                shown_kept(&self.deps.store, record),
            );
        }
    }

    /// Numbers grow over all sessions, so what was missed lies between the last one that was told
    /// and the newest: what has a larger number is still on its way here.
    fn catch_up(&mut self) -> Outcome {
        let (after, newest) = (self.kept_to, self.deps.web_chat.readable_to());
        // Even where a record can't be read: it would be told twice, and is found in the store.
        self.keep_to(newest);
        for topic in self.deps.hub.wanted() {
            let Some(key) = topic.strip_prefix("session:") else { continue };
            let Ok(session) = SessionKey::parse(key) else { continue };
            let mut from = after;
            while from < newest {
                let page = self.deps.web_chat.since(&session, from, PAGE)?;
                for record in page.iter().filter(|record| record.number <= newest) {
                    self.tell_kept(record);
                }
                match page.last() {
                    Some(last) => from = last.number,
                    None => break,
                }
            }
        }
        Ok(())
    }

    fn tell_readers(&self, name: &'static str, session: &str, payload: Value) {
        self.deps.hub.tell_topics(name, Some(Scope::Read), &[topic_of(session)], payload);
    }

    /// Looks up runs nothing is heard of; all of them if news was missed.
    fn look(&mut self, all: bool) -> Outcome {
        let (at, max) = (self.at(), if all { usize::MAX } else { LOOKED_UP_MAX });
        let quiet = self.deps.runs.with(|story| story.quiet(all, max, at));
        for (run, session) in quiet {
            let Some((id, session)) = self.find(&run, &session)? else {
                self.deps.runs.with(|story| story.absent(&run, at));
                if self.deps.runs.session_of(&run).is_none() {
                    self.deps.runs.take_files(&run);
                }
                continue;
            };
            match ending(&self.deps.store, &session, id)? {
                Ending::Waiting => {}
                Ending::Told(exchange) => self.ended(&session, &exchange),
                Ending::Dead(letter) => self.dead(&letter),
                Ending::Forgotten => {
                    let at = self.at();
                    remove(&self.deps.runs.take_files(&run));
                    self.tell(self.deps.runs.with(|story| story.lost(&run, at)));
                }
            }
        }
        Ok(())
    }

    /// The message of a run; none while it is on its way to the store.
    fn find(
        &self,
        run: &str,
        session: &str,
    ) -> Result<Option<(EnvelopeId, SessionKey)>, StoreError> {
        let key = dedupe_key(&account(), &dedupe_of(run));
        let known = self.deps.store.get::<DedupeRecord>(&key)?;
        Ok(match (known.map(|record| record.fate), number_of_run(run)) {
            (Some(Fate::Admitted { envelope, session }), _) => Some((envelope, session)),
            (_, Some(number)) => {
                SessionKey::parse(session).ok().map(|session| (EnvelopeId(number), session))
            }
            (_, None) => None,
        })
    }
}

/// A message of web chat as its readers see it: an `answer` of a run, an `announcement` from another
/// session, or a `note` put there by hand; of old ones that may not be on record any more.
pub(crate) fn shown_kept(store: &Store, record: &ChatRecord) -> Value {
    let mut shown = json!({
        "sessionKey": record.session,
        "number": record.number,
        "at": record.at.0,
        "text": record.text,
    });
    match origin(store, record) {
        Ok(Origin::Turn(turn)) => {
            shown["kind"] = json!("answer");
            if let Ok(Some(run)) = run_of_turn(store, &record.session, turn) {
                shown["runId"] = json!(run);
            }
        }
        Ok(Origin::Elsewhere(from)) => {
            shown["kind"] = json!("announcement");
            // The session's own name would say nothing: a command or a person by hand has no other.
            if from.as_str() != record.session {
                shown["from"] = json!(from.as_str());
            }
        }
        Ok(Origin::Hand) => shown["kind"] = json!("note"),
        // A damaged record is shown elsewhere.
        Ok(Origin::Forgotten) | Err(_) => {}
    }
    shown
}

/// The run under which a turn is told: that of its first message, which has ended or waits.
fn run_of_turn(store: &Store, session: &str, turn: u64) -> Result<Option<String>, StoreError> {
    let Ok(session) = SessionKey::parse(session) else { return Ok(None) };
    if let Some(exchange) = store.get::<Exchange>(&exchange_key(&session, turn))? {
        return Ok(Some(view::run_of_exchange(&exchange)));
    }
    let record = store.get::<InboxRecord>(&inbox_key(&session, EnvelopeId(turn)))?;
    Ok(record.as_ref().map(run_of_record))
}

/// The files that lie in the gateway's own folder: its own account has no others.
pub(crate) fn own_files(inbound: &Inbound) -> Vec<PathBuf> {
    if inbound.account != account() {
        return Vec::new();
    }
    inbound.attachments.iter().filter_map(|file| file.path.clone().map(PathBuf::from)).collect()
}

fn run_of_record(record: &InboxRecord) -> String {
    run_of(&record.envelope.inbound.dedupe_key, record.envelope.id.0)
}

#[cfg(test)]
mod tests;
