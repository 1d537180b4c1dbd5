//! How much may lie on the shelf of pictures, and which of it gives way. Pure.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// Bytes that lie there at most.
pub(super) const BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Files that lie there at most: each request looks at all of them.
pub(super) const FILES_MAX: usize = 4_096;
/// How long a file is left alone whatever happens: its message may be on its way in.
const FRESH: Duration = Duration::from_mins(10);

/// What may lie there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shelf {
    pub(super) bytes_max: u64,
    pub(super) files_max: usize,
}

/// A file that lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lying {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) age: Duration,
}

impl Shelf {
    /// Whether so many more files of so many bytes fit as it is.
    pub(super) fn fits(self, lying: &[Lying], (files, bytes): (usize, u64)) -> bool {
        let total: u64 = lying.iter().map(|it| it.bytes).sum();
        lying.len() + files <= self.files_max && total + bytes <= self.bytes_max
    }

    /// Which files go so that they fit, the oldest first; nothing if no place can be made. Those
    /// that a waiting message speaks of stay.
    pub(super) fn gives_way(
        self,
        mut lying: Vec<Lying>,
        used: &BTreeSet<PathBuf>,
        more: (usize, u64),
    ) -> Option<Vec<PathBuf>> {
        lying.sort_by(|one, other| (other.age, &one.path).cmp(&(one.age, &other.path)));
        let (mut stays, mut gone) = (lying.clone(), Vec::new());
        for old in lying {
            if self.fits(&stays, more) {
                break;
            }
            if old.age < FRESH || used.contains(&old.path) {
                continue;
            }
            stays.retain(|it| it.path != old.path);
            gone.push(old.path);
        }
        self.fits(&stays, more).then_some(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_gives_way_unless_somebody_waits_for_it() {
        let shelf = Shelf { bytes_max: 100, files_max: 4 };
        let file = |name: &str, minutes| Lying {
            path: name.into(),
            bytes: 30,
            age: Duration::from_mins(minutes),
        };
        let lying = vec![file("b", 20), file("a", 30), file("fresh", 5)];
        let used = |names: &[&str]| names.iter().map(PathBuf::from).collect::<BTreeSet<_>>();
        let gone = |names: &[&str]| Some(names.iter().map(PathBuf::from).collect::<Vec<_>>());
        let of = |waits: &[&str], more| shelf.gives_way(lying.clone(), &used(waits), more);
        assert!(shelf.fits(&lying, (1, 10)) && !shelf.fits(&lying, (2, 0)));
        assert_eq!(of(&[], (1, 10)), gone(&[]));
        assert_eq!(of(&[], (1, 11)), gone(&["a"]));
        assert_eq!(of(&["a"], (1, 11)), gone(&["b"]));
        assert_eq!(of(&[], (2, 0)), gone(&["a"]), "many small ones count, too");
        assert_eq!(of(&[], (1, 70)), gone(&["a", "b"]));
        assert_eq!(of(&[], (1, 71)), None, "what has just come stays");
        assert_eq!(of(&["a", "b"], (1, 11)), None);
    }
}
