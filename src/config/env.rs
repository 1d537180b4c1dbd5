//! `${NAME}` in strings: what is replaced, what is left, what is missing.

use std::collections::BTreeSet;

use super::node::{Kind, Node};
use super::path::Path;

/// How the value of a variable is found.
pub type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// A reference that was left as written, because its variable is unset or empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    /// The setting whose string holds the reference.
    pub(super) path: Path,
    /// The variable.
    pub(super) variable: String,
}

/// Replaces references in every string of the document, keys excepted.
pub(super) fn substitute(root: &mut Node, lookup: &Lookup<'_>) -> Vec<Missing> {
    let mut missing = Vec::new();
    substitute_node(root, &Path::default(), lookup, &mut missing);
    missing
}

fn substitute_node(node: &mut Node, path: &Path, lookup: &Lookup<'_>, missing: &mut Vec<Missing>) {
    match &mut node.kind {
        Kind::Text(text) => {
            let (replaced, variables) = substitute_text(text, lookup);
            *text = replaced;
            for variable in variables {
                missing.push(Missing { path: path.clone(), variable });
            }
        }
        Kind::List(list) => {
            for (index, node) in list.iter_mut().enumerate() {
                substitute_node(node, &path.index(index), lookup, missing);
            }
        }
        Kind::Table(table) => {
            for (key, node) in table {
                substitute_node(node, &path.key(key), lookup, missing);
            }
        }
        Kind::Null | Kind::Bool(_) | Kind::Unsigned(_) | Kind::Signed(_) | Kind::Float(_) => {}
    }
}

/// Replaces references in one string; also returns the variables that have no value, each once.
///
/// `$${NAME}` stands for a literal `${NAME}`. A value is taken as it is: references inside it are
/// not followed, so a variable can never pull in another.
pub(super) fn substitute_text(text: &str, lookup: &Lookup<'_>) -> (String, BTreeSet<String>) {
    let mut replaced = String::with_capacity(text.len());
    let mut missing = BTreeSet::new();
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        replaced.push_str(&rest[..dollar]);
        rest = &rest[dollar..];
        let escaped = rest.strip_prefix('$').filter(|inner| reference(inner).is_some());
        if let Some(name) = escaped.and_then(reference) {
            let literal = &rest[1..name.len() + "$${}".len()];
            replaced.push_str(literal);
            rest = &rest[1 + literal.len()..];
        } else if let Some(name) = reference(rest) {
            let (literal, after) = rest.split_at(name.len() + "${}".len());
            if let Some(value) = lookup(name).filter(|value| !value.is_empty()) {
                replaced.push_str(&value);
            } else {
                replaced.push_str(literal);
                missing.insert(name.to_owned());
            }
            rest = after;
        } else {
            replaced.push('$');
            rest = &rest[1..];
        }
    }
    replaced.push_str(rest);
    (replaced, missing)
}

/// The variable named by the `${NAME}` at the start of `text`.
fn reference(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("${")?;
    // Looking for the brace instead would read to the end of a long text again and again.
    let end = inner.find(|c: char| !is_name_letter(c))?;
    let name = &inner[..end];
    (inner[end..].starts_with('}') && is_variable_name(name)).then_some(name)
}

/// Whether a word can name a variable: capitals, digits and underscores, no digit first.
pub(super) fn is_variable_name(name: &str) -> bool {
    let starts_well = name.starts_with(|c: char| is_name_letter(c) && !c.is_ascii_digit());
    starts_well && name.chars().all(is_name_letter)
}

fn is_name_letter(c: char) -> bool {
    c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(name: &str) -> Option<String> {
        match name {
            "KEY" => Some("value".to_owned()),
            "NESTED" => Some("${KEY}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn references_escapes_and_look_alikes() {
        for (text, expected, missing) in [
            ("${KEY}", "value", vec![]),
            ("a ${KEY} b ${KEY}", "a value b value", vec![]),
            ("$${KEY}", "${KEY}", vec![]),
            ("$$${KEY}", "$${KEY}", vec![]),
            ("$${key}", "$${key}", vec![]),
            ("${NESTED}", "${KEY}", vec![]),
            ("${EMPTY}-${GONE}-${GONE}", "${EMPTY}-${GONE}-${GONE}", vec!["EMPTY", "GONE"]),
            ("${key} ${1KEY} ${} $KEY ${KEY", "${key} ${1KEY} ${} $KEY ${KEY", vec![]),
            ("${a${KEY}}", "${avalue}", vec![]),
            ("price: 5$", "price: 5$", vec![]),
        ] {
            let (replaced, unset) = substitute_text(text, &table);
            assert_eq!(
                (replaced.as_str(), unset),
                (expected, missing.iter().map(|m| (*m).to_owned()).collect()),
                "{text}"
            );
        }
    }

    #[test]
    fn a_missing_variable_is_named_with_its_path() {
        let mut root: Node = json5::from_str("{a: [1, {b: 'x${GONE}'}]}").unwrap();
        let missing = substitute(&mut root, &table);
        let path = Path::of(&["a"]).index(1).key("b");
        assert_eq!(missing, vec![Missing { path, variable: "GONE".to_owned() }]);
    }

    proptest! {
        #[test]
        fn text_without_a_dollar_is_left_alone(text in "[^$]{0,60}") {
            prop_assert_eq!(substitute_text(&text, &table), (text, BTreeSet::new()));
        }

        #[test]
        fn any_text_survives_when_nothing_is_set(text in r"([$]{0,2}[{]?[A-Za-z_0-9]{0,3}[}]?|\PC){0,20}") {
            let (replaced, missing) = substitute_text(&text, &|_| None);
            prop_assert!(missing.iter().all(|name| is_variable_name(name)));
            if !text.contains("$${") {
                prop_assert_eq!(replaced, text);
            }
        }

        #[test]
        fn an_escaped_reference_comes_out_literally(name in "[A-Z_][A-Z0-9_]{0,10}", before in "[^$]{0,10}", after in "[^$]{0,10}") {
            let (replaced, missing) = substitute_text(&format!("{before}$${{{name}}}{after}"), &|_| Some("!".to_owned()));
            prop_assert_eq!(replaced, format!("{before}${{{name}}}{after}"));
            prop_assert!(missing.is_empty());
        }

        #[test]
        fn a_value_appears_unchanged(name in "[A-Z_][A-Z0-9_]{0,10}", value in ".{1,30}", before in "[^$]{0,10}", after in ".{0,10}") {
            let after = after.replace('$', "");
            let text = format!("{before}${{{name}}}{after}");
            let (replaced, missing) = substitute_text(&text, &|asked| (asked == name).then(|| value.clone()));
            prop_assert_eq!(replaced, format!("{before}{value}{after}"));
            prop_assert!(missing.is_empty());
        }
    }
}
