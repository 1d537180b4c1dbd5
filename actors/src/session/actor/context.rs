//! What a session's questions to a model have to do with room and money: the workspace's part of
//! the system prompt, the check before a call, the count behind it.
//!
//! The workspace is read once for each turn, when it first asks: all questions of a turn begin with
//! the same words, and the provider recognises the one it is working on (D7). A turn that goes on
//! in another process reads it anew. What it had been answered is in its journal and is not asked
//! again, so newer words only guide what comes next.

use std::sync::Arc;

use super::handing::Offer;
use super::{Myself, State, teller};
use crate::clock::Timestamp;
use crate::context::{ContextRules, Question, Scale, Summary, of_request, summary_key};
use crate::hook::{HookEvent, Moment};
use crate::model::ModelRef;
use crate::provider::profile::Wish;
use crate::provider::{
    FailureClass, ProviderMessage, Reply, Report, Request, ToolSpec, TurnKey, Usage, provider_name,
};
use crate::session::machine::{Asked, Event, Occasion, SUMMARY_ROUND, Session};
use crate::store::{Batch, StoreError};
use crate::usage::{Metered, SessionMeter, Tally};

/// Longest summary asked for, in tokens.
const SUMMARY_TOKENS_MAX: u32 = 4096;
/// Shortest answer asked for, however full the window is, in tokens.
const OUTPUT_TOKENS_MIN: u64 = 256;

/// What a session keeps for its questions.
#[derive(Default)]
pub(super) struct Asking {
    /// What it has used; absent until it first asks.
    meter: Option<SessionMeter>,
    /// Tokens of what was asked last, by estimate.
    asked: u64,
    /// The model that was asked, as `provider/model`.
    model: String,
    /// The tools that question named.
    tools: Vec<ToolSpec>,
    /// Those of the client that asks.
    pub(super) offered: Offer,
}

impl State {
    /// The system prompt of a turn: the agent's own, and what stands in its workspace.
    pub(super) async fn with_workspace(&self, turn: u64, own: String) -> String {
        let context = &self.deps.context;
        let Some(source) = &context.prompt else { return own };
        let begun = context.prompts.of(&self.key, turn);
        let files = if let Some(begun) = begun {
            begun
        } else {
            let read: Arc<str> = source(&self.agent).await.into();
            context.prompts.keep(&self.key, turn, read.clone());
            read
        };
        let texts = [own.as_str(), &*files].into_iter().filter(|text| !text.is_empty());
        texts.collect::<Vec<_>>().join("\n\n")
    }

    /// Looks at a question before it is asked: whether it fits, and whether it may be paid for. One
    /// that may already be under way is only prepared.
    pub(super) fn held_back(
        &mut self,
        (turn, round): (u64, u32),
        request: &mut Request,
        asked: &Asked,
        is_last_try: bool,
    ) -> Result<Option<Event>, StoreError> {
        let model = asked.model.to_string();
        let rules = self.rules_for(&model);
        let estimate = of_request(request);
        self.asking.asked = estimate;
        self.asking.model.clone_from(&model);
        let now = self.deps.clock.now();
        let (store, budgets) = (self.deps.store.clone(), self.deps.context.budgets);
        let meter = self.meter(now)?;
        let tokens = Scale::stored(meter.usage().scale).apply(estimate);
        let refused = meter.usage().refused.as_ref().filter(|refused| refused.model == model);
        let refused = refused.map_or(u64::MAX, |refused| refused.tokens);
        if let Some(window) = rules.window {
            // Providers refuse an answer that would not fit behind its question.
            let left = window.saturating_sub(tokens).max(OUTPUT_TOKENS_MIN).min(window / 2);
            let left = u32::try_from(left).unwrap_or(u32::MAX);
            request.output_tokens_max = request.output_tokens_max.min(left);
        }
        if asked.occasion == Occasion::Check {
            return Ok(None);
        }
        if let Some(why) = meter.refusal(&store, &budgets, now)? {
            return Ok(Some(Event::Withheld(turn, round, why)));
        }
        let is_too_long = tokens > rules.room(is_last_try) || (estimate >= refused && !is_last_try);
        Ok(is_too_long.then_some(Event::TooLong(turn, round)))
    }

    /// A model has failed. What it has used all the same is counted; and where it has refused what it
    /// was asked as too long, nothing as long is asked of it again.
    pub(super) async fn note_failure(&mut self, event: &Event) -> Result<(), StoreError> {
        let Event::Failed(turn, round, failure) = event else { return Ok(()) };
        if *round == SUMMARY_ROUND {
            tracing::warn!(session = %self.key, turn, class = ?failure.class,
                reason = %failure.message, "no summary could be written");
        }
        if failure.usage != Usage::default() {
            let (model, mut batch) = (self.asked_of(), Batch::new());
            self.count(&mut batch, &model, failure.usage)?;
            self.deps.store.commit(batch).await?;
            self.counted();
        }
        if failure.class != FailureClass::ContextOverflow || *round == SUMMARY_ROUND {
            return Ok(());
        }
        let (model, estimate) = (self.asked_of(), self.asking.asked);
        self.meter(self.deps.clock.now())?.refused(&model, estimate);
        Ok(())
    }

    /// Adds a call that this model has answered to the batch that makes its answer durable.
    pub(super) fn count(
        &mut self,
        batch: &mut Batch,
        model: &str,
        usage: Usage,
    ) -> Result<(), StoreError> {
        let now = self.deps.clock.now();
        let price = self.deps.context.prices.get(model).copied();
        // Another model counts in its own way.
        let is_own = model == self.model();
        let (store, asked) = (self.deps.store.clone(), self.asking.asked);
        let meter = self.meter(now)?;
        let scale = Scale::stored(meter.usage().scale);
        if is_own {
            meter.answered(asked, scale.learn(asked, usage.input).thousandths());
        }
        meter.count(&store, batch, Metered { model, usage, price }, now)
    }

    /// What was counted last is durable.
    pub(super) fn counted(&mut self) {
        if let Some(meter) = &mut self.asking.meter {
            meter.written();
        }
    }

    /// The turn has ended: what stands in the workspace is read anew for the next.
    pub(super) fn forget_prompt(&mut self) {
        self.deps.context.prompts.forget(&self.key);
        self.files = None;
        self.asking.tools = Vec::new();
        self.asking.offered = Offer::default();
    }

    /// The tools a question names. Asking after one names the same as the question did, or its
    /// provider would take it for another: servers change their tools whenever they like.
    pub(super) fn tools_of(
        &mut self,
        turn: u64,
        asked: &Asked,
    ) -> Result<Vec<ToolSpec>, StoreError> {
        if asked.occasion != Occasion::Check {
            let own = self.deps.toolbox.specs(&self.agent);
            self.asking.tools = self.offered(turn)?.beside(own);
        }
        Ok(self.asking.tools.clone())
    }

    /// Asks for a summary: of the model chosen for it, else of the one the turn asks.
    pub(super) fn summarise(
        &mut self,
        myself: &Myself,
        turn: u64,
        question: &Question,
        mut asked: Asked,
    ) -> Result<(), StoreError> {
        let Some(agent) = self.profile() else { return Ok(()) };
        let output_tokens_max = agent.output_tokens_max.min(SUMMARY_TOKENS_MAX);
        if let Some((provider, model)) = self.context_rules().summary_model {
            (asked.model, asked.fallback) = (ModelRef::new(provider, model), false);
        }
        let mut request = Request {
            model: asked.model.model.clone(),
            system: question.system.clone(),
            messages: vec![question.message()],
            tools: Vec::new(),
            may_call: false,
            must_call: false,
            output_tokens_max,
        };
        let round = SUMMARY_ROUND;
        if let Some(event) = self.held_back((turn, round), &mut request, &asked, false)? {
            teller(myself)(event);
            return Ok(());
        }
        if asked.occasion != Occasion::Check {
            self.deps.hooks.tell(Moment::BeforeCompaction, || HookEvent::BeforeCompaction {
                session: self.key.to_string(),
                agent: self.agent.clone(),
                turn,
                exchanges: self.session.as_ref().and_then(Session::summing_up).unwrap_or_default(),
            });
            tracing::info!(session = %self.key, turn, "summing up the older part of a conversation");
        }
        self.send_question(myself, (turn, round), request, asked);
        Ok(())
    }

    /// Makes a summary durable, and in any case what it has cost.
    pub(super) async fn summarised(
        &mut self,
        summary: Option<Box<Summary>>,
        usage: Usage,
    ) -> Result<(), StoreError> {
        let model = self.asked_of();
        let mut batch = Batch::new();
        self.count(&mut batch, &model, usage)?;
        let written = summary.as_ref().map(|summary| summary.exchanges);
        if let Some(mut summary) = summary {
            tracing::info!(session = %self.key, exchanges = summary.exchanges,
                "the older part of a conversation is summed up");
            (summary.model, summary.at) = (model, self.deps.clock.now());
            batch.put(summary_key(&self.key), &*summary);
        } else {
            tracing::warn!(session = %self.key, "a summary would not do and is dismissed");
        }
        self.deps.store.commit(batch).await?;
        self.counted();
        self.deps.hooks.tell(Moment::AfterCompaction, || HookEvent::AfterCompaction {
            session: self.key.to_string(),
            agent: self.agent.clone(),
            success: written.is_some(),
            summed_up: written.unwrap_or_default(),
        });
        Ok(())
    }

    /// What the session has used since it began, and on this day.
    pub(super) fn used(&mut self) -> Result<(Tally, Tally), StoreError> {
        let (store, now) = (self.deps.store.clone(), self.deps.clock.now());
        self.meter(now)?.used(&store, now)
    }

    /// Tokens of the last question, by estimate.
    pub(super) fn asked_tokens(&self) -> u64 {
        self.asking.asked
    }

    /// What a model reads at once, if that is known.
    pub(super) fn window_of(&self, model: &str) -> Option<u64> {
        self.rules_for(model).window
    }

    /// Hands a question to a provider; the answer comes back as an event.
    pub(super) fn send_question(
        &self,
        myself: &Myself,
        (turn, round): (u64, u32),
        request: Request,
        asked: Asked,
    ) {
        let (tell, number) = (teller(myself), asked.number);
        let reply: Reply = Arc::new(move |report: Report| {
            tell(match report {
                Report::Ended(Ok(completion)) => Event::Answered(turn, round, completion),
                Report::Ended(Err(failure)) => Event::Failed(turn, round, failure),
                Report::NotAsked => Event::NotAsked(turn, round, number),
            });
        });
        let turn = TurnKey { session: self.key.as_str().to_owned(), turn, round };
        let message = match asked.occasion {
            Occasion::Check => ProviderMessage::Check { turn, request, reply },
            Occasion::Begin | Occasion::Anew => {
                let wish = Wish { pinned: self.pinned.clone(), fallback: asked.fallback };
                ProviderMessage::Ask { turn, request, wish, reply }
            }
        };
        let provider = asked.model.provider;
        if self.deps.registry.via(provider_name(&provider)).cast(message).is_err() {
            // It is restarting: the machine asks again when nothing is heard.
            tracing::debug!(session = %self.key, provider, "provider is not up");
        }
    }

    /// Notes whom the turn asks, though nobody has to be asked any more.
    pub(super) fn asks(&mut self, asked: &Asked) {
        self.asking.model = asked.model.to_string();
    }

    /// The model that was asked last, as `provider/model`; before the first question the agent's own.
    pub(super) fn asked_of(&self) -> String {
        Some(self.asking.model.clone()).filter(|it| !it.is_empty()).unwrap_or_else(|| self.model())
    }

    /// The limits with another model than the agent's own: its window is another.
    fn rules_for(&self, model: &str) -> ContextRules {
        let mut rules = self.context_rules();
        if model != self.model() {
            rules.window = self.deps.context.windows.get(model).copied();
        }
        rules
    }

    pub(super) fn context_rules(&self) -> ContextRules {
        self.deps.context.agents.get(&self.agent).cloned().unwrap_or_default()
    }

    /// The agent's model, as `provider/model`.
    pub(super) fn model(&self) -> String {
        self.profile()
            .map_or_else(String::new, |agent| format!("{}/{}", agent.provider, agent.model))
    }

    fn meter(&mut self, now: Timestamp) -> Result<&mut SessionMeter, StoreError> {
        if self.asking.meter.is_none() {
            let day = self.deps.context.day.clone();
            let of = (&self.key, self.agent.as_str());
            self.asking.meter = Some(SessionMeter::load(&self.deps.store, of, now, day)?);
        }
        self.asking
            .meter
            .as_mut()
            .ok_or_else(|| StoreError::Database("the usage of a session is not loaded".into()))
    }
}
