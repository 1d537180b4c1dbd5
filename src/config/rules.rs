//! Rules between settings, checked on the whole config so that every breach is reported at once.

mod access;
mod agents;
mod auth;
mod gateway;
mod heartbeat;
mod hooks;
mod mcp;
mod models;
mod names;
mod routing;
mod tools;
mod webhooks;

use super::finding::Finding;
use super::path::Path;
use super::root::Config;

/// What the rules found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Checked {
    /// Breaches: the config cannot be used.
    pub(super) problems: Vec<Finding>,
    /// Settings that are allowed and probably not what was meant.
    pub(super) warnings: Vec<Finding>,
}

impl Checked {
    fn problem(&mut self, finding: Finding) {
        self.problems.push(finding);
    }

    fn warning(&mut self, finding: Finding) {
        self.warnings.push(finding);
    }
}

/// Checks every rule.
pub(super) fn check(config: &Config) -> Checked {
    let mut checked = Checked::default();
    agents::check(config, &mut checked);
    routing::check(config, &mut checked);
    access::check(config, &mut checked);
    models::check(config, &mut checked);
    auth::check(config, &mut checked);
    mcp::check(config, &mut checked);
    tools::check(config, &mut checked);
    names::check(config, &mut checked);
    hooks::check(config, &mut checked);
    gateway::check(config, &mut checked);
    heartbeat::check(config, &mut checked);
    webhooks::check(config, &mut checked);
    check_limits(config, &mut checked);
    checked
}

/// Numbers that must not be 0.
fn check_limits(config: &Config, checked: &mut Checked) {
    let cap = (Path::of(&["messages", "queue", "cap"]), Some(u64::from(config.messages.queue.cap)));
    let max_concurrent = config.agents.defaults.max_concurrent.map(u64::from);
    let turns = (Path::of(&["agents", "defaults", "maxConcurrent"]), max_concurrent);
    let runs = (Path::of(&["cron", "maxConcurrentRuns"]), Some(config.cron.max_concurrent_runs));
    let after =
        (Path::of(&["cron", "failureAlert", "after"]), Some(config.cron.failure_alert.after));
    let of_jobs = [runs, after].map(|(path, number)| (path, number.map(u64::from)));
    let timeouts = config.models.providers.iter().map(|(id, provider)| {
        (Path::of(&["models", "providers", id, "timeoutSeconds"]), provider.timeout_seconds)
    });
    let budget = Path::of(&["usage", "budget"]);
    let budgets = &config.usage.budget;
    let budgets = [("perDay", &budgets.per_day), ("perSessionDay", &budgets.per_session_day)];
    let budgets = budgets.map(|(key, bound)| (budget.key(key).key("tokens"), bound.tokens));
    let shared = config.agents.defaults.context_tokens;
    let windows = agents::entries(config).into_iter().map(|(_, path, entry)| (path, entry));
    let windows = windows.map(|(path, entry)| (path.key("contextTokens"), entry.context_tokens));
    let windows = windows.chain([(Path::of(&["agents", "defaults", "contextTokens"]), shared)]);
    let channel = config.channels.imessage.iter().flat_map(|base| {
        let path = Path::of(&["channels", "imessage"]);
        let accounts = base.accounts.iter();
        let accounts = accounts.map(|(id, account)| (path.key("accounts").key(id), account));
        accounts.chain([(path.clone(), base)]).collect::<Vec<_>>()
    });
    let chunks = channel.map(|(path, settings)| {
        (path.key("textChunkLimit"), settings.text_chunk_limit.map(u64::from))
    });
    let numbers = [cap, turns].into_iter().chain(of_jobs).chain(timeouts).chain(chunks);
    for (path, number) in numbers.chain(budgets).chain(windows) {
        if number == Some(0) {
            checked.problem(Finding::new(path, "must be at least 1"));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::node::Node;
    use super::super::typing::read;
    use super::*;

    /// A config from its text.
    pub(super) fn config(text: &str) -> Config {
        let node: Node = json5::from_str(text).unwrap();
        read(node).unwrap()
    }

    /// The problems as `path: message`.
    pub(super) fn problems(text: &str) -> Vec<String> {
        shown(&check(&config(text)).problems)
    }

    /// The warnings as `path: message`.
    pub(super) fn warnings(text: &str) -> Vec<String> {
        shown(&check(&config(text)).warnings)
    }

    fn shown(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(|finding| format!("{}: {}", finding.path, finding.message)).collect()
    }

    #[test]
    fn the_defaults_break_no_rule() {
        assert_eq!(check(&Config::default()), Checked::default());
    }

    #[test]
    fn breaches_of_different_rules_are_all_reported() {
        let found = problems(
            "{messages: {queue: {cap: 0}}, bindings: [{agentId: 'x', match: {channel: 'imessage'}}],
              channels: {imessage: {dmPolicy: 'open', textChunkLimit: 0}}}",
        );
        assert_eq!(found.len(), 4, "{found:?}");
    }

    proptest! {
        #[test]
        fn only_zero_breaks_a_lower_limit(cap in 0_u32..50, turns in 0_u32..50) {
            let mut config = Config::default();
            config.messages.queue.cap = cap;
            config.agents.defaults.max_concurrent = Some(turns);
            let expected = usize::from(cap == 0) + usize::from(turns == 0);
            prop_assert_eq!(check(&config).problems.len(), expected);
        }
    }
}
