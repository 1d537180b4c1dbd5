//! Reading the files that came with messages, for the models that see them.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use telson_actors::context::{FileSource, FileWish};

/// Longest time for the files of one turn. A disk that has gone away must not hold up an answer.
const READ_MAX: Duration = Duration::from_secs(20);

/// Reads files off the runtime's threads, and never more of them than is asked for.
pub(crate) fn source() -> FileSource {
    Arc::new(|wishes: Vec<FileWish>| {
        Box::pin(async move {
            let count = wishes.len();
            let reading = tokio::task::spawn_blocking(move || wishes.iter().map(read).collect());
            if let Ok(Ok(read)) = tokio::time::timeout(READ_MAX, reading).await {
                return read;
            }
            tracing::warn!("attachments were not read within {READ_MAX:?}; the turn goes without");
            vec![Err(format!("it could not be read within {READ_MAX:?}")); count]
        })
    })
}

fn read(wish: &FileWish) -> Result<Arc<[u8]>, String> {
    let path = wish.path.as_deref().ok_or("its file has not arrived on this machine")?;
    read_at(Path::new(path), wish.bytes_max)
}

fn read_at(path: &Path, bytes_max: u64) -> Result<Arc<[u8]>, String> {
    let told = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => "its file is not there any more".to_owned(),
        _ => format!("its file can't be read: {error}"),
    };
    // Looked at before it is opened: opening a pipe would wait for somebody to write into it.
    if !std::fs::metadata(path).map_err(told)?.is_file() {
        return Err("it is no regular file".into());
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(told)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > bytes_max {
        return Err(format!("it is larger than {} MB", bytes_max / 1_000_000));
    }
    Ok(bytes.into())
}
