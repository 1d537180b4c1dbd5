//! The file `commits`: how many commits were acknowledged, known beside the database.
//!
//! It is written after each commit and synced only by the system, in its own time: it may lag
//! behind the database, never run ahead of it. A database with fewer commits has lost some.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::error::StoreError;

const NAME: &str = "commits";

/// The number in the file; 0 if there is none that can be trusted.
pub(super) fn read(dir: &Path) -> u64 {
    std::fs::read_to_string(dir.join(NAME)).ok().and_then(|text| parse(&text)).unwrap_or(0)
}

pub(super) fn open(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join(NAME);
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| StoreError::io("open", &path, &error))
}

/// Best effort: without it only a loss at the very end goes unnoticed.
pub(super) fn write(file: &File, commits: u64) {
    if let Err(error) = file.write_all_at(line(commits).as_bytes(), 0) {
        tracing::debug!(%error, "the count of commits was not written");
    }
}

/// Always of the same length, and within one sector of a disk.
fn line(commits: u64) -> String {
    let number = format!("{commits:020}");
    let sum = crc32fast::hash(number.as_bytes());
    format!("{number} {sum:08x}\n")
}

fn parse(text: &str) -> Option<u64> {
    let (number, sum) = text.trim_end().split_once(' ')?;
    let is_sound = u32::from_str_radix(sum, 16).ok()? == crc32fast::hash(number.as_bytes());
    is_sound.then(|| number.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sound_line_counts() {
        for commits in [0, 7, u64::MAX] {
            assert_eq!(parse(&line(commits)), Some(commits));
            let mut bytes = line(commits).into_bytes();
            for at in 0..bytes.len() - 1 {
                bytes[at] ^= 1;
                assert_eq!(parse(&String::from_utf8_lossy(&bytes)), None);
                bytes[at] ^= 1;
            }
        }
        assert_eq!(parse(""), None);
        assert_eq!(parse(&"\0".repeat(30)), None);
    }
}
