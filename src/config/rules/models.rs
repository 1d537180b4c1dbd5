//! Models and their providers: references lead somewhere, providers can be reached.

use super::super::agents::ModelChoice;
use super::super::finding::Finding;
use super::super::models::{BUILT_IN_PROVIDERS, Provider, ProviderApi};
use super::super::path::Path;
use super::super::root::Config;
use super::super::suggest::nearest;
use super::{Checked, agents};

/// Checks every provider and every model that is named.
pub(super) fn check(config: &Config, checked: &mut Checked) {
    for (id, provider) in &config.models.providers {
        check_provider(id, provider, checked);
    }
    let shared = config.agents.defaults.model.iter();
    let shared = shared.map(|model| (Path::of(&["agents", "defaults", "model"]), model));
    let own = agents::entries(config).into_iter().filter_map(|(_, path, entry)| {
        entry.model.as_ref().map(|model| (path.key("model"), model))
    });
    for (path, model) in shared.chain(own) {
        check_choice(config, model, &path, checked);
    }
    let shared = (Path::of(&["agents", "defaults"]), &config.agents.defaults.compaction);
    let own = agents::entries(config).into_iter();
    let own = own.map(|(_, path, entry)| (path, &entry.compaction));
    for (path, compaction) in std::iter::once(shared).chain(own) {
        if let Some(name) = &compaction.model {
            let path = path.key("compaction").key("model");
            check_name(config, config.model_named(name), path, checked);
        }
    }
    check_aliases(config, checked);
}

fn check_provider(id: &str, provider: &Provider, checked: &mut Checked) {
    let path = Path::of(&["models", "providers", id]);
    if id.is_empty() || id.contains('/') {
        let message = format!("{id:?} cannot be a provider's id");
        let help = "the id is the part of a model's name before the /";
        checked.problem(Finding::new(path.clone(), message).with_help(help));
    }
    let reachable = BUILT_IN_PROVIDERS.contains(&id) || provider.api_of(id) == ProviderApi::Echo;
    match &provider.base_url {
        None if !reachable => {
            checked.problem(Finding::new(path.key("baseUrl"), "this setting is required"));
        }
        Some(url) if !is_web_address(url) => {
            let message = "must start with http:// or https://, with a host behind it";
            checked.problem(Finding::new(path.key("baseUrl"), message));
        }
        _ => {}
    }
}

pub(super) fn is_web_address(url: &str) -> bool {
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    host.is_some_and(|host| host.starts_with(|c: char| c.is_alphanumeric() || c == '['))
}

fn check_choice(config: &Config, model: &ModelChoice, path: &Path, checked: &mut Checked) {
    let primary = model.primary.iter().map(|name| (path.clone(), name));
    let fallbacks = model.fallbacks.iter().flatten().enumerate();
    let fallbacks = fallbacks.map(|(index, name)| (path.key("fallbacks").index(index), name));
    for (path, name) in primary.chain(fallbacks) {
        check_name(config, config.model_named(name), path, checked);
    }
}

/// Aliases lead to models, and each to one.
fn check_aliases(config: &Config, checked: &mut Checked) {
    let defaults = Path::of(&["agents", "defaults"]);
    let mut seen: Vec<String> = Vec::new();
    for (model, named) in &config.agents.defaults.models {
        let path = defaults.key("models").key(model);
        let Some(alias) = &named.alias else { continue };
        check_name(config, model, path.clone(), checked);
        let alias = alias.trim().to_lowercase();
        let path = path.key("alias");
        if alias.is_empty() || alias.contains(['/', '@']) {
            let message = "must be a word without / and @";
            checked.problem(Finding::new(path, message));
        } else if seen.contains(&alias) {
            let message = format!("another model is called {alias:?} already");
            checked.problem(Finding::new(path, message));
        } else {
            seen.push(alias);
        }
    }
    for (index, allowed) in config.agents.defaults.model_policy.allow.iter().enumerate() {
        let path = defaults.key("modelPolicy").key("allow").index(index);
        check_name(config, config.model_named(allowed), path, checked);
    }
}

fn check_name(config: &Config, name: &str, path: Path, checked: &mut Checked) {
    let parts = name
        .split_once('/')
        .filter(|(provider, model)| !provider.trim().is_empty() && !model.trim().is_empty());
    let Some((provider, _)) = parts else {
        let message = format!("{name:?} is not a model's name");
        let help = "write provider/model, such as openai/gpt-5";
        checked.problem(Finding::new(path, message).with_help(help));
        return;
    };
    let configured = config.models.providers.keys().map(String::as_str);
    let known: Vec<&str> = BUILT_IN_PROVIDERS.into_iter().chain(configured).collect();
    if !known.contains(&provider) {
        let help = match nearest(provider, known.iter().copied()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("add it as models.providers.{provider}"),
        };
        let message = format!("there is no provider {provider:?}");
        checked.problem(Finding::new(path, message).with_help(help));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::agents::ModelChoice;
    use super::super::tests::problems;
    use super::*;

    #[test]
    fn names_have_a_known_provider() {
        let found = problems(
            "{agents: {defaults: {model: {primary: 'openai/gpt-5', fallbacks: ['gpt-5', 'mine/m', 'antropic/x']}},
              entries: {a: {model: 'lab/a/b'}, b: {model: '/x'}}},
              models: {providers: {lab: {baseUrl: 'http://127.0.0.1:1/v1'}}}}",
        );
        assert_eq!(
            found,
            [
                "agents.defaults.model.fallbacks[0]: \"gpt-5\" is not a model's name",
                "agents.defaults.model.fallbacks[1]: there is no provider \"mine\"",
                "agents.defaults.model.fallbacks[2]: there is no provider \"antropic\"",
                "agents.entries.b.model: \"/x\" is not a model's name",
            ]
        );
    }

    #[test]
    fn the_models_of_summaries_are_models() {
        let found = problems(
            "{agents: {defaults: {compaction: {model: 'gpt-5'}, models: {'openai/a': {alias: 'fast'}}},
              entries: {a: {compaction: {model: 'opnai/x'}}, b: {compaction: {model: 'Fast'}}}}}",
        );
        let expected = [
            "agents.defaults.compaction.model: \"gpt-5\" is not a model's name",
            "agents.entries.a.compaction.model: there is no provider \"opnai\"",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn aliases_are_words_for_one_model_each() {
        let found = problems(
            "{agents: {defaults: {model: {primary: 'Fast', fallbacks: ['slow']},
              modelPolicy: {allow: ['fast', 'openai/*', 'nobody/*']},
              models: {'openai/a': {alias: 'fast'}, 'openai/b': {alias: 'FAST '},
              'openai/c': {alias: 'x/y'}, 'lost/d': {alias: 'd'}, 'lost/e': {}}}}}",
        );
        assert_eq!(
            found,
            [
                "agents.defaults.model.fallbacks[0]: \"slow\" is not a model's name",
                "agents.defaults.models[\"lost/d\"]: there is no provider \"lost\"",
                "agents.defaults.models[\"openai/b\"].alias: another model is called \"fast\" already",
                "agents.defaults.models[\"openai/c\"].alias: must be a word without / and @",
                "agents.defaults.modelPolicy.allow[2]: there is no provider \"nobody\"",
            ]
        );
    }

    #[test]
    fn providers_say_where_they_are() {
        let found = problems(
            "{models: {providers: {a: {}, b: {baseUrl: 'host/v1'}, c: {api: 'echo'}, openai: {}, 'x/y': {baseUrl: 'https://h'}}}}",
        );
        assert_eq!(
            found,
            [
                "models.providers.a.baseUrl: this setting is required",
                "models.providers.b.baseUrl: must start with http:// or https://, with a host behind it",
                "models.providers[\"x/y\"]: \"x/y\" cannot be a provider's id",
            ]
        );
    }

    proptest! {
        #[test]
        fn any_model_of_a_built_in_provider_may_be_named(which in 0..BUILT_IN_PROVIDERS.len(), model in "[a-z0-9/:.-]{1,20}") {
            let mut config = Config::default();
            let primary = Some(format!("{}/{model}", BUILT_IN_PROVIDERS[which]));
            config.agents.defaults.model = Some(ModelChoice { primary, fallbacks: None });
            let mut checked = Checked::default();
            check(&config, &mut checked);
            prop_assert!(checked.problems.is_empty());
        }
    }
}
