//! Waiting for the end of a run. What counts is the store; the journal only says when to look.

use std::time::Duration;

use telson_actors::event::{JourneyEvent, JourneyStep};
use telson_actors::journey::Ending;
use telson_actors::store::StoreError;
use tokio::sync::broadcast::error::RecvError;

use super::view::dedupe_of;
use crate::engine::Engine;

/// A life that ends in between tells nobody: so this looks again by itself.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The end of a run; nothing if it has not ended in time. The run goes on all the same.
pub(super) async fn end_of(
    engine: &Engine,
    run: &str,
    limit: Duration,
) -> Result<Option<Ending>, StoreError> {
    match tokio::time::timeout(limit, watch(engine, run)).await {
        Ok(ending) => ending.map(Some),
        Err(_) => look(engine, run),
    }
}

async fn watch(engine: &Engine, run: &str) -> Result<Ending, StoreError> {
    let mut events = engine.events();
    loop {
        if let Some(ending) = look(engine, run)? {
            return Ok(ending);
        }
        let session = engine.run_of(&dedupe_of(run))?.map(|(_, session)| session.to_string());
        let concerns = |event: &JourneyEvent| match &session {
            Some(session) => event.session.as_ref() == Some(session) && is_end(&event.kind),
            None => matches!(event.kind, JourneyStep::Admitted { .. }),
        };
        let news = async {
            loop {
                match events.recv().await {
                    Ok(event) if !concerns(&event) => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => return,
                    Err(RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        // Either way it is looked up.
        drop(tokio::time::timeout(LOOK_EVERY, news).await);
    }
}

fn look(engine: &Engine, run: &str) -> Result<Option<Ending>, StoreError> {
    let Some((id, session)) = engine.run_of(&dedupe_of(run))? else { return Ok(None) };
    let ending = engine.ending(&session, id)?;
    Ok((ending != Ending::Waiting).then_some(ending))
}

fn is_end(step: &JourneyStep) -> bool {
    matches!(
        step,
        JourneyStep::Answered { .. } | JourneyStep::Ended { .. } | JourneyStep::DeadLettered { .. }
    )
}
