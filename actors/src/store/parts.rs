//! Large values in parts.
//!
//! sled puts a page above a quarter of a segment into a file of its own, which it never syncs and
//! whose name it never makes durable: after a power loss such a page is silently gone. A page holds
//! up to about twenty values, so a value is kept small enough that no page grows so large.
//!
//! Parts are written before the commit that makes their value visible, under keys of their own, so
//! that a value that is replaced stays whole until then. Parts without a value are what a crash in
//! between leaves; they are removed at the next opening.

use super::batch::Write;
use super::key::{Key, Space};

/// Largest value kept in one piece, in bytes.
pub(super) const PART_BYTES: usize = 16 * 1024;
/// Most parts believed: 1.6 GB. A larger count is damage.
const PARTS_MAX: u32 = 100_000;
/// First byte of what stands for a value in parts. No record has this version.
const MARK: u8 = 0xFF;

/// How a value is stored: under its own key, and its parts, which go first. `stamp` tells the parts
/// from those of the value before.
pub(super) fn split(key: &Key, value: &[u8], stamp: u64) -> (Vec<u8>, Vec<Write>) {
    if value.len() <= PART_BYTES && value.first() != Some(&MARK) {
        return (value.to_vec(), Vec::new());
    }
    let parts: Vec<Write> = (0..)
        .zip(value.chunks(PART_BYTES))
        .map(|(index, part)| Write::Put(part_key(key, stamp, index), part.to_vec()))
        .collect();
    let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    let mut head = vec![MARK];
    head.extend(stamp.to_be_bytes());
    head.extend(count.to_be_bytes());
    (head, parts)
}

/// The keys of the parts that a stored value stands for; empty for a value in one piece.
pub(super) fn part_keys(key: &Key, stored: &[u8]) -> Vec<Key> {
    let Some((stamp, count)) = head(stored) else { return Vec::new() };
    (0..count).map(|index| part_key(key, stamp, index)).collect()
}

/// Whether a stored value stands for parts.
pub(super) fn is_split(stored: &[u8]) -> bool {
    stored.first() == Some(&MARK)
}

fn head(stored: &[u8]) -> Option<(u64, u32)> {
    let (mark, rest) = stored.split_first()?;
    let (stamp, count) = rest.split_first_chunk::<8>()?;
    let count = u32::from_be_bytes(*count.first_chunk::<4>()?);
    (*mark == MARK && count <= PARTS_MAX).then_some((u64::from_be_bytes(*stamp), count))
}

fn part_key(key: &Key, stamp: u64, index: u32) -> Key {
    let mut bytes = vec![Space::Part as u8];
    bytes.extend(key.as_bytes());
    bytes.extend(stamp.to_be_bytes());
    bytes.extend(index.to_be_bytes());
    Key::from_bytes(&bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_split_joins_again(
            first: u8, length in 0usize..70_000, text in "[a-z]{0,8}", number: u64, stamp: u64,
        ) {
            let value = vec![first; length];
            let key = Key::of(Space::Transcript).text(&text).number(number);
            let (head, parts) = split(&key, &value, stamp);
            prop_assert!(head.len() <= PART_BYTES);
            let pair = |part| match part {
                Write::Put(key, part) => (key, part),
                Write::Delete(key) => panic!("{key:?} is removed"),
            };
            let stored: BTreeMap<Key, Vec<u8>> = parts.into_iter().map(pair).collect();
            prop_assert!(stored.values().all(|part| part.len() <= PART_BYTES));
            let keys = part_keys(&key, &head);
            prop_assert_eq!(keys.len(), stored.len());
            let joined: Vec<u8> =
                if is_split(&head) { keys.iter().flat_map(|key| stored[key].clone()).collect() } else { head };
            prop_assert_eq!(joined, value);
        }
    }
}
