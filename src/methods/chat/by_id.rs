//! Sessions by the id of their present life, as clients note it.

use telson_actors::message::SessionKey;

use super::{Call, ErrorBody};
use crate::methods::session_rows::session_id;

/// The session whose present life bears this id.
pub(super) async fn find(call: &Call, id: &str) -> Result<Option<SessionKey>, ErrorBody> {
    let all = call.engine.sessions().await.map_err(ErrorBody::internal)?;
    let found = all.iter().find(|facts| session_id(&facts.key, facts.note.life) == id);
    Ok(found.map(|facts| facts.key.clone()))
}

/// Refuses the id of another session than the one that is named. The id of a past life, or of a
/// session that is to come, says nothing else than the name does.
pub(super) async fn check(
    call: &Call,
    session: &SessionKey,
    id: Option<&str>,
) -> Result<(), ErrorBody> {
    let Some(id) = id else { return Ok(()) };
    // As nearly always: nobody has to look through all sessions for that.
    let life = call.engine.life_of(session).map_err(ErrorBody::internal)?;
    if session_id(session, life) == id {
        return Ok(());
    }
    match find(call, id).await? {
        Some(other) if other != *session => Err(ErrorBody::invalid(format!(
            "sessionId {id:?} is that of session {other}, and {session} is named"
        ))),
        _ => Ok(()),
    }
}
