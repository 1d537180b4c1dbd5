//! Asking a model for a turn, or taking the answer that an earlier life was given.

use super::{Myself, Outcome, State, teller};
use crate::crash_point::crash_point;
use crate::event::JourneyStep;
use crate::provider::{Failure, FailureClass, Request, Usage};
use crate::session::machine::{Ask, Event, Occasion, Session};
use crate::store::StoreError;

impl State {
    pub(super) async fn ask(&mut self, myself: &Myself, mut ask: Ask) -> Outcome {
        if ask.asked.occasion == Occasion::Begin {
            self.tell_started(ask.turn);
        }
        crash_point("turn.before_ask");
        if let Some(completion) = self.kept_answer(&ask) {
            self.asks(&ask.asked);
            teller(myself)(Event::Answered(ask.turn, ask.round, completion));
        } else {
            // Only in an engine's first seconds, while it learns what its servers offer.
            if let Some(wait) = self.deps.toolbox.unsettled(&self.agent) {
                wait.await;
            }
            self.add_files(&mut ask).await;
            let system = self.system_prompt(&ask).await?;
            self.ask_model(myself, ask, system)?;
        }
        crash_point("turn.after_ask");
        Ok(())
    }

    fn ask_model(&mut self, myself: &Myself, ask: Ask, system: String) -> Result<(), StoreError> {
        let Ask { turn, round, messages, may_call, is_last_try, asked } = ask;
        let Some(agent) = self.profile().cloned() else {
            teller(myself)(Event::Failed(turn, round, no_agent(&self.agent)));
            return Ok(());
        };
        let tools = self.tools_of(turn, &asked)?;
        let must_call = self.must_call();
        let mut request = Request {
            model: asked.model.model.clone(),
            system,
            messages,
            tools,
            may_call,
            must_call,
            output_tokens_max: agent.output_tokens_max,
        };
        let event = self.held_back((turn, round), &mut request, &asked, is_last_try)?;
        if let Some(event) = event {
            teller(myself)(event);
            return Ok(());
        }
        self.send_question(myself, (turn, round), request, asked);
        Ok(())
    }

    fn tell_started(&self, turn: u64) {
        self.show_started(turn);
        let messages = self.session.as_ref().map_or(0, Session::members_in_flight);
        let step = JourneyStep::TurnStarted { turn, messages };
        self.tell(self.deps.clock.now(), step);
    }
}

fn no_agent(id: &str) -> Failure {
    Failure {
        usage: Usage::default(),
        class: FailureClass::ModelNotFound,
        message: format!("agent {id:?} is not configured; add it under agents.entries"),
        retry_after: None,
        output_started: false,
    }
}
