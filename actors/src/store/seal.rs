//! What the database must hold: a count of commits, a count of records and a sum over all of them,
//! written with every commit.
//!
//! sled drops what it can't read and goes on. With the seal such a loss shows at the next opening:
//! records that are missing, old or foreign change the sum, and a log cut at its end has an older
//! count of commits than the file `commits` beside it.

use serde::{Deserialize, Serialize};

use super::codec::Record;

/// A set of stored pairs, as far as it can be told without keeping them. Pairs add up in any order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Content {
    /// How many.
    pub(super) records: u64,
    /// The sum of their marks, modulo 2^64.
    pub(super) sum: u64,
}

impl Content {
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.records = self.records.wrapping_add(1);
        self.sum = self.sum.wrapping_add(mark(key, value));
    }

    pub(super) fn remove(&mut self, key: &[u8], value: &[u8]) {
        self.records = self.records.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(mark(key, value));
    }
}

/// The seal of one commit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seal {
    /// Commits so far, this one included.
    pub(super) commits: u64,
    /// Everything but the seal itself.
    pub(super) content: Content,
}

impl Record for Seal {
    const VERSION: u8 = 1;
}

/// What an opened database lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Loss {
    /// Commits at its end.
    pub(super) commits: u64,
    /// Records by count; negative when there are too many.
    pub(super) records: i64,
    /// Whether what is there is what the seal says.
    pub(super) differs: bool,
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.commits > 0 {
            write!(f, "the last {} commits are missing", self.commits)?;
        }
        if self.differs {
            let join = if self.commits > 0 { ", and " } else { "" };
            match self.records {
                0 => write!(f, "{join}records are not those that were written"),
                few if few > 0 => write!(f, "{join}{few} records are missing"),
                many => write!(f, "{join}{} removed records are back", -many),
            }?;
        }
        Ok(())
    }
}

/// Compares what was found with what must be there. `acknowledged` is the newest commit known from
/// outside the database.
pub(super) fn compare(found: Content, seal: Option<Seal>, acknowledged: u64) -> Option<Loss> {
    // Without a seal the database is older than seals are, unless commits were counted beside it.
    let expected = seal.unwrap_or(Seal { commits: 0, content: found });
    let loss = Loss {
        commits: acknowledged.saturating_sub(expected.commits),
        records: i64::try_from(expected.content.records)
            .unwrap_or(i64::MAX)
            .saturating_sub(i64::try_from(found.records).unwrap_or(i64::MAX)),
        differs: found != expected.content,
    };
    (loss.commits > 0 || loss.differs).then_some(loss)
}

/// 64 well mixed bits of a pair.
fn mark(key: &[u8], value: &[u8]) -> u64 {
    let (key, value) = (crc32fast::hash(key), crc32fast::hash(value));
    let mut bits = (u64::from(key) << 32 | u64::from(value)).wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn content(pairs: &BTreeMap<Vec<u8>, Vec<u8>>) -> Content {
        let mut content = Content::default();
        for (key, value) in pairs {
            content.add(key, value);
        }
        content
    }

    proptest! {
        #[test]
        fn it_is_the_same_whatever_the_way(
            pairs: BTreeMap<Vec<u8>, Vec<u8>>, others: BTreeMap<Vec<u8>, Vec<u8>>,
        ) {
            let mut way = content(&others);
            for (key, value) in pairs.iter().rev() {
                way.add(key, value);
            }
            for (key, value) in &others {
                way.remove(key, value);
            }
            prop_assert_eq!(way, content(&pairs));
        }

        #[test]
        fn a_missing_or_changed_pair_shows(
            pairs in prop::collection::btree_map(any::<Vec<u8>>(), any::<Vec<u8>>(), 1..20),
            at: prop::sample::Index, value: Vec<u8>,
        ) {
            let seal = Seal { commits: 7, content: content(&pairs) };
            prop_assert_eq!(compare(content(&pairs), Some(seal), 7), None);
            let key = pairs.keys().nth(at.index(pairs.len())).unwrap().clone();
            let mut less = pairs.clone();
            let old = less.remove(&key).unwrap();
            let loss = compare(content(&less), Some(seal), 7).unwrap();
            prop_assert_eq!((loss.commits, loss.records), (0, 1));
            prop_assume!(value != old);
            less.insert(key, value);
            prop_assert!(compare(content(&less), Some(seal), 7).unwrap().differs);
        }
    }

    #[test]
    fn a_log_that_was_cut_shows_by_its_commits() {
        let seal = Seal { commits: 7, content: Content::default() };
        assert_eq!(compare(Content::default(), Some(seal), 6), None, "the file may lag behind");
        let loss = compare(Content::default(), Some(seal), 9).unwrap();
        assert_eq!(loss.to_string(), "the last 2 commits are missing");
        assert!(compare(Content::default(), None, 1).is_some(), "an empty database");
        assert_eq!(compare(Content { records: 3, sum: 1 }, None, 0), None, "older than seals");
    }
}
