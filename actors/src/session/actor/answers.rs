//! Answering a person's questions about their conversation, and choosing its model for them: the
//! choice, the answer and the end of the command are one commit.

use super::{Myself, Outcome, State, teller};
use crate::model::{Choice, choice_key};
use crate::session::ending::Ended;
use crate::session::machine::Event;
use crate::session::query::{Facts, Known, OWN, Query, chosen, text};
use crate::store::{Batch, StoreError};

impl State {
    pub(super) async fn answer(
        &mut self,
        myself: &Myself,
        query: Query,
        facts: &Facts,
        mut ended: Ended,
    ) -> Outcome {
        let mut batch = Batch::new();
        let mut is_chosen = false;
        let said = match &query {
            Query::Model(Some(name)) => match self.choice(name) {
                Ok(choice) => {
                    is_chosen = true;
                    self.choose(choice.as_ref(), &mut batch);
                    chosen(choice.as_ref(), facts.is_running)
                }
                Err(refused) => format!("{refused}. /models shows what can be chosen."),
            },
            query => text(query, facts, &self.known_for_answers(facts)?, &self.deps.catalog),
        };
        ended.exchange.answer.clone_from(&said);
        for notice in &mut ended.notices {
            notice.text.clone_from(&said);
        }
        self.end_with(batch, ended).await?;
        if is_chosen {
            // What is in the store counts from the next turn on.
            teller(myself)(Event::Chosen(None));
        }
        Ok(())
    }

    fn choice(&self, name: &str) -> Result<Option<Choice>, crate::model::Refusal> {
        if OWN.iter().any(|own| own.eq_ignore_ascii_case(name)) {
            return Ok(None);
        }
        self.deps.catalog.choose(name).map(Some)
    }

    fn choose(&self, choice: Option<&Choice>, batch: &mut Batch) {
        match choice {
            Some(choice) => batch.put(choice_key(&self.key), choice),
            None => batch.delete(choice_key(&self.key)),
        };
    }

    fn known_for_answers(&mut self, facts: &Facts) -> Result<Known, StoreError> {
        let model = facts.models.first().cloned().unwrap_or_default();
        Ok(Known {
            agent: self.agent.clone(),
            session: self.key.to_string(),
            choice: self.deps.store.get(&choice_key(&self.key))?,
            used: self.used()?,
            window: self.window_of(&model),
            asked: self.asked_tokens(),
        })
    }
}
