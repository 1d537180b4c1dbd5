//! Names that lead nowhere and would be taken in silence: channels, servers' tools, variables.

use std::collections::BTreeMap;

use telson_actors::mcp::names::server_part;
use telson_actors::reply::VARIABLES;

use super::super::finding::Finding;
use super::super::path::Path;
use super::super::root::Config;
use super::super::suggest::nearest;
use super::Checked;
use super::agents::entries;

/// Channels that exist here.
const CHANNELS: [&str; 2] = ["imessage", "webchat"];

/// Checks every such name.
pub(super) fn check(config: &Config, checked: &mut Checked) {
    check_channels(config, checked);
    check_servers(config, checked);
    check_prefixes(config, checked);
}

/// One of another program's channels has no effect; anything else is a slip.
fn check_channels(config: &Config, checked: &mut Checked) {
    let (queue, path) = (&config.messages.queue, Path::of(&["messages", "queue"]));
    let modes = queue.by_channel.keys().map(|channel| ("byChannel", channel));
    let pauses = queue.debounce_ms_by_channel.keys();
    let pauses = pauses.map(|channel| ("debounceMsByChannel", channel));
    for (key, channel) in modes.chain(pauses) {
        if CHANNELS.contains(&channel.as_str()) {
            continue;
        }
        let path = path.key(key).key(channel);
        let finding = |help| {
            let message = format!("there is no channel {channel:?}");
            Finding::new(path.clone(), message).with_help(help).about_the_key()
        };
        // Not the second one: there is a platform by nearly that name.
        if let Some(near) = nearest(channel, [CHANNELS[0]]) {
            checked.problem(finding(format!("did you mean {near:?}?")));
        } else {
            let help = format!("it has no effect; there are {}", CHANNELS.join(", "));
            checked.warning(finding(help));
        }
    }
}

/// `<server>__<tool>` needs a server of that name. Which tools it has only itself can say.
fn check_servers(config: &Config, checked: &mut Checked) {
    let servers: BTreeMap<String, &String> =
        config.mcp.servers.keys().map(|name| (server_part(name).to_lowercase(), name)).collect();
    let tools = &config.tools;
    let shared = (Path::of(&["tools"]), [&tools.allow, &tools.also_allow, &tools.deny]);
    let own = entries(config).into_iter().map(|(_, path, entry)| {
        let tools = &entry.tools;
        (path.key("tools"), [&tools.allow, &tools.also_allow, &tools.deny])
    });
    for (path, lists) in std::iter::once(shared).chain(own) {
        for (key, list) in ["allow", "alsoAllow", "deny"].into_iter().zip(lists) {
            for (index, entry) in list.iter().enumerate() {
                let path = path.key(key).index(index);
                check_server(entry, path, &servers, checked);
            }
        }
    }
}

fn check_server(
    entry: &str,
    path: Path,
    servers: &BTreeMap<String, &String>,
    checked: &mut Checked,
) {
    let entry = entry.trim().to_lowercase();
    let Some((server, _)) = entry.split_once("__") else { return };
    // A pattern in the server's name may mean any of them, and so may one whose name holds a `__`.
    let is_there = |known: &String| entry.starts_with(&format!("{known}__"));
    if server.contains('*') || servers.keys().any(is_there) {
        return;
    }
    let message = format!("there is no MCP server {server:?} whose tool this could be");
    if let Some(near) = nearest(server, servers.keys().map(String::as_str)) {
        let help = format!("did you mean {near}__…?");
        checked.problem(Finding::new(path, message).with_help(help));
    } else {
        let help = "it has no effect until mcp.servers has such a server";
        checked.warning(Finding::new(path, message).with_help(help));
    }
}

fn check_prefixes(config: &Config, checked: &mut Checked) {
    let shared = (Path::of(&["messages", "responsePrefix"]), &config.messages.response_prefix);
    let channel = config.channels.imessage.iter().flat_map(|base| {
        let path = Path::of(&["channels", "imessage"]);
        let accounts = base.accounts.iter();
        let accounts = accounts.map(|(id, account)| (path.key("accounts").key(id), account));
        accounts.chain([(path.clone(), base)]).collect::<Vec<_>>()
    });
    let own = channel.map(|(path, account)| (path.key("responsePrefix"), &account.response_prefix));
    for (path, prefix) in std::iter::once(shared).chain(own) {
        for variable in prefix.iter().flat_map(|prefix| variables(prefix)) {
            let lowered = variable.to_lowercase();
            if VARIABLES.iter().any(|known| known.to_lowercase() == lowered) {
                continue;
            }
            let help = match nearest(variable, VARIABLES) {
                Some(near) => format!("did you mean {{{near}}}?"),
                None => format!("it is sent as it is written; there are {}", all()),
            };
            let message = format!("{{{variable}}} is no variable");
            checked.warning(Finding::new(path.clone(), message).with_help(help));
        }
    }
}

fn all() -> String {
    VARIABLES.map(|name| format!("{{{name}}}")).join(", ")
}

/// What stands between braces, as far as it looks like a name. Those of the environment have been
/// filled in, or remarked on.
fn variables(template: &str) -> impl Iterator<Item = &str> {
    let pieces = template.split('{').zip(template.split('{').skip(1));
    let own = pieces.filter(|(before, _)| !before.ends_with('$'));
    let names = own.filter_map(|(_, behind)| Some(behind.split_once('}')?.0));
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
    names.filter(move |name| !name.is_empty() && name.chars().all(is_name))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{problems, warnings};

    #[test]
    fn channels_are_slips_or_those_of_another_program() {
        let text =
            "{messages: {queue: {byChannel: {imessage: 'steer', imesage: 'steer', slack: 'steer'},
                      debounceMsByChannel: {webchat: 1, mailbox: 1}}}}";
        assert_eq!(
            problems(text),
            ["messages.queue.byChannel.imesage: there is no channel \"imesage\""]
        );
        let none = |key, channel| {
            format!("messages.queue.{key}.{channel}: there is no channel {channel:?}")
        };
        let expected = [none("byChannel", "slack"), none("debounceMsByChannel", "mailbox")];
        assert_eq!(warnings(text), expected);
    }

    #[test]
    fn tools_of_servers_need_the_server() {
        let text = "{mcp: {servers: {'My Disk': {command: 'x'}}},
            tools: {allow: ['my_disk__read', 'mydisk__read', 'web__get', '*__read', 'exec']},
            agents: {entries: {a: {tools: {deny: ['MY_DISK__*', 'far__x']}}}}}";
        let none = |path, server| {
            format!("{path}: there is no MCP server {server:?} whose tool this could be")
        };
        assert_eq!(problems(text), [none("tools.allow[1]", "mydisk")]);
        let expected =
            [none("tools.allow[2]", "web"), none("agents.entries.a.tools.deny[1]", "far")];
        assert_eq!(warnings(text), expected);
    }

    #[test]
    fn variables_of_prefixes_exist() {
        let text = "{messages: {responsePrefix: '{MODEL} ${GONE} {modle} {thinkingLevel} {} {not one}'},
            channels: {imessage: {responsePrefix: 'auto', accounts: {a: {responsePrefix: '{x}'}}}}}";
        let expected = [
            "messages.responsePrefix: {modle} is no variable",
            "messages.responsePrefix: {thinkingLevel} is no variable",
            "channels.imessage.accounts.a.responsePrefix: {x} is no variable",
        ];
        assert_eq!(warnings(text), expected);
    }
}
