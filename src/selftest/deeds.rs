//! What the tools of a swept service have done, by what they wrote themselves.
//!
//! Pure: notes, marks and answers in, findings out.

use std::collections::{BTreeMap, BTreeSet};

/// What came of the calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deeds {
    /// Marks that were written down.
    pub done: usize,
    /// Marks that were written down more than once.
    pub doubled: Vec<String>,
    /// Marks that were never written down, though nobody was told that this is unknown.
    pub undone: Vec<String>,
}

/// What people are told of a call that was cut off, and of a job's command.
const UNKNOWN: [&str; 2] = ["took effect is unknown", "nobody knows how far it got"];

/// Compares the notes, a mark in each line, with what should stand there. Marks whose messages a
/// person has put back to work may stand there again. `answers` are the texts people received.
pub(super) fn deeds(
    notes: &str,
    expected: &[String],
    put_back: &BTreeSet<String>,
    answers: &[String],
) -> Deeds {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for mark in notes.lines().map(str::trim).filter(|line| !line.is_empty()) {
        *counts.entry(mark).or_default() += 1;
    }
    let count = |mark: &String| counts.get(mark.as_str()).copied().unwrap_or_default();
    let is_told = |mark: &str| answers.iter().any(|text| text.contains(mark) && is_unknown(text));
    let own = |mark: &&String| !put_back.contains(*mark);
    let doubled = expected.iter().filter(|mark| count(mark) > 1).filter(own);
    let undone = expected.iter().filter(|mark| count(mark) == 0 && !is_told(mark));
    Deeds {
        done: counts.len(),
        doubled: doubled.cloned().collect(),
        undone: undone.cloned().collect(),
    }
}

fn is_unknown(text: &str) -> bool {
    UNKNOWN.iter().any(|unknown| text.contains(unknown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_and_gaps_are_named_unless_a_person_knows_of_them() {
        let marks = |marks: &[&str]| marks.iter().map(|&mark| mark.to_owned()).collect::<Vec<_>>();
        let expected = marks(&["[#4]", "[#8]", "[#12]", "[#16]", "[#20]"]);
        let put_back = BTreeSet::from(["[#12]".to_owned()]);
        let answers = marks(&["echo: [#16] … whether it took effect is unknown.]", "echo: [#20]"]);
        let found = deeds("[#4]\n[#8]\n[#8]\n[#12]\n[#12]\n", &expected, &put_back, &answers);
        assert_eq!(found.done, 3);
        assert_eq!((found.doubled, found.undone), (marks(&["[#8]"]), marks(&["[#20]"])));
    }
}
