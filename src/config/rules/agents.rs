//! Agents: ids, the default one, mention patterns.

use regex::RegexBuilder;

use super::super::agents::AgentEntry;
use super::super::finding::Finding;
use super::super::path::Path;
use super::super::root::Config;
use super::Checked;

/// Longest agent id, in characters; it becomes part of keys and folder names.
const ID_CHARS_MAX: usize = 64;

/// Largest compiled mention pattern, in bytes. A name needs a few hundred; repetitions of
/// repetitions would fill the memory.
const PATTERN_BYTES_MAX: usize = 1 << 18;

/// Checks every agent.
pub(super) fn check(config: &Config, checked: &mut Checked) {
    for (id, path, entry) in entries(config) {
        check_id(id, &path, entry, checked);
        let patterns = entry.group_chat.mention_patterns.as_deref().unwrap_or_default();
        check_patterns(patterns, &path.key("groupChat").key("mentionPatterns"), checked);
    }
    for (index, entry) in config.agents.list.iter().enumerate() {
        check_listed(config, index, entry, checked);
    }
    check_sole_default(config, checked);
    let shared = &config.messages.group_chat.mention_patterns;
    let path = Path::of(&["messages", "groupChat", "mentionPatterns"]);
    check_patterns(shared, &path, checked);
}

/// Every agent with its id, if it has one, and its path, from both spellings.
pub(super) fn entries(config: &Config) -> Vec<(Option<&str>, Path, &AgentEntry)> {
    let agents = Path::of(&["agents"]);
    let named = config
        .agents
        .entries
        .iter()
        .map(|(id, entry)| (Some(id.as_str()), agents.key("entries").key(id), entry));
    let listed = config
        .agents
        .list
        .iter()
        .enumerate()
        .map(|(index, entry)| (entry.id.as_deref(), agents.key("list").index(index), entry));
    named.chain(listed).collect()
}

fn check_id(id: Option<&str>, path: &Path, entry: &AgentEntry, checked: &mut Checked) {
    let Some(id) = id else { return };
    if !is_agent_id(id) {
        let message = format!("{id:?} cannot be an agent's id");
        let help = format!("use 1 to {ID_CHARS_MAX} of the signs a-z, A-Z, 0-9, _ and -");
        checked.problem(Finding::new(path.clone(), message).with_help(help));
    }
    if entry.id.as_deref().is_some_and(|own| own != id) {
        checked.problem(Finding::new(path.key("id"), format!("differs from the key {id:?}")));
    }
}

/// Ids are parts of keys with `:` between them and of folder names.
fn is_agent_id(id: &str) -> bool {
    let starts_well = id.starts_with(|c: char| c.is_ascii_alphanumeric());
    let clean = id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    starts_well && clean && id.len() <= ID_CHARS_MAX
}

fn check_listed(config: &Config, index: usize, entry: &AgentEntry, checked: &mut Checked) {
    let path = Path::of(&["agents", "list"]).index(index).key("id");
    let Some(id) = &entry.id else {
        checked.problem(Finding::new(path, "this setting is required"));
        return;
    };
    let earlier = &config.agents.list[..index];
    let twice = config.agents.entries.contains_key(id)
        || earlier.iter().any(|other| other.id.as_ref() == Some(id));
    if twice {
        checked.problem(Finding::new(path, format!("there are two agents with the id {id:?}")));
    }
}

fn check_sole_default(config: &Config, checked: &mut Checked) {
    let defaults = entries(config).into_iter().filter(|(_, _, entry)| entry.default);
    for (_, path, _) in defaults.skip(1) {
        let message = "another agent is the default already";
        checked.problem(Finding::new(path.key("default"), message));
    }
}

fn check_patterns(patterns: &[String], path: &Path, checked: &mut Checked) {
    for (index, pattern) in patterns.iter().enumerate() {
        let compiled =
            RegexBuilder::new(pattern).case_insensitive(true).size_limit(PATTERN_BYTES_MAX).build();
        if let Err(error) = compiled {
            let message = format!("not a usable pattern: {}", reason(&error));
            checked.problem(Finding::new(path.index(index), message));
        }
    }
}

/// The last line of the parser's report; the ones before draw the pattern.
fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "it is too large when compiled".to_owned(),
        other => {
            let report = other.to_string();
            let last = report.lines().last().unwrap_or_default();
            last.trim().trim_start_matches("error: ").to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::problems;
    use super::*;

    #[test]
    fn ids_are_required_clean_and_unique() {
        let found = problems(
            "{agents: {entries: {a: {id: 'b'}, 'x:y': {}}, list: [{id: 'a'}, {}, {id: 'c'}, {id: 'c'}]}}",
        );
        assert_eq!(
            found,
            [
                "agents.entries.a.id: differs from the key \"a\"",
                "agents.entries[\"x:y\"]: \"x:y\" cannot be an agent's id",
                "agents.list[0].id: there are two agents with the id \"a\"",
                "agents.list[1].id: this setting is required",
                "agents.list[3].id: there are two agents with the id \"c\"",
            ]
        );
    }

    #[test]
    fn at_most_one_agent_is_the_default() {
        let found = problems(
            "{agents: {entries: {a: {default: true}, b: {}}, list: [{id: 'c', default: true}]}}",
        );
        assert_eq!(found, ["agents.list[0].default: another agent is the default already"]);
    }

    #[test]
    fn mention_patterns_must_compile_within_bounds() {
        let found = problems(
            "{messages: {groupChat: {mentionPatterns: ['\\\\bbot\\\\b', '(', '(?=x)']}},
              agents: {entries: {a: {groupChat: {mentionPatterns: ['(((a{100}){100}){100}){100}']}}}}}",
        );
        assert_eq!(
            found,
            [
                "agents.entries.a.groupChat.mentionPatterns[0]: not a usable pattern: it is too large when compiled",
                "messages.groupChat.mentionPatterns[1]: not a usable pattern: unclosed group",
                "messages.groupChat.mentionPatterns[2]: not a usable pattern: look-around, including look-ahead and look-behind, is not supported",
            ]
        );
    }

    proptest! {
        #[test]
        fn no_id_with_a_separator_is_accepted(before in "[a-z0-9]{1,5}", sign in "[:/.\\\\ \u{e9}]", after in "[a-z]{0,5}") {
            let id = format!("{before}{sign}{after}");
            prop_assert!(!is_agent_id(&id));
        }

        #[test]
        fn any_pattern_is_accepted_or_explained(pattern in ".{0,30}") {
            let mut checked = Checked::default();
            check_patterns(&[pattern], &Path::default(), &mut checked);
            prop_assert!(checked.problems.iter().all(|finding| !finding.message.ends_with(": ")));
        }
    }
}
