//! What a server's tool is called by models, and which tools are offered at all.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

/// Longest name every provider takes, in bytes.
const NAME_MAX: usize = 64;
/// Of which the server's own name takes at most.
const SERVER_MAX: usize = 30;
/// Between the server and its tool.
const BETWEEN: &str = "__";

/// The part of a server's name that stands in the names of its tools.
pub fn server_part(server: &str) -> String {
    safe(server).chars().take(SERVER_MAX).collect()
}

/// `<server>__<tool>` for each tool, with every character a provider may refuse replaced by `_`.
/// A name that is too long, or that is taken, ends in a digest of the real one; so a tool keeps its
/// name whatever comes and goes beside it, unless that has the very same name.
pub fn names<'a>(server: &str, tools: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut taken = BTreeSet::new();
    tools
        .into_iter()
        .map(|tool| {
            let plain = format!("{}{BETWEEN}{}", server_part(server), safe(tool));
            let fits = plain.len() <= NAME_MAX && !taken.contains(&plain);
            let name = if fits { plain } else { shortened(&plain, tool) };
            taken.insert(name.clone());
            name
        })
        .collect()
}

fn safe(text: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    text.chars().map(|c| if keep(c) { c } else { '_' }).collect()
}

fn shortened(plain: &str, tool: &str) -> String {
    let digest = Sha256::digest(tool.as_bytes());
    let digest: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let room = NAME_MAX - digest.len() - 1;
    format!("{}_{digest}", &plain[..plain.len().min(room)])
}

/// Whether a tool is offered: included by some pattern (or there are none) and excluded by none.
pub fn is_offered(tool: &str, include: &[String], exclude: &[String]) -> bool {
    let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, tool));
    (include.is_empty() || any(include)) && !any(exclude)
}

/// `*` stands for any text, everything else for itself.
fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_tool_is_named_after_its_server() {
        assert_eq!(names("docs", ["search", "get.page"]), ["docs__search", "docs__get_page"]);
    }

    #[test]
    fn patterns_choose_tools() {
        let list = |patterns: &[&str]| patterns.iter().map(ToString::to_string).collect::<Vec<_>>();
        let offered = |tool, include: &[&str], exclude: &[&str]| {
            is_offered(tool, &list(include), &list(exclude))
        };
        assert!(offered("read_file", &[], &[]));
        assert!(offered("read_file", &["read_*"], &["write_*"]));
        assert!(!offered("write_file", &["read_*"], &[]));
        assert!(!offered("write_file", &["*"], &["w*t*_file"]));
        assert!(offered("aba", &["a*ba"], &[]) && !offered("ab", &["ab*b"], &[]));
    }

    proptest! {
        #[test]
        fn every_provider_takes_the_names_and_no_two_are_the_same(
            server in "\\PC{1,60}", tools in proptest::collection::btree_set("\\PC{1,90}", 1..12),
        ) {
            let tools: Vec<String> = tools.into_iter().collect();
            let names = names(&server, tools.iter().map(String::as_str));
            let distinct: BTreeSet<&String> = names.iter().collect();
            prop_assert_eq!(distinct.len(), tools.len());
            for name in &names {
                prop_assert!((1..=NAME_MAX).contains(&name.len()));
                prop_assert_eq!(&safe(name), name);
            }
        }
    }
}
