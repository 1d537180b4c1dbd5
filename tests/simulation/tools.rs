//! Tools that fail, hang and panic, and keep their own record of what they have done.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::json;
use telson_actors::provider::{Part, ToolCall, ToolSpec, TurnMessage};
use telson_actors::tool::{Invocation, Tool, ToolTraits};

use super::plan::ToolFate;
use super::switch::Switch;
use super::token::Token;
use super::world::World;

/// A tool, in one life.
pub(crate) struct Deed {
    world: Arc<World>,
    life: Arc<Switch>,
    name: &'static str,
    is_idempotent: bool,
}

impl Deed {
    /// One that must not be repeated.
    pub(crate) fn once(world: &Arc<World>, life: &Arc<Switch>) -> Arc<dyn Tool> {
        Arc::new(Self {
            world: world.clone(),
            life: life.clone(),
            name: "once",
            is_idempotent: false,
        })
    }

    /// One that may be repeated.
    pub(crate) fn often(world: &Arc<World>, life: &Arc<Switch>) -> Arc<dyn Tool> {
        Arc::new(Self {
            world: world.clone(),
            life: life.clone(),
            name: "often",
            is_idempotent: true,
        })
    }

    async fn act(&self, call: &Invocation) {
        self.life
            .reach(|| {
                let mut state = self.world.state();
                let times = state.acted.entry(call.idempotency_key.clone()).or_default();
                *times += 1;
                let times = *times;
                state.note(|| format!("{} acts: {}", self.name, call.idempotency_key));
                // A person who has a message answered again has its tools called again.
                let is_replayed = state.lettered.iter().any(|token| *token == meant(call));
                if times > 1 && !self.is_idempotent && !is_replayed {
                    let key = &call.idempotency_key;
                    state.complain(format!("D7: {key} has acted {times} times"));
                }
            })
            .await;
    }
}

impl Tool for Deed {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: self.name.into(),
            description: "does something".into(),
            parameters: json!({"type": "object"}),
        }
    }

    fn traits(&self) -> ToolTraits {
        ToolTraits { is_idempotent: self.is_idempotent, deadline: Duration::from_mins(2) }
    }

    fn call<'a>(&'a self, call: &'a Invocation) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move {
            if !self.life.is_alive() {
                std::future::pending::<()>().await;
            }
            let (fate, pause) = {
                let mut state = self.world.state();
                (state.fate(|weather| &weather.tools), state.pause())
            };
            tokio::time::sleep(pause).await;
            assert!(fate != ToolFate::PanicBefore, "simulated: a tool panics");
            if fate == ToolFate::Fail {
                return Err("simulated: it can't be done".into());
            }
            self.act(call).await;
            assert!(fate != ToolFate::PanicAfter, "simulated: a tool panics");
            if fate == ToolFate::Hang {
                std::future::pending::<()>().await;
            }
            Ok("done".into())
        })
    }
}

/// The nth call of an answer: of one tool or the other, in turn.
pub(crate) fn call(about: Token, round: usize, nth: usize) -> Part {
    let name = if (about.number + nth).is_multiple_of(2) { "once" } else { "often" };
    let Token { account, person, number } = about;
    Part::Call(ToolCall {
        id: format!("c{round}-{nth}"),
        name: name.into(),
        arguments: json!({"for": [account, person, number], "call": [round, nth]}).to_string(),
        signature: None,
    })
}

/// Which message a call is made for.
fn meant(call: &Invocation) -> Token {
    let number = |at: usize| usize::try_from(call.arguments["for"][at].as_u64().unwrap()).unwrap();
    Token { account: number(0), person: number(1), number: number(2) }
}

/// Every call has its one result in the message behind it: providers refuse anything else.
pub(crate) fn is_complete(messages: &[TurnMessage]) -> Result<(), String> {
    for (at, message) in messages.iter().enumerate() {
        let calls = message.parts.iter().filter_map(|part| match part {
            Part::Call(call) => Some(&call.id),
            _ => None,
        });
        let behind = messages.get(at + 1).map_or(&[][..], |next| &next.parts);
        for id in calls {
            let is_its = |part: &&Part| matches!(part, Part::Result(result) if result.call == *id);
            if behind.iter().filter(is_its).count() != 1 {
                return Err(format!("D7: call {id} is shown without its one result"));
            }
        }
    }
    Ok(())
}
