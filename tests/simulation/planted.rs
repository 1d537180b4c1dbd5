//! Faults of the world itself: the judge has to see each of them, or it would see nothing at all.

use super::run::replayed;

/// One kind of betrayal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planted {
    /// The receiver acknowledges a message that nobody has admitted.
    AckWithoutAdmission,
    /// The platform shows a part twice.
    RowTwice,
    /// The platform says "sent" and shows nothing.
    RowLost,
    /// The platform shows a part late, behind its successors.
    RowLate,
    /// The platform shows a part to somebody else.
    RowAstray,
    /// The platform offers a message again under another id.
    NewIdentity,
    /// The disk keeps one half of a batch.
    TornBatch,
    /// The model answers with half of what it was asked.
    HalfAnswer,
}

/// Seeds that are tried for each.
const SEEDS: u64 = 60;

/// The judge complains about this fault with each of these words, within the first seeds.
fn is_found(planted: Planted, words: &[&str]) {
    let mut complaints: Vec<String> = Vec::new();
    for seed in 0..SEEDS {
        complaints.extend(replayed(seed, Some(planted)).broken);
        let found = |word: &&str| complaints.iter().any(|complaint| complaint.starts_with(*word));
        if words.iter().all(found) {
            return;
        }
    }
    panic!("{planted:?} is not found by {words:?}: {complaints:#?}");
}

#[test]
fn an_acknowledged_message_nobody_has_is_found() {
    is_found(Planted::AckWithoutAdmission, &["D1"]);
}

#[test]
fn a_doubled_part_is_found() {
    is_found(Planted::RowTwice, &["doubled"]);
}

#[test]
fn a_lost_part_is_found() {
    is_found(Planted::RowLost, &["lost"]);
}

#[test]
fn a_part_out_of_order_is_found() {
    is_found(Planted::RowLate, &["D4"]);
}

#[test]
fn a_part_for_somebody_else_is_found() {
    is_found(Planted::RowAstray, &["S3"]);
}

#[test]
fn a_repeat_that_has_an_effect_is_found() {
    is_found(Planted::NewIdentity, &["D7", "doubled"]);
}

#[test]
fn a_torn_batch_is_found() {
    is_found(Planted::TornBatch, &["lost"]);
}

#[test]
fn an_answer_that_leaves_a_part_out_is_found() {
    is_found(Planted::HalfAnswer, &["lost"]);
}
