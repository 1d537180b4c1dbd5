//! The parsed document as a tree in which every value remembers where it was written.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::path::{Path, Segment};

/// Where a value was written: byte offsets into one of the files read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Which file, as an index into the sources.
    pub(super) file: usize,
    /// Where its key starts, when it belongs to an object.
    pub(super) key: Option<usize>,
    /// Where the value starts.
    pub(super) value: usize,
}

/// One value with its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// The place, unless it could not be told for certain.
    pub(super) mark: Option<Mark>,
    /// The value.
    pub(super) kind: Kind,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number without a fraction and sign.
    Unsigned(u64),
    /// A negative number without a fraction.
    Signed(i64),
    /// Any other number, also infinity and not-a-number.
    Float(f64),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// An object; of keys written twice the later one is here.
    Table(BTreeMap<String, Node>),
}

impl Node {
    /// A value whose place is not known.
    pub(super) fn unplaced(kind: Kind) -> Self {
        Self { mark: None, kind }
    }

    /// An empty object.
    pub(super) fn empty_table() -> Self {
        Self::unplaced(Kind::Table(BTreeMap::new()))
    }

    /// The value at a path below this one.
    pub(super) fn get(&self, path: &Path) -> Option<&Node> {
        path.segments().iter().try_fold(self, |node, step| node.child(step))
    }

    fn child(&self, step: &Segment) -> Option<&Node> {
        match (&self.kind, step) {
            (Kind::Table(table), Segment::Key(key)) => table.get(key),
            (Kind::List(list), Segment::Index(index)) => list.get(*index),
            _ => None,
        }
    }

    fn child_mut(&mut self, step: &Segment) -> Option<&mut Node> {
        match (&mut self.kind, step) {
            (Kind::Table(table), Segment::Key(key)) => table.get_mut(key),
            (Kind::List(list), Segment::Index(index)) => list.get_mut(*index),
            _ => None,
        }
    }

    /// Takes a value out of the object or list that holds it.
    pub(super) fn remove(&mut self, path: &Path) -> Option<Node> {
        let (last, above) = path.segments().split_last()?;
        let parent = above.iter().try_fold(self, |node, step| node.child_mut(step))?;
        match (&mut parent.kind, last) {
            (Kind::Table(table), Segment::Key(key)) => table.remove(key),
            (Kind::List(nodes), Segment::Index(at)) if *at < nodes.len() => Some(nodes.remove(*at)),
            _ => None,
        }
    }

    /// Lays `over` on this value: objects merge key by key, lists append, anything else gives way.
    pub(super) fn merge(&mut self, over: Node) {
        match (&mut self.kind, over) {
            (Kind::Table(base), Node { kind: Kind::Table(table), .. }) => {
                for (key, node) in table {
                    match base.get_mut(&key) {
                        Some(existing) => existing.merge(node),
                        None => drop(base.insert(key, node)),
                    }
                }
            }
            (Kind::List(base), Node { kind: Kind::List(list), .. }) => base.extend(list),
            (_, over) => *self = over,
        }
    }

    /// The kind of value in words.
    pub(super) fn in_words(&self) -> &'static str {
        match self.kind {
            Kind::Null => "null",
            Kind::Bool(_) => "a boolean",
            Kind::Unsigned(_) | Kind::Signed(_) | Kind::Float(_) => "a number",
            Kind::Text(_) => "a string",
            Kind::List(_) => "a list",
            Kind::Table(_) => "an object",
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue).map(Node::unplaced)
    }
}

/// Accepts every value there is.
struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Unsigned(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(u64::try_from(value).map_or(Kind::Signed(value), Kind::Unsigned))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Kind, E> {
        Ok(Kind::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Kind, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element()? {
            nodes.push(node);
        }
        Ok(Kind::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let mut table = BTreeMap::new();
        while let Some((key, node)) = map.next_entry()? {
            table.insert(key, node);
        }
        Ok(Kind::Table(table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        json5::from_str(text).unwrap()
    }

    #[test]
    fn merging_joins_objects_appends_lists_and_lets_the_later_scalar_win() {
        let mut base = node("{a: {x: 1, y: [1]}, b: 1, c: {d: 1}}");
        base.merge(node("{a: {y: [2], z: 3}, b: 2, c: 'flat'}"));
        assert_eq!(base, node("{a: {x: 1, y: [1, 2], z: 3}, b: 2, c: 'flat'}"));
    }

    #[test]
    fn of_two_equal_keys_the_later_wins() {
        assert_eq!(node("{a: 1, a: 2}"), node("{a: 2}"));
    }

    #[test]
    fn keys_and_elements_can_be_taken_out() {
        let mut tree = node("{a: [{b: 1}, 2]}");
        let first = Path::of(&["a"]).index(0);
        assert_eq!(tree.remove(&first.key("b")), Some(node("1")));
        assert_eq!(tree.remove(&first), Some(node("{}")));
        assert_eq!(tree.remove(&first.key("b")), None);
        assert_eq!(tree.remove(&Path::default()), None);
        assert_eq!(tree, node("{a: [2]}"));
    }
}
