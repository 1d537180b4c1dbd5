//! What a connection wants to be told.

use std::sync::Arc;

use serde_json::{Value, json};

use super::params::Params;
use super::{Call, ErrorBody, agents};
use crate::gateway::narrator::tale::{SESSIONS, topic_of};
use crate::methods::Link;

pub(super) fn sessions(call: &Call, wants: bool) -> Result<Value, ErrorBody> {
    Params::new("sessions.subscribe", call.params.clone(), &[])?;
    set(&link(call)?, SESSIONS, wants)?;
    Ok(json!({"subscribed": wants}))
}

pub(super) fn messages(call: &Call, wants: bool) -> Result<Value, ErrorBody> {
    let known = ["key", "agentId", "includeApprovals"];
    let params = Params::new("sessions.messages.subscribe", call.params.clone(), &known)?;
    let (session, _) =
        agents(&call.host).named(&params.needed("key")?, params.text("agentId")?.as_deref())?;
    set(&link(call)?, &topic_of(session.as_str()), wants)?;
    Ok(json!({"subscribed": wants, "key": session.as_str()}))
}

fn link(call: &Call) -> Result<Arc<dyn Link>, ErrorBody> {
    call.link
        .clone()
        .ok_or_else(|| ErrorBody::invalid("events come over the gateway's WebSocket only"))
}

fn set(link: &Arc<dyn Link>, topic: &str, wants: bool) -> Result<(), ErrorBody> {
    if !wants {
        link.unsubscribe(topic);
    } else if !link.subscribe(topic) {
        return Err(too_many());
    }
    Ok(())
}

/// What a connection is told that asks for more than it may.
pub(in super::super) fn too_many() -> ErrorBody {
    ErrorBody::invalid(
        "this connection asks for too many kinds of events already; unsubscribe from some",
    )
}
