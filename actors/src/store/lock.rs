//! One process per state directory, by an operating-system lock that dies with the process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use super::error::StoreError;

/// Tries before the directory counts as in use.
const TRIES: u32 = 100;
/// Pause between them.
const PAUSE: Duration = Duration::from_millis(20);

/// Held as long as the store is open.
#[derive(Debug)]
pub struct StateLock {
    // Closing the file releases the lock; the file itself stays, so no two processes can ever lock
    // two different files of the same name.
    _file: File,
}

impl StateLock {
    /// Takes the lock of a state directory, waiting up to two seconds for an owner that is just
    /// ending. Blocks its thread.
    ///
    /// # Errors
    /// [`StoreError::Locked`] with the owner's process id if somebody else holds it.
    pub fn acquire(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| StoreError::io("open", &path, &error))?;
        let held =
            |result: &Result<(), TryLockError>| matches!(result, Err(TryLockError::WouldBlock));
        match with_patience(|| file.try_lock(), held) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let pid =
                    file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(StoreError::Locked { dir: dir.to_owned(), pid });
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::file("lock", &path, error)),
        }
        if let Err(error) = sign(&mut file) {
            // The number only helps a person to find us; on a full disk it has to wait.
            let error = StoreError::io("write", &path, &error);
            if !error.is_disk_full() {
                return Err(error);
            }
        }
        Ok(Self { _file: file })
    }
}

/// Leaves our process id. Cut after writing, so that a full disk need not find a block for it.
fn sign(file: &mut File) -> std::io::Result<()> {
    let text = format!("{}\n", std::process::id());
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len().try_into().unwrap_or(u64::MAX))
}

/// Tries until `busy` no longer says so, for two seconds. Blocks its thread.
pub(super) fn with_patience<T>(mut attempt: impl FnMut() -> T, busy: impl Fn(&T) -> bool) -> T {
    for _ in 1..TRIES {
        let result = attempt();
        if !busy(&result) {
            return result;
        }
        std::thread::sleep(PAUSE);
    }
    attempt()
}
