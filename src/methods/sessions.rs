//! Methods about single sessions.

use super::{Method, Scope, chat};

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[Method {
    name: "sessions.abort",
    scope: Scope::Write,
    about: "end what runs and what waits in a session",
    run: |call| Box::pin(chat::sessions_abort(call)),
}];
