//! `message`: says something in a conversation, at once and exactly once.
//!
//! The message becomes outbox entries in one commit with the record of its call. A call that is made
//! again meets that record and writes nothing.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::json;

use super::effect::{EffectRecord, effect_key};
use super::reach::CrossContext;
use super::{CoreDeps, place, required, text};
use crate::channel::webchat;
use crate::message::{AccountKey, Destination, SessionKey};
use crate::outbox::Draft;
use crate::provider::ToolSpec;
use crate::reply::Speaker;
use crate::store::{Batch, Expect, StoreError};
use crate::tool::{Invocation, Tool, ToolTraits};

/// What it is called.
pub(super) const NAME: &str = "message";
/// Longest message, in characters: a few dozen parts on the narrowest platform.
const MESSAGE_CHARS_MAX: usize = 50_000;
/// A commit takes milliseconds; a disk may stall.
const DEADLINE: Duration = Duration::from_mins(1);

const NO_CHANNEL: &str = "name the channel as well: this conversation is on none of a person's";

/// See the module.
pub(super) struct Message {
    pub(super) deps: CoreDeps,
    pub(super) cross: CrossContext,
}

impl Message {
    async fn send(&self, call: &Invocation) -> Result<String, String> {
        let CoreDeps { store, outbox, clock, .. } = &self.deps;
        let failed = |error: StoreError| format!("the message was not sent: {error}");
        let key = effect_key(&call.idempotency_key);
        if store.contains(&key).map_err(failed)? {
            return Ok(already());
        }
        let here = place::of_turn(store, &call.session, call.turn).map_err(failed)?;
        let to = self.destination(call, here.as_ref())?;
        self.cross.check(here.as_ref(), &to)?;
        let now = clock.now();
        let draft = Draft {
            session: call.session.clone(),
            turn: call.turn,
            to,
            text: required(call, "message")?.to_owned(),
            speaker: Some(Speaker::default()),
        };
        let mut batch = Batch::new();
        let entries = outbox.add(&mut batch, &draft, now).map_err(failed)?;
        if entries.is_empty() {
            return Err("there is nothing to send: the message is empty".into());
        }
        let numbers = entries.iter().map(|entry| entry.id.0).collect();
        batch
            .expect(Expect::Absent(key.clone()))
            .put(key, &EffectRecord { at: now, entries: numbers, to: Some(draft.to.clone()) });
        // Told by whoever writes: this call may be stopped while it waits, and what is written must
        // go out all the same.
        let (told, (tell, committed)) = (outbox.clone(), tokio::sync::oneshot::channel());
        let written = move |result: Result<(), StoreError>| {
            if result.is_ok() {
                told.written(entries);
            }
            drop(tell.send(result));
        };
        store.submit(batch, written).map_err(failed)?;
        match committed.await.unwrap_or(Err(StoreError::Closed)) {
            Ok(()) => {}
            // Another attempt at this call was quicker.
            Err(StoreError::Conflict) => return Ok(already()),
            Err(error) => return Err(failed(error)),
        }
        Ok(format!("the message is on its way to {}", draft.to))
    }

    /// Where the model wants it to go; what it does not say is as in the conversation it is in.
    fn destination(
        &self,
        call: &Invocation,
        here: Option<&Destination>,
    ) -> Result<Destination, String> {
        let Some(target) = text(call, "target") else {
            let only_here = ["channel", "accountId", "threadId"];
            if let Some(name) = only_here.into_iter().find(|name| text(call, name).is_some()) {
                return Err(format!("arguments.{name} needs arguments.target as well"));
            }
            return here.cloned().ok_or_else(|| {
                "this conversation has no place of its own; name channel and target".into()
            });
        };
        let channel = text(call, "channel").or_else(|| Some(here?.account.channel.as_str()));
        let channel = channel.ok_or(NO_CHANNEL)?;
        if channel == webchat::account().channel && SessionKey::parse(target.trim()).is_err() {
            // Nobody would ever read it.
            return Err(NO_CHANNEL.into());
        }
        let own = here.filter(|here| here.account.channel == channel);
        let accounts: Vec<&AccountKey> = self.deps.outbox.accounts().collect();
        let account = match (text(call, "accountId"), own) {
            (Some(account), _) => AccountKey::new(channel, account),
            (None, Some(own)) => own.account.clone(),
            (None, None) => {
                let mut of_channel = accounts.iter().filter(|account| account.channel == channel);
                match (of_channel.next(), of_channel.next()) {
                    (Some(only), None) => (*only).clone(),
                    (Some(_), Some(_)) => return Err("name the accountId as well".into()),
                    (None, _) => AccountKey::new(channel, "default"),
                }
            }
        };
        if !accounts.contains(&&account) {
            let known: Vec<String> = accounts.iter().map(ToString::to_string).collect();
            return Err(format!("there is no account {account}; there is {}", known.join(", ")));
        }
        let thread = text(call, "threadId").map(str::to_owned);
        Ok(Destination { account, target: target.trim().to_owned(), thread })
    }
}

fn already() -> String {
    "the message is on its way already".into()
}

impl Tool for Message {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: NAME.into(),
            description: "Sends a message now. Without a target it goes to the person you are \
                          talking to; your final answer is sent by itself and needs no call."
                .into(),
            parameters: json!({
                "type": "object",
                "required": ["message"],
                "additionalProperties": false,
                "properties": {
                    "action": {"enum": ["send"]},
                    "message": {
                        "type": "string", "minLength": 1, "maxLength": MESSAGE_CHARS_MAX,
                    },
                    "target": {"type": "string", "description": "The platform's id of a person or group."},
                    "channel": {"type": "string", "description": "Such as imessage."},
                    "accountId": {"type": "string", "description": "Which of our accounts sends it."},
                    "threadId": {"type": "string"},
                },
            }),
        }
    }

    fn traits(&self) -> ToolTraits {
        // The record of the call makes it so.
        ToolTraits { is_idempotent: true, deadline: DEADLINE }
    }

    fn call<'a>(&'a self, call: &'a Invocation) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(self.send(call))
    }
}
