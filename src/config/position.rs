//! From a path to a line and column, by reading the text a second time with a parser that keeps
//! offsets. Where the two parsers disagree the position is left out: absent, never wrong.

use std::cmp::Reverse;
use std::collections::HashMap;

use jsonc_parser::ast::{ObjectProp, Value};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::error::Problem;
use super::finding::Finding;
use super::node::{Kind, Mark, Node};
use super::path::Path;
use super::repeated;

/// Most remarks shown at once, whatever their kind. More help nobody, and each costs a walk over
/// the text.
const SHOWN_MAX: usize = 100;

/// The files read, in the order of reading; marks refer to them by position.
#[derive(Debug, Default)]
pub(super) struct Sources(Vec<Source>);

#[derive(Debug)]
struct Source {
    label: String,
    text: String,
}

impl Sources {
    /// Keeps a file's text; returns the number its marks carry.
    pub(super) fn add(&mut self, label: &str, text: &str) -> usize {
        self.0.push(Source { label: label.to_owned(), text: text.to_owned() });
        self.0.len() - 1
    }

    /// What is told of keys that are written more than once, file by file.
    pub(super) fn repeated(&self) -> Vec<Problem> {
        let files = self.0.iter();
        files.flat_map(|source| repeated::warnings(&source.label, &source.text)).collect()
    }

    /// The name of the file read first.
    pub(super) fn root_label(&self) -> &str {
        self.0.first().map_or("config", |source| &source.label)
    }

    /// Turns findings into problems in reading order; of very many only the first.
    pub(super) fn locate_all(&self, root: &Node, mut findings: Vec<Finding>) -> Vec<Problem> {
        let hidden = findings.len().saturating_sub(SHOWN_MAX);
        findings.truncate(SHOWN_MAX);
        let located = findings.into_iter().map(|finding| self.locate(root, finding)).collect();
        let mut problems = in_reading_order(located);
        if hidden > 0 {
            let message = format!("{hidden} more like these are not shown");
            problems.push(Problem::of_file(self.root_label(), message));
        }
        problems
    }

    /// Turns a finding into a problem with its file, line and column.
    ///
    /// A setting that is not there is reported at the innermost object that lacks it.
    pub(super) fn locate(&self, root: &Node, finding: Finding) -> Problem {
        let (mark, exact) = nearest_mark(root, &finding.path);
        let at_key = finding.key_at_fault || !exact;
        Problem {
            path: finding.path.to_string(),
            help: finding.help,
            ..self.problem_at(mark, at_key, finding.message)
        }
    }

    fn problem_at(&self, mark: Option<Mark>, at_key: bool, message: String) -> Problem {
        let placed = mark.and_then(|mark| Some((self.0.get(mark.file)?, mark)));
        let Some((source, mark)) = placed else {
            return Problem::of_file(self.root_label(), message);
        };
        let offset = if at_key { mark.key.unwrap_or(mark.value) } else { mark.value };
        Problem::of_file(&source.label, message).at(line_column(&source.text, offset))
    }
}

/// The mark of the value at `path` or of its nearest ancestor, and whether it is the value's own.
fn nearest_mark(root: &Node, path: &Path) -> (Option<Mark>, bool) {
    if let Some(node) = root.get(path) {
        return (node.mark, true);
    }
    let mut above = path.parent();
    while let Some(path) = above {
        if let Some(node) = root.get(&path) {
            return (node.mark, false);
        }
        above = path.parent();
    }
    (None, false)
}

/// The line and column of a byte offset, both from 1, the column in characters.
pub(super) fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

/// Writes down, in every value of a parsed file, where in `text` it stands.
pub(super) fn place(root: &mut Node, text: &str, file: usize) {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default());
    if let Ok(Some(ast)) = parsed.map(|parsed| parsed.value) {
        place_value(root, &ast, file, None);
    }
}

fn place_value(node: &mut Node, ast: &Value<'_>, file: usize, key: Option<usize>) {
    let agree = match (&mut node.kind, ast) {
        (Kind::Null, Value::NullKeyword(_))
        | (Kind::Unsigned(_) | Kind::Signed(_) | Kind::Float(_), Value::NumberLit(_)) => true,
        (Kind::Bool(ours), Value::BooleanLit(theirs)) => *ours == theirs.value,
        (Kind::Text(ours), Value::StringLit(theirs)) => *ours == theirs.value,
        (Kind::List(nodes), Value::Array(array)) if nodes.len() == array.elements.len() => {
            for (node, element) in nodes.iter_mut().zip(&array.elements) {
                place_value(node, element, file, None);
            }
            true
        }
        (Kind::Table(table), Value::Object(object)) => {
            let properties = last_of_each_name(&object.properties);
            let agree = properties.len() == table.len()
                && table.keys().all(|key| properties.contains_key(key.as_str()));
            if agree {
                for (key, node) in table {
                    let property = properties[key.as_str()];
                    place_value(node, &property.value, file, Some(property.name.start()));
                }
            }
            agree
        }
        _ => false,
    };
    if agree {
        node.mark = Some(Mark { file, key, value: ast.start() });
    }
}

/// The properties by name; of a name written twice the later one, as in the parsed value.
fn last_of_each_name<'a, 'b>(
    properties: &'b [ObjectProp<'a>],
) -> HashMap<&'b str, &'b ObjectProp<'a>> {
    properties.iter().map(|property| (property.name.as_str(), property)).collect()
}

/// Sorts problems as a person meets them: by file, then down the text, unplaced ones last.
pub(super) fn in_reading_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|problem| {
        (problem.file.clone(), Reverse(problem.line.is_some()), problem.line, problem.column)
    });
    problems.dedup();
    problems
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn placed(text: &str) -> Node {
        let mut root: Node = json5::from_str(text).unwrap();
        place(&mut root, text, 0);
        root
    }

    fn position(text: &str, path: &Path) -> Option<(usize, usize)> {
        let mark = placed(text).get(path)?.mark?;
        Some(line_column(text, mark.value))
    }

    #[test]
    fn values_are_found_through_comments_quotes_and_trailing_commas() {
        let text = "// top\n{\n  'a': [1, /* two */ {b: \"x\",},],\n}";
        let b = Path::of(&["a"]).index(1).key("b");
        assert_eq!(position(text, &b), Some((3, 26)));
    }

    #[test]
    fn of_two_equal_keys_the_position_is_the_later_ones() {
        assert_eq!(position("{a: 1,\n a: 2}", &Path::of(&["a"])), Some((2, 5)));
    }

    #[test]
    fn columns_count_characters_not_bytes() {
        assert_eq!(position("{'äö': 1}", &Path::of(&["äö"])), Some((1, 8)));
    }

    #[test]
    fn where_the_parsers_disagree_there_is_no_position() {
        let text = "{\\u0061b: 1}";
        assert_eq!(placed(text).get(&Path::of(&["ab"])).map(|node| node.mark), Some(None));
    }

    #[test]
    fn a_missing_setting_is_reported_at_the_object_that_lacks_it() {
        let text = "{\n  a: {}\n}";
        let mut sources = Sources::default();
        sources.add("c.json", text);
        let finding = Finding::new(Path::of(&["a", "b"]), "is missing");
        let problem = sources.locate(&placed(text), finding);
        assert_eq!(problem.to_string(), "c.json:2:3: a.b: is missing");
    }

    proptest! {
        #[test]
        fn every_position_shows_the_value_it_stands_for(keys in prop::collection::vec("[a-z]{1,6}", 1..12), gap in "[ \n\t]{0,4}") {
            let entries: Vec<String> =
                keys.iter().enumerate().map(|(n, key)| format!("{gap}{key}{gap}:{gap}{n}")).collect();
            let text = format!("{{{}}}", entries.join(","));
            let root = placed(&text);
            for (n, key) in keys.iter().enumerate() {
                let last = keys.iter().rposition(|other| other == key) == Some(n);
                if last {
                    let mark = root.get(&Path::of(&[key])).and_then(|node| node.mark).unwrap();
                    prop_assert!(text[mark.value..].starts_with(&n.to_string()));
                    prop_assert!(text[mark.key.unwrap()..].starts_with(key.as_str()));
                }
            }
        }

        #[test]
        fn any_offset_has_a_line_and_column(text in ".{0,40}", offset in 0_usize..200) {
            let (line, column) = line_column(&text, offset);
            prop_assert!(line >= 1 && column >= 1);
        }
    }
}
