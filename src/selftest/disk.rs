//! How long the disk takes to make a small write safe: what every commit waits for.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

/// As much as a small commit.
const BYTES: [u8; 256] = [0x5a; 256];
/// Enough for a 99th percentile.
const SYNCS_MAX: usize = 400;
/// Slow disks are measured less often.
const TIME_MAX: Duration = Duration::from_secs(3);

/// Appends and syncs in a new file in `dir`, again and again; answers how long each took. Blocks.
///
/// # Errors
/// The disk's.
pub fn sync_times(dir: &Path) -> io::Result<Vec<Duration>> {
    let path = dir.join("sync-probe");
    let mut file = OpenOptions::new().create_new(true).append(true).open(&path)?;
    let begun = Instant::now();
    let mut times = Vec::new();
    while times.len() < SYNCS_MAX && begun.elapsed() < TIME_MAX {
        let before = Instant::now();
        file.write_all(&BYTES)?;
        file.sync_data()?;
        times.push(before.elapsed());
    }
    std::fs::remove_file(&path)?;
    Ok(times)
}
