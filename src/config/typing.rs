//! From values to the typed config, reporting every setting that does not fit.

use std::collections::{BTreeMap, BTreeSet};

use super::fault::Fault;
use super::finding::Finding;
use super::node::Node;
use super::path::{Path, Segment};
use super::reader::Reader;
use super::root::Config;

/// Most problems reported at once: past a screenful they are symptoms of one cause.
const FINDINGS_MAX: usize = 20;

/// Reads the typed config.
///
/// The derived readers stop at the first setting that does not fit. So that a person sees all of
/// them at once, that setting is reported, taken out, and the rest is read again.
pub(super) fn read(mut root: Node) -> Result<Config, Vec<Finding>> {
    let mut findings = Vec::new();
    let mut removed = Removed::default();
    while findings.len() < FINDINGS_MAX {
        let error = match serde_path_to_error::deserialize(Reader(&root)) {
            Ok(config) if findings.is_empty() => return Ok(config),
            Ok(_) => break,
            Err(error) => error,
        };
        let path = path_of(error.path());
        let fault = error.into_inner();
        let path = fault.path_at_fault(path);
        let written = removed.as_written(&path);
        // A required key that is missing because it was just taken out has been reported.
        if !removed.paths.contains(&written) {
            findings.push(fault.finding(written));
        }
        let culprit = match fault {
            Fault::MissingKey { .. } => path.parent().unwrap_or_default(),
            _ => path,
        };
        if root.remove(&culprit).is_none() {
            break;
        }
        removed.note(&culprit);
    }
    Err(findings)
}

fn path_of(path: &serde_path_to_error::Path) -> Path {
    use serde_path_to_error::Segment as Step;
    path.iter()
        .filter_map(|step| match step {
            Step::Seq { index } => Some(Segment::Index(*index)),
            Step::Map { key } => Some(Segment::Key(key.clone())),
            Step::Enum { .. } | Step::Unknown => None,
        })
        .collect()
}

/// What was taken out so far, in the paths of the document as it was written.
#[derive(Default)]
struct Removed {
    paths: BTreeSet<Path>,
    /// By list, the positions taken out of it.
    gaps: BTreeMap<Path, BTreeSet<usize>>,
}

impl Removed {
    /// Where the value now at `path` was written: taking an element out of a list moved the later
    /// ones up.
    fn as_written(&self, path: &Path) -> Path {
        path.segments().iter().fold(Path::default(), |written, step| match step {
            Segment::Key(key) => written.key(key),
            Segment::Index(index) => {
                let gaps = self.gaps.get(&written);
                let is_gap = |at: &usize| gaps.is_some_and(|gaps| gaps.contains(at));
                let at = (0..).filter(|at| !is_gap(at)).nth(*index).unwrap_or(*index);
                written.index(at)
            }
        })
    }

    fn note(&mut self, path: &Path) {
        let written = self.as_written(path);
        if let (Some(Segment::Index(at)), Some(list)) =
            (written.segments().last(), written.parent())
        {
            self.gaps.entry(list).or_default().insert(*at);
        }
        self.paths.insert(written);
    }
}

/// Reads any type from a value; tests of single sections use it.
#[cfg(test)]
pub(super) fn read_as<'de, T: serde::Deserialize<'de>>(node: &'de Node) -> Result<T, String> {
    T::deserialize(Reader(node)).map_err(|fault| fault.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let node: Node = json5::from_str(text).unwrap();
        let findings = read(node).unwrap_err();
        findings.iter().map(|finding| format!("{}: {}", finding.path, finding.message)).collect()
    }

    #[test]
    fn a_key_named_like_its_parent_is_reported_by_its_own_path() {
        assert_eq!(findings("{session: {session: 1}}"), ["session.session: unknown key"]);
    }

    #[test]
    fn every_element_of_a_list_is_reported_at_its_own_position() {
        let found = findings(
            "{bindings: [{agentId: 'a'}, {agentId: 'b', match: {channel: 'x'}}, {match: 1, agentId: 'c'}, 7],
              channels: {imessage: {allowFrom: [{}, 'a', [], null]}}}",
        );
        assert_eq!(
            found,
            [
                "bindings[0].match: this setting is required",
                "bindings[2].match: expected an object, found a number",
                "bindings[3]: expected an object, found a number",
                "channels.imessage.allowFrom[0]: expected an id: a string or a whole number, found an object",
                "channels.imessage.allowFrom[2]: expected an id: a string or a whole number, found a list",
                "channels.imessage.allowFrom[3]: expected an id: a string or a whole number, found null",
            ]
        );
    }

    #[test]
    fn whole_numbers_may_be_written_as_fractions_and_powers() {
        for (text, cap) in [("20.0", 20), ("2e1", 20), ("0x14", 20), ("+7", 7)] {
            let node =
                json5::from_str(&format!("{{messages: {{queue: {{cap: {text}}}}}}}")).unwrap();
            assert_eq!(read(node).unwrap().messages.queue.cap, cap, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_wrong_key_is_reported_once(keys in prop::collection::btree_set("zz[a-z]{1,8}", 1..15)) {
            let entries: Vec<String> = keys.iter().map(|key| format!("{key}: {{}}")).collect();
            let found = findings(&format!("{{{}}}", entries.join(",")));
            let expected: Vec<String> = keys.iter().map(|key| format!("{key}: unknown key")).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn every_wrong_element_is_reported_where_it_was_written(good in prop::collection::vec(any::<bool>(), 1..15)) {
            let list: Vec<&str> = good.iter().map(|good| if *good { "'a'" } else { "{}" }).collect();
            let node: Node = json5::from_str(&format!("{{channels: {{imessage: {{allowFrom: [{}]}}}}}}", list.join(","))).unwrap();
            let found: Vec<Path> = read(node).err().into_iter().flatten().map(|finding| finding.path).collect();
            let base = Path::of(&["channels", "imessage", "allowFrom"]);
            let expected: Vec<Path> = (0..good.len()).filter(|at| !good[*at]).map(|at| base.index(at)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
