//! What models are shown and what they may cost, from the config.

use telson_actors::context::ContextRules;
use telson_actors::usage::{self, Price};

use super::Assembly;
use super::agents::{model_of, split_model};
use crate::config::{
    AgentDefaults, AgentEntry, Budget, Compaction, Config, IdentifierPolicy, Lookup, ModelCost,
};

pub(super) fn add(assembly: &mut Assembly, config: &Config, env: &Lookup<'_>) {
    let prices = prices(config);
    let wanted = &config.usage.budget;
    let budgets = usage::Budgets {
        day: budget(&wanted.per_day),
        session_day: budget(&wanted.per_session_day),
    };
    if is_priced(&wanted.per_day, &wanted.per_session_day) && prices.is_empty() {
        assembly.warnings.push(
            "usage.budget: a budget in dollars stops nothing, for no model has a price; set \
             models.providers.*.models[].cost"
                .into(),
        );
    }
    let windows = windows(config);
    let (inputs, hidden) = (super::media::inputs(config), super::media::hidden(config));
    let agents = config.agents_map();
    let rules: Vec<_> = agents
        .iter()
        .map(|(id, agent)| (id.clone(), rules(config, agent, &model_of(config, agent, env))))
        .collect();
    assembly.build(|builder| {
        builder.context(|context| {
            context.prices.extend(prices);
            context.windows.extend(windows);
            context.inputs = inputs;
            context.hidden_files = hidden;
            context.budgets = budgets;
            context.agents.extend(rules);
        })
    });
}

/// The provider of the model that writes an agent's summaries, if it is not its own.
pub(super) fn summary_models(config: &Config) -> impl Iterator<Item = String> {
    let agents = config.agents_map();
    let named =
        agents.into_values().filter_map(|agent| compaction(&config.agents.defaults, &agent).model);
    named.map(|name| config.model_named(&name).to_owned())
}

fn rules(config: &Config, agent: &AgentEntry, model: &str) -> ContextRules {
    let defaults = &config.agents.defaults;
    let compaction = compaction(defaults, agent);
    let known = window_of(config, model);
    let wanted = agent.context_tokens.or(defaults.context_tokens);
    let standard = ContextRules::default();
    let floor = compaction.reserve_tokens_floor.unwrap_or(standard.reserve);
    let policy = compaction.identifier_policy.unwrap_or(IdentifierPolicy::Strict);
    let about_names = compaction
        .identifier_instructions
        .filter(|_| policy == IdentifierPolicy::Custom)
        .unwrap_or_default();
    let more = compaction.custom_instructions.unwrap_or_default();
    let turns = compaction.recent_turns_preserve.and_then(|turns| usize::try_from(turns).ok());
    let summary_model = compaction.model.as_deref();
    let summary_model = summary_model.map(|name| split_model(config.model_named(name)));
    ContextRules {
        // Who sets a bound for an unknown model knows that much of it.
        window: known.into_iter().chain(wanted).min(),
        reserve: compaction.reserve_tokens.unwrap_or(floor).max(floor),
        keep_tokens: compaction.keep_recent_tokens.unwrap_or(standard.keep_tokens),
        keep_turns: turns.unwrap_or(standard.keep_turns),
        instructions: format!("{about_names}\n{more}").trim().to_owned(),
        keeps_identifiers: policy == IdentifierPolicy::Strict,
        summary_model: summary_model.map(|(provider, name)| (provider.to_owned(), name.to_owned())),
    }
}

fn compaction(defaults: &AgentDefaults, agent: &AgentEntry) -> Compaction {
    agent.compaction.clone().or(&defaults.compaction)
}

/// What is known of a model's size.
fn window_of(config: &Config, model: &str) -> Option<u64> {
    let (provider, name) = split_model(model);
    let models = &config.models.providers.get(provider)?.models;
    models.iter().find(|model| model.id == name)?.context_window
}

fn windows(config: &Config) -> Vec<(String, u64)> {
    let providers = config.models.providers.iter();
    let models = providers.flat_map(|(id, provider)| {
        let sized = provider.models.iter();
        sized.filter_map(move |model| Some((format!("{id}/{}", model.id), model.context_window?)))
    });
    models.collect()
}

fn prices(config: &Config) -> Vec<(String, Price)> {
    let providers = config.models.providers.iter();
    let models = providers.flat_map(|(id, provider)| {
        provider.models.iter().map(move |model| (format!("{id}/{}", model.id), &model.cost))
    });
    // Millionths of a dollar for a million tokens are picodollars for a token.
    let price = |cost: &ModelCost| Price { input: cost.input.0, output: cost.output.0 };
    models.filter_map(|(model, cost)| Some((model, price(cost.as_ref()?)))).collect()
}

fn is_priced(day: &Budget, session: &Budget) -> bool {
    day.usd.is_some() || session.usd.is_some()
}

fn budget(wanted: &Budget) -> usage::Budget {
    let pico = |dollars: crate::config::Dollars| dollars.0.saturating_mul(1_000_000);
    usage::Budget { tokens: wanted.tokens, cost: wanted.usd.map(pico) }
}
