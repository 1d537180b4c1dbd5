//! Bindings and broadcasts: the agents and accounts they name must exist.

use super::super::finding::Finding;
use super::super::path::Path;
use super::super::root::Config;
use super::super::suggest::nearest;
use super::Checked;

/// Checks everything that names an agent or account.
pub(super) fn check(config: &Config, checked: &mut Checked) {
    let agents = config.agents_map();
    let agents: Vec<&str> = agents.keys().map(String::as_str).collect();
    let accounts = config.imessage_accounts();
    let accounts: Vec<&str> = accounts.keys().map(String::as_str).collect();
    for (index, binding) in config.bindings.iter().enumerate() {
        let path = Path::of(&["bindings"]).index(index);
        check_agent(&agents, &binding.agent_id, path.key("agentId"), checked);
        let account = binding.matches.account_id.as_deref();
        if let ("imessage", Some(account)) = (binding.matches.channel.as_str(), account) {
            check_account(&accounts, account, path.key("match").key("accountId"), checked);
        }
    }
    for (peer, named) in config.broadcast.iter().flat_map(|broadcast| &broadcast.peers) {
        for (index, agent) in named.iter().enumerate() {
            let path = Path::of(&["broadcast", peer]).index(index);
            check_agent(&agents, agent, path, checked);
        }
    }
}

fn check_agent(agents: &[&str], id: &str, path: Path, checked: &mut Checked) {
    if agents.contains(&id) {
        return;
    }
    let help = match nearest(id, agents.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("agents: {}", agents.join(", ")),
    };
    checked.problem(Finding::new(path, format!("there is no agent {id:?}")).with_help(help));
}

/// Only a warning: the account may be one that is added later.
fn check_account(accounts: &[&str], id: &str, path: Path, checked: &mut Checked) {
    if id != "*" && !accounts.contains(&id) {
        let help = nearest(id, accounts.iter().copied());
        let help = help.map(|near| format!("did you mean {near:?}?"));
        let message = format!("there is no iMessage account {id:?}, so this never matches");
        checked.warning(Finding::new(path, message).with_help_if(help));
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::super::tests::{config, problems, warnings};

    #[test]
    fn agents_named_by_bindings_and_broadcasts_exist() {
        let text = "{agents: {entries: {work: {}, home: {}}},
            bindings: [{agentId: 'work', match: {channel: 'imessage'}}, {agentId: 'wrok', match: {channel: 'slack'}}],
            broadcast: {strategy: 'sequential', '+1555': ['home', 'x']}}";
        assert_eq!(
            problems(text),
            [
                "bindings[1].agentId: there is no agent \"wrok\"",
                "broadcast[\"+1555\"][1]: there is no agent \"x\""
            ]
        );
        let helps: Vec<_> =
            check(&config(text)).problems.into_iter().filter_map(|f| f.help).collect();
        assert_eq!(helps, ["did you mean \"work\"?", "agents: home, work"]);
    }

    #[test]
    fn without_agents_there_is_one_called_main() {
        assert!(
            problems("{bindings: [{agentId: 'main', match: {channel: 'imessage'}}]}").is_empty()
        );
    }

    #[test]
    fn an_account_that_is_not_there_is_remarked_on() {
        let found = warnings(
            "{channels: {imessage: {}}, bindings: [
              {agentId: 'main', match: {channel: 'imessage', accountId: 'defalt'}},
              {agentId: 'main', match: {channel: 'imessage', accountId: '*'}},
              {agentId: 'main', match: {channel: 'telegram', accountId: 'x'}}]}",
        );
        assert_eq!(
            found,
            [
                "bindings[0].match.accountId: there is no iMessage account \"defalt\", so this never matches"
            ]
        );
    }
}
