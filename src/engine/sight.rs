//! What models see besides text.

use std::collections::BTreeMap;

use telson_actors::context::{Context, Inputs};
use telson_actors::message::SessionKey;
use telson_actors::model::ModelRef;

use super::{Builder, ChooseError, Engine};

/// The agents' own models, and what is known of all models.
pub(super) struct Sight {
    own: BTreeMap<String, ModelRef>,
    context: Context,
}

impl Sight {
    pub(super) fn of(spec: &Builder) -> Self {
        let own = spec.agents.iter();
        let own =
            own.map(|(id, agent)| (id.clone(), ModelRef::new(&*agent.provider, &*agent.model)));
        Self { own: own.collect(), context: spec.context.clone() }
    }
}

impl Engine {
    /// The model that the next turn of a session asks, and what it is shown besides text: the model
    /// `named`, else the one chosen for the session, else its agent's own.
    ///
    /// # Errors
    /// A name that leads to no model, or a damaged record.
    pub fn sight(
        &self,
        agent: &str,
        session: &SessionKey,
        named: Option<&str>,
    ) -> Result<(ModelRef, Inputs), ChooseError> {
        let chosen = match named {
            Some(name) => Some(self.0.catalog.choose(name)?),
            None => self.chosen_model(session)?,
        };
        let own = || self.0.sight.own.get(agent).cloned().unwrap_or_else(|| ModelRef::new("", ""));
        let model = chosen.map_or_else(own, |choice| choice.model);
        let inputs = self.0.sight.context.inputs_of(&model);
        Ok((model, inputs))
    }
}
