//! Keys that are written more than once in one object. The last one counts, as with the incumbent,
//! and the person who wrote the others should know.

use std::collections::BTreeMap;
use std::fmt;

use jsonc_parser::ast::{Object, Value};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::error::Problem;
use super::path::{Path, Segment};
use super::position::line_column;

/// Most of them told of one file: more help nobody.
const SHOWN_MAX: usize = 100;
/// Most lines named for one key.
const LINES_MAX: usize = 10;

/// A warning for each such key of a file that was read, at the place that counts.
pub(super) fn warnings(label: &str, text: &str) -> Vec<Problem> {
    // The parser that counts says which; the other one knows where, if it reads the same.
    let Ok(Repeats(mut paths)) = json5::from_str(text) else { return Vec::new() };
    let hidden = paths.len().saturating_sub(SHOWN_MAX);
    paths.truncate(SHOWN_MAX);
    if paths.is_empty() {
        return Vec::new();
    }
    let parsed = parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default());
    let root = parsed.ok().and_then(|parsed| parsed.value);
    let mut warnings: Vec<Problem> = paths
        .iter()
        .map(|path| {
            let places = root.as_ref().and_then(|root| places(root, path)).unwrap_or_default();
            warning(label, path, places.iter().map(|at| line_column(text, *at)).collect())
        })
        .collect();
    if hidden > 0 {
        let message = format!("{hidden} more keys are written more than once");
        warnings.push(Problem::of_file(label, message));
    }
    warnings
}

fn warning(label: &str, path: &Path, places: Vec<(usize, usize)>) -> Problem {
    let help = "keep the one that is meant, and remove the others";
    let problem = match places.as_slice() {
        [before @ .., last] if !before.is_empty() => {
            let lines = in_words(before);
            let message = format!(
                "this key is written again in line {}: what stands in {lines} does not count",
                last.0
            );
            Problem::of_file(label, message).at(*last)
        }
        _ => {
            let message = "this key is written more than once: only the last counts";
            Problem::of_file(label, message)
        }
    };
    Problem { path: path.to_string(), ..problem.with_help(help) }
}

/// `line 3`, or `lines 3, 5 and 7`.
fn in_words(places: &[(usize, usize)]) -> String {
    let mut lines: Vec<String> = places.iter().map(|(line, _)| line.to_string()).collect();
    if lines.len() > LINES_MAX {
        let more = lines.len() - LINES_MAX;
        lines.truncate(LINES_MAX);
        lines.push(format!("{more} more"));
    }
    match lines.split_last() {
        Some((last, before)) if !before.is_empty() => {
            format!("lines {} and {last}", before.join(", "))
        }
        _ => format!("line {}", lines.concat()),
    }
}

/// Where the key at the end of a path is written; nothing where the text reads otherwise here.
fn places(root: &Value<'_>, path: &Path) -> Option<Vec<usize>> {
    let (Segment::Key(key), above) = path.segments().split_last()? else { return None };
    let holder = above.iter().try_fold(root, |value, step| match (value, step) {
        (Value::Object(object), Segment::Key(key)) => {
            all(object, key).last().map(|property| &property.value)
        }
        (Value::Array(array), Segment::Index(index)) => array.elements.get(*index),
        _ => None,
    })?;
    let Value::Object(object) = holder else { return None };
    Some(all(object, key).map(|property| property.name.start()).collect())
}

fn all<'a, 'b>(
    object: &'b Object<'a>,
    key: &'b str,
) -> impl Iterator<Item = &'b jsonc_parser::ast::ObjectProp<'a>> {
    object.properties.iter().filter(move |property| property.name.as_str() == key)
}

/// The keys written more than once, in a value that is read for nothing else. What stands in a value
/// that does not count is left out.
struct Repeats(Vec<Path>);

impl Repeats {
    fn below(self, step: &Segment) -> impl Iterator<Item = Path> {
        self.0.into_iter().map(move |path| {
            std::iter::once(step.clone()).chain(path.segments().iter().cloned()).collect()
        })
    }
}

impl<'de> Deserialize<'de> for Repeats {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Repeats;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Repeats, E> {
        Ok(Repeats(Vec::new()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Repeats, E> {
        Ok(Repeats(Vec::new()))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Repeats, E> {
        Ok(Repeats(Vec::new()))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Repeats, E> {
        Ok(Repeats(Vec::new()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Repeats, E> {
        Ok(Repeats(Vec::new()))
    }

    fn visit_str<E>(self, _: &str) -> Result<Repeats, E> {
        Ok(Repeats(Vec::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Repeats, A::Error> {
        let mut paths = Vec::new();
        let mut index = 0;
        while let Some(below) = list.next_element::<Repeats>()? {
            paths.extend(below.below(&Segment::Index(index)));
            index += 1;
        }
        Ok(Repeats(paths))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Repeats, A::Error> {
        // By key: how often it is written, and what repeats in the value that counts.
        let mut keys: BTreeMap<String, (usize, Repeats)> = BTreeMap::new();
        while let Some((key, below)) = map.next_entry::<String, Repeats>()? {
            let times = keys.get(&key).map_or(0, |(times, _)| *times);
            keys.insert(key, (times + 1, below));
        }
        let mut paths = Vec::new();
        for (key, (times, below)) in keys {
            let step = Segment::Key(key);
            if times > 1 {
                paths.push(std::iter::once(step.clone()).collect());
            }
            paths.extend(below.below(&step));
        }
        Ok(Repeats(paths))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(text: &str) -> Vec<String> {
        warnings("c.json5", text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_key_written_again_is_told_with_all_its_lines() {
        let text = "{\n  a: { x: 1 },\n  // no\n  'a': { x: 2,\n    \"x\": 3 },\n  l: [1, { k: 1,\n k: 2, k: 3 }],\n}";
        let help = "\n  help: keep the one that is meant, and remove the others";
        let expected = [
            "c.json5:4:3: a: this key is written again in line 4: what stands in line 2 does not count",
            "c.json5:5:5: a.x: this key is written again in line 5: what stands in line 4 does not count",
            "c.json5:7:8: l[1].k: this key is written again in line 7: what stands in lines 6 and 7 does not count",
        ];
        assert_eq!(told(text), expected.map(|line| format!("{line}{help}")));
    }

    #[test]
    fn what_does_not_count_is_not_looked_into_and_equal_names_elsewhere_are_nothing() {
        let one = told("{a: {x: 1, x: 2}, a: {x: 1}}");
        assert_eq!(one.len(), 1, "{one:?}");
        assert!(told("{a: {x: 1}, b: {x: 1}, l: [{x: 1}, {x: 1}]}").is_empty());
        assert!(told("not json5 {").is_empty());
    }

    #[test]
    fn where_the_places_are_not_known_the_key_still_is() {
        let line = told("{\\u0061b: 1, ab: 2}");
        assert!(line[0].starts_with("c.json5: ab: this key is written more than once"), "{line:?}");
        let many: String = (0..150).map(|n| format!("k{n}: 1, k{n}: 2,")).collect();
        let many = told(&format!("{{{many}}}"));
        assert_eq!(
            (many.len(), many[100].as_str()),
            (101, "c.json5: 50 more keys are written more than once")
        );
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text: String) {
            warnings("c", &text);
        }
    }
}
