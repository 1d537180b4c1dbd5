//! What a person asks the gateway about their conversation, and what they read: `/status`, `/model`
//! and the like. Pure: the facts come in.

use crate::model::{Catalog, Choice};
use crate::usage::Tally;

/// A question to the gateway, or a choice it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// `/help`: what can be typed?
    Help,
    /// `/models`: what may be chosen?
    Models,
    /// `/model`: which one answers? With a name: this one answers from now on.
    Model(Option<String>),
    /// `/status`: how is this conversation?
    Status,
    /// `/usage`: what has it used?
    Usage,
    /// `/context`: how much of it does the model see?
    Context,
}

impl Query {
    /// The query a command is, by its name and what stands behind it.
    pub(super) fn parse(name: &str, rest: &str) -> Option<Self> {
        let alone = |query| rest.is_empty().then_some(query);
        match name {
            "help" | "commands" => alone(Self::Help),
            "models" => alone(Self::Models),
            "model" if rest.is_empty() => Some(Self::Model(None)),
            // A model's name is one word; more is something to the agent about models.
            "model" if !rest.contains(char::is_whitespace) => Some(Self::Model(Some(rest.into()))),
            "status" => alone(Self::Status),
            "usage" => alone(Self::Usage),
            "context" => alone(Self::Context),
            _ => None,
        }
    }
}

/// What is known of a session when somebody asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The models its turns ask, best first, as `provider/model`.
    pub models: Vec<String>,
    /// How it queues, as it is typed.
    pub queue: String,
    /// Whether a turn runs.
    pub is_running: bool,
    /// Messages that wait behind it.
    pub waiting: usize,
    /// Exchanges the model is shown as they were.
    pub exchanges: usize,
    /// Tokens of them, by estimate.
    pub tokens: u64,
    /// Older exchanges that a summary stands for.
    pub summed_up: u64,
}

/// Facts the machine does not have.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    /// The agent that answers.
    pub agent: String,
    /// The session's key.
    pub session: String,
    /// What the person has chosen.
    pub choice: Option<Choice>,
    /// What the session has used since it began, and today.
    pub used: (Tally, Tally),
    /// Tokens the model reads at once, if that is known.
    pub window: Option<u64>,
    /// Tokens of the last question, by estimate; 0 before the first.
    pub asked: u64,
}

/// The names a person can type to go back to the agent's own model.
pub const OWN: [&str; 3] = ["default", "reset", "clear"];

const HELP: &str = "\
/status how this conversation is
/model which model answers; /model NAME chooses one, /model default goes back
/models what can be chosen
/context how much of the conversation the model sees
/compact sums up the older part; /compact WORDS says what matters
/usage what the models have used
/queue how messages wait; /queue steer, followup, collect or interrupt changes it
/stop ends what runs and what waits";

/// What the person reads. A choice of a model is told by [`chosen`].
pub fn text(query: &Query, facts: &Facts, known: &Known, catalog: &Catalog) -> String {
    match query {
        Query::Help => HELP.to_owned(),
        Query::Models => models(facts, catalog),
        Query::Model(_) => format!("{}\n/models shows what can be chosen.", model(facts, known)),
        Query::Status => status(facts, known),
        Query::Usage => usage(known),
        Query::Context => context(facts, known),
    }
}

/// What a person reads who has chosen a model, or gone back to the agent's own.
pub fn chosen(choice: Option<&Choice>, is_running: bool) -> String {
    let from = if is_running { "From the next answer on: " } else { "" };
    match choice {
        Some(Choice { model, profile: None }) => {
            format!("{from}{model}. Nothing steps in for it; /model default goes back.")
        }
        Some(Choice { model, profile: Some(profile) }) => {
            format!("{from}{model} with {profile}. /model default goes back.")
        }
        None => format!("{from}the agent's own model."),
    }
}

fn model(facts: &Facts, known: &Known) -> String {
    let (first, others) = match facts.models.split_first() {
        Some((first, others)) => (first.as_str(), others),
        None => ("none", [].as_slice()),
    };
    if known.choice.is_some() {
        return format!("Model: {first}, chosen for this conversation");
    }
    match others {
        [] => format!("Model: {first}"),
        others => format!("Model: {first}; when it fails: {}", others.join(", ")),
    }
}

fn models(facts: &Facts, catalog: &Catalog) -> String {
    let mut text = String::from("You can choose:");
    let allows = |model: &str, provider: &str| {
        catalog.allowed.is_empty()
            || catalog.allowed.iter().any(|it| *it == model || *it == format!("{provider}/*"))
    };
    for (alias, model) in &catalog.aliases {
        if allows(&model.to_string(), &model.provider) {
            text.push_str(&format!("\n/model {alias} ({model})"));
        }
    }
    if catalog.allowed.is_empty() {
        for provider in &catalog.providers {
            text.push_str(&format!("\n/model {provider}/… (any model of {provider})"));
        }
    }
    for allowed in &catalog.allowed {
        match allowed.strip_suffix("/*") {
            Some(whole) => text.push_str(&format!("\n/model {whole}/… (any model of {whole})")),
            None => text.push_str(&format!("\n/model {allowed}")),
        }
    }
    let answers = facts.models.first().map_or("none", String::as_str);
    text.push_str(&format!("\nNow answers: {answers}"));
    text
}

fn status(facts: &Facts, known: &Known) -> String {
    let runs = match (facts.is_running, facts.waiting) {
        (false, 0) => "Nothing runs or waits".to_owned(),
        (true, 0) => "An answer is being made".to_owned(),
        (true, 1) => "An answer is being made, 1 message waits".to_owned(),
        (true, many) => format!("An answer is being made, {many} messages wait"),
        (false, many) => format!("{many} messages wait"),
    };
    let Known { agent, session, .. } = known;
    let (model, queue) = (model(facts, known), &facts.queue);
    format!(
        "{runs}\nAgent: {agent}\nSession: {session}\n{model}\nQueue: {queue}\n{}",
        context(facts, known)
    )
}

fn usage(known: &Known) -> String {
    let (all, today) = known.used;
    if all.calls == 0 {
        return "No model was asked in this conversation.".to_owned();
    }
    format!("Today: {}\nSince it began: {}", figures(today), figures(all))
}

fn figures(tally: Tally) -> String {
    let Tally { calls, input, output, .. } = tally;
    let mut text = format!("{calls} calls, {input} tokens read, {output} written");
    if tally.cost > 0 {
        text.push_str(&format!(", ${:.4}", tally.dollars()));
    }
    if tally.unreported > 0 {
        text.push_str(&format!(" ({} calls without figures)", tally.unreported));
    }
    text
}

fn context(facts: &Facts, known: &Known) -> String {
    let tokens = known.asked.max(facts.tokens);
    let mut text = format!("Context: about {tokens} tokens");
    if let Some(window) = known.window.filter(|window| *window > 0) {
        let share = tokens.saturating_mul(100) / window;
        text.push_str(&format!(" of {window} ({share} %)"));
    }
    text.push_str(&format!(", {} exchanges as they were", facts.exchanges));
    if facts.summed_up > 0 {
        text.push_str(&format!(", {} older ones summed up", facts.summed_up));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelRef;

    #[test]
    fn what_is_said_to_the_agent_is_no_query() {
        for (name, rest) in [("help", "me"), ("model", "that house"), ("status", "quo"), ("m", "")]
        {
            assert_eq!(Query::parse(name, rest), None, "{name} {rest}");
        }
        assert_eq!(Query::parse("model", "a/b"), Some(Query::Model(Some("a/b".into()))));
        assert_eq!(Query::parse("commands", ""), Some(Query::Help));
    }

    #[test]
    fn only_what_may_be_chosen_is_offered() {
        let alias = |name: &str, model: &str| (name.to_owned(), ModelRef::new("lab", model));
        let mut catalog = Catalog {
            providers: ["echo", "lab"].map(str::to_owned).into(),
            aliases: [alias("fast", "small"), alias("deep", "big")].into(),
            ..Catalog::default()
        };
        let facts = Facts { models: vec!["lab/big".into()], ..Facts::default() };
        let all = models(&facts, &catalog);
        for part in ["/model fast (lab/small)", "/model echo/…", "Now answers: lab/big"] {
            assert!(all.contains(part), "{part} is in {all}");
        }
        catalog.allowed = vec!["lab/small".into()];
        let some = models(&facts, &catalog);
        assert_eq!(
            some,
            "You can choose:\n/model fast (lab/small)\n/model lab/small\nNow answers: lab/big"
        );
    }

    #[test]
    fn figures_of_the_context_are_whole() {
        let facts = Facts { exchanges: 3, tokens: 50, summed_up: 7, ..Facts::default() };
        let known = Known { window: Some(1000), asked: 250, ..Known::default() };
        let said = "Context: about 250 tokens of 1000 (25 %), 3 exchanges as they were, 7 older ones \
                    summed up";
        assert_eq!(context(&facts, &known), said);
    }
}
