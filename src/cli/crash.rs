//! Arms a crash point, as the environment says. Only builds with crash points do; others have
//! neither the names nor the variables.
//!
//! `TELSON_CRASH_AT=<point>[:<n>]` kills the process with SIGKILL as it passes the point for the
//! n-th time. `TELSON_COMPACT_FROM=<bytes>` compacts the store whenever it is that large, so that
//! the points of a compaction are passed within moments.

use super::exit::Failure;
use crate::config::Lookup;
use crate::engine::Builder;

#[cfg(any(debug_assertions, feature = "crash-points"))]
pub(super) fn arm(builder: Builder, env: &Lookup<'_>) -> Result<Builder, Failure> {
    use telson_actors::crash_point;
    use telson_actors::store::CompactionPolicy;

    if let Some(wish) = env("TELSON_CRASH_AT") {
        let misread = |what: &str| Failure::rejected(format!("TELSON_CRASH_AT={wish}: {what}"));
        let (name, passage) = wish.split_once(':').unwrap_or((&wish, "1"));
        let passage = passage.parse().ok().filter(|passage| *passage > 0);
        let passage = passage.ok_or_else(|| misread("behind the colon stands a count from 1"))?;
        crash_point::arm(name, passage).map_err(|reason| misread(&reason))?;
    }
    match env("TELSON_COMPACT_FROM") {
        None => Ok(builder),
        Some(bytes) => {
            let misread = || Failure::rejected(format!("TELSON_COMPACT_FROM={bytes}: not bytes"));
            let bytes_min = bytes.parse().map_err(|_| misread())?;
            Ok(builder.compaction(CompactionPolicy::at_once(bytes_min, 1)))
        }
    }
}

#[cfg(not(any(debug_assertions, feature = "crash-points")))]
#[expect(clippy::unnecessary_wraps, reason = "the other build can refuse")]
pub(super) fn arm(builder: Builder, _: &Lookup<'_>) -> Result<Builder, Failure> {
    Ok(builder)
}
