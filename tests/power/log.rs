//! The recorder's log, read back.

use std::path::{Path, PathBuf};

/// One thing a program did.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Create {
        inode: u64,
        path: PathBuf,
    },
    MakeDir {
        inode: u64,
        path: PathBuf,
    },
    Write {
        inode: u64,
        at: usize,
        data: Vec<u8>,
    },
    Resize {
        inode: u64,
        length: usize,
    },
    Sync {
        inode: u64,
    },
    SyncFailed {
        inode: u64,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    /// Written outside: what the program told the world.
    Mark(Vec<u8>),
}

/// Every step, in order. A record that a kill cut short was never answered and does not count.
pub(crate) fn read(path: &Path) -> Vec<Step> {
    let bytes = std::fs::read(path).unwrap();
    let mut reader = Reader(&bytes);
    std::iter::from_fn(|| reader.step()).collect()
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn step(&mut self) -> Option<Step> {
        Some(match self.take(1)?[0] {
            b'C' => Step::Create { inode: self.number()?, path: self.path()? },
            b'D' => Step::MakeDir { inode: self.number()?, path: self.path()? },
            b'W' => Step::Write { inode: self.number()?, at: self.size()?, data: self.bytes()? },
            b'T' => Step::Resize { inode: self.number()?, length: self.size()? },
            b'S' => Step::Sync { inode: self.number()? },
            b'F' => Step::SyncFailed { inode: self.number()? },
            b'R' => Step::Rename { from: self.path()?, to: self.path()? },
            b'U' => Step::Remove { path: self.path()? },
            b'A' => Step::Mark(self.bytes()?),
            kind => panic!("no such record: {kind}"),
        })
    }

    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_ne_bytes)
    }

    fn size(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let length = u32::from_ne_bytes(self.take(4)?.try_into().ok()?);
        self.take(usize::try_from(length).ok()?).map(<[u8]>::to_vec)
    }

    fn path(&mut self) -> Option<PathBuf> {
        String::from_utf8(self.bytes()?).ok().map(PathBuf::from)
    }
}
