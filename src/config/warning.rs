//! What a person is told about a config that loads all the same.

use super::env::Missing;
use super::error::Problem;
use super::finding::Finding;
use super::node::Node;
use super::path::Path;
use super::position::{Sources, in_reading_order};
use super::root::unset_variable;

/// Most unused keys named in their one line.
const NAMES_MAX: usize = 100;

/// All remarks on single settings.
pub(super) fn remarks(
    missing: &[Missing],
    unset_secrets: Vec<Finding>,
    from_rules: Vec<Finding>,
) -> Vec<Finding> {
    let unresolved = missing.iter().map(|missing| {
        let variable = &missing.variable;
        unset_variable(missing.path.clone(), variable)
            .with_help(format!("set it, or write $${{{variable}}} if that very text is meant"))
    });
    unresolved.chain(unset_secrets).chain(from_rules).collect()
}

/// The warnings in reading order, one line first for everything that is known and not used.
pub(super) fn lines(
    root: &Node,
    sources: &Sources,
    unused: &[Path],
    broadcast: bool,
    remarks: Vec<Finding>,
) -> Vec<String> {
    let mut names: Vec<String> = unused.iter().map(Path::to_string).collect();
    if broadcast {
        names.push("broadcast".to_owned());
    }
    names.sort();
    let hidden = names.len().saturating_sub(NAMES_MAX);
    names.truncate(NAMES_MAX);
    if hidden > 0 {
        names.push(format!("and {hidden} more"));
    }
    let mut located = sources.locate_all(root, remarks);
    located.extend(sources.repeated());
    let located = in_reading_order(located);
    let summary = (!names.is_empty()).then(|| {
        let message = format!("known but not used yet: {}", names.join(", "));
        Problem::of_file(sources.root_label(), message)
    });
    summary.into_iter().chain(located).map(|line| line.to_string()).collect()
}
