//! What the writer of a config wants besides: that the service begins anew with it after a while,
//! and that an agent is told why it was changed.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use telson_actors::heartbeat::WakeMode;
use telson_actors::message::SessionKey;

use super::heartbeat::session;
use super::{Answer, Call, ErrorBody};

/// Longest wait for a beginning that was asked for: who means a day later comes again.
const DELAY_MAX: Duration = Duration::from_hours(24);

/// Read beside the rest of the parameters, which is judged by whoever writes the file.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wishes {
    note: Option<String>,
    session_key: Option<String>,
    restart_delay_ms: Option<u64>,
}

/// Writes the file by `write`, then sees to the rest.
pub(super) fn with_wishes(call: Call, write: fn(&Call) -> Result<Value, ErrorBody>) -> Answer {
    Box::pin(async move {
        let wishes: Wishes = serde_json::from_value(call.params.clone()).unwrap_or_default();
        let delay = wishes.restart_delay_ms.map(Duration::from_millis);
        if delay.is_some_and(|delay| delay > DELAY_MAX) {
            let text = format!("restartDelayMs is at most {}", DELAY_MAX.as_millis());
            return Err(ErrorBody::invalid(text));
        }
        let note = wishes.note.as_deref().map(str::trim).filter(|note| !note.is_empty());
        let told = match note {
            // Before anything is written: nobody who can't be told is named.
            Some(note) => Some((session(&call.engine, wishes.session_key.as_deref(), None)?, note)),
            None => None,
        };
        let writing = call.clone();
        let written = tokio::task::spawn_blocking(move || write(&writing)).await;
        let mut answer = written.map_err(ErrorBody::internal)??;
        let mut not_applied = Vec::new();
        if let Some((session, note)) = told
            && let Err(error) = tell(&call, &session, note, &answer).await
        {
            tracing::warn!(%session, error = error.message, "the note to a change was not told");
            not_applied.push("note");
        }
        match (delay, &call.host.restart) {
            (Some(delay), Some(restart)) => {
                restart.ask_in(delay);
                let millis = delay.as_millis();
                let text = format!("the service begins anew with the change in {millis} ms");
                answer["restart"] = json!({"required": true, "delayMs": millis, "message": text});
            }
            (Some(_), None) => not_applied.push("restartDelayMs"),
            (None, _) => {}
        }
        if !not_applied.is_empty() {
            answer["notApplied"] = json!(not_applied);
        }
        Ok(answer)
    })
}

/// Has it told with the session's next turn, once for what the file says now.
async fn tell(
    call: &Call,
    session: &SessionKey,
    note: &str,
    answer: &Value,
) -> Result<(), ErrorBody> {
    let text = format!("The gateway's config was changed: {note}");
    let id = answer["hash"].as_str().map(|hash| format!("config:{hash}"));
    let told = call.engine.system_event(session, &text, WakeMode::default(), id.as_deref()).await;
    told.map(drop).map_err(ErrorBody::internal)
}
