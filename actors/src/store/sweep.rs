//! Forgetting what is old: records that only guard a window must not fill the disk for ever.

use std::time::Duration;

use super::batch::Batch;
use super::codec::Record;
use super::error::StoreError;
use super::handle::Store;
use super::key::Key;
use crate::clock::Timestamp;

/// Keys removed by one commit.
const DELETES_PER_BATCH: usize = 500;

/// How long records of a kind are kept.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Kept at least this long.
    pub age: Duration,
    /// This many of the newest are kept however old they look: a clock that was set by a year must
    /// not empty a window.
    pub count_min: usize,
    /// Beyond this many, the oldest go first, however young.
    pub count_max: usize,
}

/// Which of `times` (in key order) are to be removed at `now`. Indices into `times`.
pub fn expired(times: &[Timestamp], retention: Retention, now: Timestamp) -> Vec<usize> {
    let mut by_age: Vec<usize> = (0..times.len()).collect();
    by_age.sort_by_key(|index| times[*index]);
    let surplus = times.len().saturating_sub(retention.count_max);
    let may_age = times.len().saturating_sub(retention.count_min);
    by_age
        .into_iter()
        .enumerate()
        .filter(|(rank, index)| {
            *rank < surplus || (*rank < may_age && now.since(times[*index]) > retention.age)
        })
        .map(|(_, index)| index)
        .collect()
}

/// Removes expired records under `prefix`; answers how many.
///
/// # Errors
/// What the store answers; removed batches stay removed.
pub async fn sweep<R: Record>(
    store: &Store,
    prefix: &Key,
    retention: Retention,
    now: Timestamp,
    time_of: impl Fn(&R) -> Timestamp,
) -> Result<usize, StoreError> {
    let pairs: Vec<(Key, R)> = store.scan(prefix)?;
    let times: Vec<Timestamp> = pairs.iter().map(|(_, record)| time_of(record)).collect();
    let old = expired(&times, retention, now);
    for chunk in old.chunks(DELETES_PER_BATCH) {
        let mut batch = Batch::new();
        for index in chunk {
            batch.delete(pairs[*index].0.clone());
        }
        store.commit(batch).await?;
    }
    Ok(old.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keeps_the_young_and_at_most_so_many(
            ages in prop::collection::vec(0i64..1000, 0..50), age in 1u64..1000, count_max in 0usize..60,
            count_min in 0usize..60,
        ) {
            let now = Timestamp(1_000_000);
            let times: Vec<_> = ages.iter().map(|age| Timestamp(now.0 - age)).collect();
            let retention = Retention { age: Duration::from_millis(age), count_min, count_max };
            let gone = expired(&times, retention, now);
            let kept: Vec<_> = (0..times.len()).filter(|i| !gone.contains(i)).collect();
            prop_assert!(kept.len() <= count_max);
            prop_assert!(kept.len() >= times.len().min(count_min).min(count_max));
            for index in &kept {
                let younger = times.iter().filter(|at| **at > times[*index]).count();
                let old = now.since(times[*index]) > retention.age;
                prop_assert!(!old || younger < count_min);
            }
            if times.len() <= count_max {
                for index in gone {
                    prop_assert!(now.since(times[index]) > retention.age);
                }
            }
        }
    }
}
