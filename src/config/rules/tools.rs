//! Tools: names that exist, lists that make sense together.

use telson_actors::tool::core::NAMES;
use telson_actors::tool::policy::{Known, known, names};

use super::super::finding::Finding;
use super::super::path::Path;
use super::super::root::Config;
use super::super::suggest::nearest;
use super::super::tools::{ExecHost, ExecPolicy, ExecTool, FileTools};
use super::Checked;
use super::agents::entries;

/// Checks what is said for all agents, and for each.
pub(super) fn check(config: &Config, checked: &mut Checked) {
    let tools = &config.tools;
    let path = Path::of(&["tools"]);
    check_lists(&path, [&tools.allow, &tools.also_allow, &tools.deny], checked);
    check_exec(&path.key("exec"), &tools.exec, checked);
    check_files(&path.key("fs"), &tools.fs, checked);
    for (_, path, entry) in entries(config) {
        let (path, tools) = (path.key("tools"), &entry.tools);
        check_lists(&path, [&tools.allow, &tools.also_allow, &tools.deny], checked);
        check_exec(&path.key("exec"), &tools.exec, checked);
        check_files(&path.key("fs"), &tools.fs, checked);
    }
    let (fetch, path) = (&tools.web.fetch, path.key("web").key("fetch"));
    for (key, number) in [
        ("maxChars", fetch.max_chars),
        ("maxResponseBytes", fetch.max_response_bytes),
        ("timeoutSeconds", fetch.timeout_seconds),
    ] {
        if number == Some(0) {
            checked.problem(Finding::new(path.key(key), "must be at least 1"));
        }
    }
    check_agents_that_meet(config, checked);
}

fn check_lists(path: &Path, [allow, also, deny]: [&Vec<String>; 3], checked: &mut Checked) {
    if !allow.is_empty() && !also.is_empty() {
        let finding = Finding::new(path.key("alsoAllow"), "can't stand beside `allow`");
        let help = "alsoAllow adds to a profile, allow takes its place: keep one of them";
        checked.problem(finding.with_help(help).about_the_key());
    }
    for (key, list) in [("allow", allow), ("alsoAllow", also), ("deny", deny)] {
        for (index, entry) in list.iter().enumerate() {
            check_name(&path.key(key).index(index), entry, checked);
        }
    }
}

/// A name that is nearly one of ours is a slip, and in a list of denials a dangerous one. One that
/// is like none of them may be meant for another program.
fn check_name(path: &Path, entry: &str, checked: &mut Checked) {
    let near = || nearest(entry.trim(), names());
    match known(entry) {
        Known::Yes | Known::Perhaps => {}
        Known::NoGroup => {
            let groups: Vec<&str> = names().filter(|name| name.starts_with("group:")).collect();
            let help = match near() {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("known groups: {}", groups.join(", ")),
            };
            let message = format!("there is no group {entry:?}");
            checked.problem(Finding::new(path.clone(), message).with_help(help));
        }
        Known::NoTool => {
            let finding = Finding::new(path.clone(), format!("there is no tool {entry:?}"));
            match near() {
                Some(near) => {
                    checked.problem(finding.with_help(format!("did you mean {near:?}?")));
                }
                None if entry.trim().is_empty() => checked.problem(finding),
                None => {
                    let help = format!("it has no effect; there are {}", NAMES.join(", "));
                    checked.warning(finding.with_help(help));
                }
            }
        }
    }
}

fn check_exec(path: &Path, exec: &ExecTool, checked: &mut Checked) {
    if exec.timeout_seconds == Some(0) {
        checked.problem(Finding::new(path.key("timeoutSeconds"), "must be at least 1"));
    }
    if matches!(exec.host, Some(ExecHost::Sandbox | ExecHost::Node)) {
        let message = "commands run only on this machine here; so none is run";
        checked.warning(Finding::new(path.key("host"), message));
        return;
    }
    if matches!(exec.policy(), Some(ExecPolicy::Allowlist | ExecPolicy::Ask | ExecPolicy::Auto)) {
        let key = if exec.mode.is_some() { "mode" } else { "security" };
        let path = if exec.mode.is_some() || exec.security.is_some() {
            path.key(key)
        } else {
            path.key("ask")
        };
        let message = "nobody can be asked for an approval yet; until then no command is run";
        checked.warning(Finding::new(path, message));
    }
}

fn check_files(path: &Path, files: &FileTools, checked: &mut Checked) {
    if files.workspace_only == Some(false) {
        let message = "file tools reach nothing outside the workspace here, whatever this says";
        checked.warning(Finding::new(path.key("workspaceOnly"), message));
    }
}

fn check_agents_that_meet(config: &Config, checked: &mut Checked) {
    let agents = config.agents_map();
    for (index, entry) in config.tools.agent_to_agent.allow.iter().enumerate() {
        if !entry.contains('*') && !agents.contains_key(entry) {
            let path = Path::of(&["tools", "agentToAgent", "allow"]).index(index);
            let near = nearest(entry, agents.keys().map(String::as_str));
            let help = near.map(|near| format!("did you mean {near:?}?"));
            let message = format!("there is no agent {entry:?}");
            checked.warning(Finding::new(path, message).with_help_if(help));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{problems, warnings};

    #[test]
    fn slips_in_names_are_refused_where_they_stand() {
        let found = problems(
            "{tools: {allow: ['read', 'raed', 'group:file', 'web_*', 'disk__read'], alsoAllow: ['exec']},
              agents: {list: [{id: 'a', tools: {deny: ['exce', 'bash']}}], entries: {b: {tools: {allow: ['']}}}}}",
        );
        assert_eq!(
            found,
            [
                "tools.alsoAllow: can't stand beside `allow`",
                "tools.allow[1]: there is no tool \"raed\"",
                "tools.allow[2]: there is no group \"group:file\"",
                "agents.entries.b.tools.allow[0]: there is no tool \"\"",
                "agents.list[0].tools.deny[0]: there is no tool \"exce\"",
            ]
        );
    }

    #[test]
    fn what_is_allowed_and_means_little_is_remarked_on() {
        let found = warnings(
            "{tools: {deny: ['wormhole'], exec: {mode: 'ask'}, fs: {workspaceOnly: false}, agentToAgent: {allow: ['*', 'man']}},
              agents: {entries: {a: {tools: {exec: {security: 'allowlist'}}}, b: {tools: {exec: {mode: 'full', host: 'node'}}}}}}",
        );
        assert_eq!(
            found,
            [
                "tools.deny[0]: there is no tool \"wormhole\"",
                "tools.exec.mode: nobody can be asked for an approval yet; until then no command is run",
                "tools.fs.workspaceOnly: file tools reach nothing outside the workspace here, whatever this says",
                "agents.entries.a.tools.exec.security: nobody can be asked for an approval yet; until then no command is run",
                "agents.entries.b.tools.exec.host: commands run only on this machine here; so none is run",
                "tools.agentToAgent.allow[1]: there is no agent \"man\"",
            ]
        );
    }

    #[test]
    fn limits_of_nothing_are_refused() {
        let found = problems(
            "{tools: {exec: {timeoutSeconds: 0}, web: {fetch: {maxChars: 0, maxResponseBytes: 0, timeoutSeconds: 0}}}}",
        );
        assert_eq!(found.len(), 4, "{found:?}");
    }
}
