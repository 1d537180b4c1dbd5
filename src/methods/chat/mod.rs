//! Chat: messages of the gateway's own clients, and how they see their conversations.
//!
//! A message a client sends is admitted like one of any platform: its idempotency key is its dedupe
//! key, at the account of web chat, so a repeat finds what became of it, also in another life of the
//! service. Its run bears that key. Clients hear of runs from the
//! [narrator](crate::gateway); here they begin them, end them and read back.

mod abort;
mod agent;
mod attachments;
mod by_id;
mod compact;
mod files;
mod history;
mod params;
mod place;
mod post;
mod send;
mod subscribe;
mod wait;
mod webchat;

pub(crate) mod view;

use self::place::Agents;
use super::{Answer, Call, ErrorBody, Method, Scope};
use crate::host::Host;

pub(super) use abort::sessions_abort;
pub(super) use subscribe::too_many;

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[
    method("chat.send", Scope::Write, "send a message to a session", |c| Box::pin(send::send(c))),
    method("chat.abort", Scope::Write, "end a run, or all of a session", |c| {
        Box::pin(abort::abort(c))
    }),
    method("chat.history", Scope::Read, "what was said in a session", |c| {
        Box::pin(history::history(c))
    }),
    method("chat.message.get", Scope::Read, "one message, whole", |c| {
        super::ready(history::get(&c))
    }),
    method("chat.inject", Scope::Admin, "put a message before a session's readers", |c| {
        Box::pin(webchat::inject(c))
    }),
    method("agent", Scope::Write, "run an agent, and answer when it has answered", |c| {
        Box::pin(agent::agent(c))
    }),
    method("agent.wait", Scope::Write, "wait for the end of a run", |c| Box::pin(agent::wait(c))),
    method("agent.identity.get", Scope::Read, "what an agent is called", |c| {
        super::ready(agent::identity(&c))
    }),
    method("sessions.send", Scope::Write, "send a message to a session", |c| {
        Box::pin(send::sessions_send(c))
    }),
    method("sessions.subscribe", Scope::Read, "be told of changes of sessions", |c| {
        super::ready(subscribe::sessions(&c, true))
    }),
    method("sessions.unsubscribe", Scope::Read, "be told of them no more", |c| {
        super::ready(subscribe::sessions(&c, false))
    }),
    method("sessions.messages.subscribe", Scope::Read, "be told of a session's messages", |c| {
        super::ready(subscribe::messages(&c, true))
    }),
    method("sessions.messages.unsubscribe", Scope::Read, "be told of them no more", |c| {
        super::ready(subscribe::messages(&c, false))
    }),
    method("sessions.compact", Scope::Admin, "sum up the older part of a session", |c| {
        Box::pin(compact::compact(c))
    }),
    method("send", Scope::Write, "send a text to a place on a platform", |c| {
        Box::pin(post::post(c))
    }),
    method("telson.webchat.since", Scope::Read, "what web chat has kept behind a number", |c| {
        super::ready(webchat::since(&c))
    }),
];

const fn method(
    name: &'static str,
    scope: Scope,
    about: &'static str,
    run: fn(Call) -> Answer,
) -> Method {
    Method { name, scope, about, run }
}

/// The agents of a service; a program without a config has one.
pub(super) fn agents(host: &Host) -> Agents {
    match &host.config {
        Some(config) => {
            let known: Vec<String> = config.agents_map().into_keys().collect();
            let default = config.default_agent().or_else(|| known.first().cloned());
            let default = default.unwrap_or_else(|| "main".into());
            Agents { default, known, main_key: config.session.main_key.clone() }
        }
        None => {
            Agents { default: "main".into(), known: vec!["main".into()], main_key: "main".into() }
        }
    }
}
