//! What a session does beside its turns: it asks hooks, writes down what they decide, and tells
//! those who watch.

use ractor::ActorProcessingErr;

use super::super::aside::{TurnAside, aside_key};
use super::super::machine::{Ask, Event, SUMMARY_ROUND};
use super::super::record::{UnsentRecord, unsent_key};
use super::super::steps::StepRecord;
use super::State;
use super::beat::without_ok;
use crate::clock::Timestamp;
use crate::hook::{HookEvent, Moment};
use crate::message::{Destination, EnvelopeId};
use crate::outbox::{Draft, EntryRecord};
use crate::provider::{Completion, Role, ToolCall, TurnMessage, plain};
use crate::reply::{SILENT_TOKEN, Speaker, is_silent};
use crate::store::{Batch, StoreError};
use crate::stream::{StreamKind, StreamTool};

type Outcome<T = ()> = Result<T, ActorProcessingErr>;

/// What is sent of an answer: a draft, or nothing for a reason.
pub(super) type Outgoing = Result<Draft, String>;

impl State {
    /// The system prompt of a turn. What hooks make of it is written down before the model is asked
    /// and not asked again: it is part of a paid request.
    pub(super) async fn system_prompt(&mut self, ask: &Ask) -> Outcome<String> {
        let own = self.profile().map(|agent| agent.system.clone()).unwrap_or_default();
        let is_light = self.is_light_beat();
        let system_prompt = if is_light { own } else { self.with_workspace(ask.turn, own).await };
        let decided = self.decided().and_then(|decided| decided.start.clone());
        let (system_prompt, context) = match decided {
            Some(decided) => decided,
            None if self.deps.hooks.want(Moment::BeforeAgentStart) => {
                self.decide_start(ask, system_prompt).await?
            }
            None => return Ok(system_prompt),
        };
        let gap = if system_prompt.is_empty() || context.is_empty() { "" } else { "\n\n" };
        Ok([system_prompt.as_str(), gap, &context].concat())
    }

    async fn decide_start(
        &mut self,
        ask: &Ask,
        system_prompt: String,
    ) -> Outcome<(String, String)> {
        let asked = ask.messages.iter().rev().find(|message| message.role == Role::User);
        let event = HookEvent::BeforeAgentStart {
            session: self.key.to_string(),
            agent: self.agent.clone(),
            turn: ask.turn,
            prompt: asked.map(TurnMessage::plain).unwrap_or_default(),
            system_prompt: system_prompt.clone(),
            prepend_context: String::new(),
        };
        let (event, _) = self.deps.hooks.decide(event).await;
        let start = match event {
            HookEvent::BeforeAgentStart { system_prompt, prepend_context, .. } => {
                (system_prompt, prepend_context)
            }
            _ => (system_prompt, String::new()),
        };
        let noted = start.clone();
        self.note(|aside| aside.start = Some(noted)).await?;
        Ok(start)
    }

    /// Writes down an answer that hooks are about to be asked about: should this life end
    /// meanwhile, it is not paid for again.
    pub(super) async fn keep_answer(&mut self, event: &Event) -> Outcome {
        let Event::Answered(turn, round, completion) = event else { return Ok(()) };
        let session = self.session.as_ref();
        let is_awaited = session.and_then(super::Session::turn_in_flight) == Some(*turn)
            && *round != SUMMARY_ROUND;
        if !self.deps.hooks.want(Moment::MessageSending) || !is_awaited {
            return Ok(());
        }
        let ends =
            completion.calls().next().is_none() || self.offered(*turn)?.are_called(completion);
        if ends || self.streams_blocks() {
            let kept = (*round, completion.clone());
            self.note(|aside| aside.answer = Some(kept)).await?;
        }
        Ok(())
    }

    /// An answer an earlier life was given and had no time to finish with.
    pub(super) fn kept_answer(&self, ask: &Ask) -> Option<Completion> {
        let (round, completion) = self.decided()?.answer.as_ref()?;
        (*round == ask.round).then(|| completion.clone())
    }

    /// What is known of the turn in flight.
    fn decided(&self) -> Option<&TurnAside> {
        let members = self.members();
        self.aside.as_deref().filter(|aside| aside.members == members)
    }

    fn members(&self) -> &[EnvelopeId] {
        self.session.as_ref().map_or(&[], super::Session::in_flight)
    }

    fn reply_to(&self) -> Option<&Destination> {
        self.session.as_ref().and_then(super::Session::reply_to)
    }

    /// Whether what is said before the last answer of this turn is sent as well.
    fn streams_blocks(&self) -> bool {
        self.reply_to().is_some_and(|to| self.deps.outbox.sends_blocks(&to.account))
    }

    async fn note(&mut self, change: impl FnOnce(&mut TurnAside)) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        self.add_note(&mut batch, change);
        self.deps.store.commit(batch).await
    }

    fn add_note(&mut self, batch: &mut Batch, change: impl FnOnce(&mut TurnAside)) {
        let about = || TurnAside::about(self.members());
        let mut aside = self.decided().cloned().unwrap_or_else(about);
        change(&mut aside);
        batch.put(aside_key(&self.key), &aside);
        self.aside = Some(Box::new(aside));
    }

    /// What an answer says beside its tool calls, as a message of its own: it is written with the
    /// record of that answer, so it goes out exactly as often as the answer is recorded.
    pub(super) async fn add_block(
        &mut self,
        batch: &mut Batch,
        turn: u64,
        record: &StepRecord,
    ) -> Result<Vec<EntryRecord>, StoreError> {
        let StepRecord::Answer { parts, .. } = record else { return Ok(Vec::new()) };
        let text = plain(parts);
        let to = self.reply_to().cloned().filter(|_| self.streams_blocks());
        let Some(to) = to.filter(|_| !text.trim().is_empty()) else { return Ok(Vec::new()) };
        let draft = match self.outgoing(turn, &to, (&text, &self.asked_of())).await {
            Ok(draft) => draft,
            Err(reason) => {
                tracing::info!(session = %self.key, turn, reason);
                return Ok(Vec::new());
            }
        };
        let entries = self.deps.outbox.add(batch, &draft, self.deps.clock.now())?;
        let ids: Vec<u64> = entries.iter().map(|entry| entry.id.0).collect();
        self.add_note(batch, |aside| aside.blocks.extend(ids));
        Ok(entries)
    }

    /// What is sent of something the agent says. Hooks are asked about it unless the agent chose
    /// silence.
    pub(super) async fn outgoing(
        &self,
        turn: u64,
        to: &Destination,
        (said, model): (&str, &str),
    ) -> Outgoing {
        if said.trim().is_empty() {
            return Err("the agent called tools of the client and said nothing else".into());
        }
        if is_silent(said) {
            return Err(format!("the agent answered {SILENT_TOKEN}: nothing was sent"));
        }
        let said = without_ok(said)?;
        let text = self.sending(to, said).await?;
        let name = self.deps.names.get(&self.agent).cloned();
        let speaker = Some(Speaker { model: model.to_owned(), name });
        Ok(Draft { session: self.key.clone(), turn, to: to.clone(), text, speaker })
    }

    async fn sending(&self, to: &Destination, said: &str) -> Result<String, String> {
        if !self.deps.hooks.want(Moment::MessageSending) {
            return Ok(said.to_owned());
        }
        let event = HookEvent::MessageSending {
            session: self.key.to_string(),
            agent: self.agent.clone(),
            channel: to.account.channel.clone(),
            account: to.account.account.clone(),
            to: to.target.clone(),
            content: said.to_owned(),
        };
        match self.deps.hooks.decide(event).await {
            (_, Some(stopped)) => {
                Err(format!("hook {} cancelled it: nothing was sent", stopped.hook))
            }
            (HookEvent::MessageSending { content, .. }, None) if !content.trim().is_empty() => {
                Ok(content)
            }
            _ => Err("a hook left no text of it: nothing was sent".into()),
        }
    }

    /// What ends together with a turn; gives the blocks that were sent of it.
    pub(super) fn end_aside(&mut self, batch: &mut Batch) -> Vec<u64> {
        self.end_told(batch);
        let Some(aside) = self.aside.take() else { return Vec::new() };
        batch.delete(aside_key(&self.key));
        aside.blocks
    }

    /// Writes down why nothing was sent, so that it can be shown.
    pub(super) fn note_unsent(batch: &mut Batch, turn: u64, at: Timestamp, reason: &str) {
        batch.put(unsent_key(turn), &UnsentRecord { at, reason: reason.to_owned() });
    }

    pub(super) fn tell_awake(&self) {
        self.deps.hooks.tell(Moment::SessionStart, || HookEvent::SessionStart {
            session: self.key.to_string(),
            agent: self.agent.clone(),
            is_new: !self.known,
        });
    }

    pub(super) fn tell_asleep(&self) {
        self.deps.hooks.tell(Moment::SessionEnd, || HookEvent::SessionEnd {
            session: self.key.to_string(),
            agent: self.agent.clone(),
        });
    }

    /// The turn is durable at its end.
    pub(super) fn tell_answered(&self, turn: u64, answer: &str, is_sent: bool) {
        self.deps.hooks.tell(Moment::AgentEnd, || self.agent_end(turn, Ok(answer)));
        let text = || StreamKind::Answered { text: answer.into(), is_sent };
        self.deps.streams.tell(self.key.as_str(), || (turn, text()));
    }

    pub(super) fn tell_failed(&self, turn: u64, reason: &str) {
        self.deps.hooks.tell(Moment::AgentEnd, || self.agent_end(turn, Err(reason)));
        let reason = || StreamKind::Failed { reason: reason.to_owned() };
        self.deps.streams.tell(self.key.as_str(), || (turn, reason()));
    }

    fn agent_end(&self, turn: u64, end: Result<&str, &str>) -> HookEvent {
        HookEvent::AgentEnd {
            session: self.key.to_string(),
            agent: self.agent.clone(),
            turn,
            success: end.is_ok(),
            answer: end.ok().map(str::to_owned),
            error: end.err().map(str::to_owned),
        }
    }

    pub(super) fn show_started(&self, turn: u64) {
        if let Some(to) = self.reply_to() {
            self.deps
                .streams
                .tell(self.key.as_str(), || (turn, StreamKind::Started { to: to.clone() }));
        }
    }

    pub(super) fn show_call(&self, turn: u64, call: &ToolCall) {
        let tool = || StreamTool { call: call.id.clone(), name: call.name.clone(), ended: None };
        self.deps.streams.tell(self.key.as_str(), || (turn, StreamKind::Tool(tool())));
    }

    pub(super) fn show_result(&self, turn: u64, record: &StepRecord) {
        let StepRecord::Result(result) = record else { return };
        let tool = || StreamTool {
            call: result.call.clone(),
            name: result.name.clone(),
            ended: Some(result.status),
        };
        self.deps.streams.tell(self.key.as_str(), || (turn, StreamKind::Tool(tool())));
    }
}
