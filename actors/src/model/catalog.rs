//! What models are called: providers that exist, aliases, and who may choose what.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Candidates, Choice, ModelRef};

/// The names of one engine. Pure data, built once from the config.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    /// Providers that are configured.
    pub providers: BTreeSet<String>,
    /// Short names, in small letters.
    pub aliases: BTreeMap<String, ModelRef>,
    /// The provider of a model that is named without one; usually that of the agent's own model.
    pub default_provider: Option<String>,
    /// What sessions may choose: models, or `provider/*`. Empty: anything.
    pub allowed: Vec<String>,
    /// What steps in for an agent's own model. An agent without an entry is strict.
    pub fallbacks: HashMap<String, Vec<ModelRef>>,
}

/// Why a name leads to no model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is neither an alias nor a model's name.
    #[error("{0:?} is no model: write provider/model, such as openai/gpt-5, or an alias")]
    Unknown(String),
    /// Its provider is not configured.
    #[error("there is no provider {provider:?}; configured are {known}")]
    NoProvider {
        /// The provider that was named.
        provider: String,
        /// Those that are there.
        known: String,
    },
    /// It must not be chosen here.
    #[error("{0} may not be chosen here: see agents.defaults.modelPolicy.allow")]
    NotAllowed(ModelRef),
}

impl Catalog {
    /// The model that a name means: an alias first, then `provider/model` with a configured
    /// provider, then a model of the default provider (whose own names may hold a `/`).
    ///
    /// # Errors
    /// A name that leads nowhere, with what could be written in its place.
    pub fn resolve(&self, name: &str) -> Result<ModelRef, Refusal> {
        let name = name.trim();
        if let Some(model) = self.aliases.get(&name.to_lowercase()) {
            return Ok(model.clone());
        }
        match name.parse::<ModelRef>() {
            Ok(model) if self.providers.contains(&model.provider) => Ok(model),
            Ok(model) => {
                let known: Vec<&str> = self.providers.iter().map(String::as_str).collect();
                Err(Refusal::NoProvider { provider: model.provider, known: known.join(", ") })
            }
            Err(_) if name.is_empty() || name.contains('/') => Err(Refusal::Unknown(name.into())),
            Err(_) => match &self.default_provider {
                Some(provider) => Ok(ModelRef::new(provider, name)),
                None => Err(Refusal::Unknown(name.into())),
            },
        }
    }

    /// What a person writes to choose a session's model: a name as in [`Catalog::resolve`], and
    /// after an `@` an auth profile of its provider, if one is meant.
    ///
    /// # Errors
    /// As [`Catalog::resolve`], and for a model that may not be chosen.
    pub fn choose(&self, text: &str) -> Result<Choice, Refusal> {
        let (name, profile) = apart(text);
        let model = self.resolve(name)?;
        let whole = format!("{}/*", model.provider);
        let allows = |allowed: &String| *allowed == whole || *allowed == model.to_string();
        if !self.allowed.is_empty() && !self.allowed.iter().any(allows) {
            return Err(Refusal::NotAllowed(model));
        }
        Ok(Choice { model, profile: profile.map(str::to_owned) })
    }

    /// What a turn of an agent asks: the session's choice alone, else the agent's model and what
    /// steps in for it.
    pub fn candidates(&self, agent: &str, own: ModelRef, choice: Option<&Choice>) -> Candidates {
        match choice {
            Some(choice) => Candidates::strict(choice.model.clone()),
            None => Candidates::new(own, self.fallbacks.get(agent).into_iter().flatten().cloned()),
        }
    }
}

/// Name and profile. Names of models hold an `@` as well; an id of a profile is a word and a `:`.
fn apart(text: &str) -> (&str, Option<&str>) {
    let parts = text.match_indices('@').map(|(at, _)| (&text[..at], text[at + 1..].trim()));
    let mut parts = parts.filter(|(_, profile)| {
        profile.split_once(':').is_some_and(|(provider, _)| !provider.contains('@'))
    });
    parts.next().map_or((text, None), |(name, profile)| (name, Some(profile)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn catalog() -> Catalog {
        Catalog {
            providers: ["openai", "lab"].map(str::to_owned).into(),
            aliases: [("fast".to_owned(), ModelRef::new("lab", "small"))].into(),
            default_provider: Some("openai".into()),
            allowed: vec!["lab/*".into(), "openai/gpt-5".into()],
            fallbacks: [("main".to_owned(), vec![ModelRef::new("lab", "big")])].into(),
        }
    }

    #[test]
    fn names_are_aliases_then_models_then_the_default_providers() {
        let catalog = catalog();
        for (name, model) in
            [(" Fast ", "lab/small"), ("lab/a/b", "lab/a/b"), ("gpt-5", "openai/gpt-5")]
        {
            assert_eq!(catalog.resolve(name).unwrap().to_string(), model);
        }
        let refusal = catalog.resolve("labs/x").unwrap_err().to_string();
        assert_eq!(refusal, "there is no provider \"labs\"; configured are lab, openai");
        assert!(catalog.resolve("/x").is_err() && catalog.resolve(" ").is_err());
        let lonely = Catalog { default_provider: None, ..catalog };
        assert_eq!(lonely.resolve("gpt-5"), Err(Refusal::Unknown("gpt-5".into())));
    }

    #[test]
    fn a_choice_is_strict_allowed_and_may_name_a_profile() {
        let catalog = catalog();
        let choice = catalog.choose("fast@lab:work").unwrap();
        assert_eq!(choice.profile.as_deref(), Some("lab:work"));
        let versioned = catalog.choose("lab/a@2025@lab:anna@home").unwrap();
        assert_eq!(
            (&*versioned.model.model, versioned.profile.as_deref()),
            ("a@2025", Some("lab:anna@home"))
        );
        let own = ModelRef::new("openai", "gpt-5");
        let chosen = catalog.candidates("main", own.clone(), Some(&choice));
        assert_eq!(chosen, Candidates::strict(ModelRef::new("lab", "small")));
        assert_eq!(catalog.candidates("main", own.clone(), None).count(), 2);
        assert_eq!(catalog.candidates("other", own, None).count(), 1, "no list, no fallback");
        let refused = catalog.choose("openai/gpt-6").unwrap_err();
        assert_eq!(refused, Refusal::NotAllowed(ModelRef::new("openai", "gpt-6")));
    }

    proptest! {
        #[test]
        fn any_text_is_resolved_or_explained(text in ".{0,20}") {
            match catalog().resolve(&text) {
                Ok(model) => prop_assert!(catalog().providers.contains(&model.provider)),
                Err(refusal) => prop_assert!(!refusal.to_string().is_empty()),
            }
        }
    }
}
