//! One call with one key: a task beside the provider actor, to which it reports. It asks, and asks
//! again after a pause where that may help.

use std::sync::Arc;
use std::time::Duration;

use super::{Call, Myself, ProviderDeps, ProviderMessage, UNWATCHED};
use crate::provider::Provider;
use crate::provider::classify::failure;
use crate::provider::failover::{Scene, again};
use crate::provider::request::{Completion, Failure, FailureClass, Request};

/// Longest answer in bytes: beyond it an answer is no message any more, but hundreds of them.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a call needs.
pub(super) struct Work {
    pub(super) deps: ProviderDeps,
    pub(super) client: Arc<dyn Provider>,
    pub(super) scene: Scene,
    /// The turn, and which of its answers.
    pub(super) of: (u64, u32),
    pub(super) request: Arc<Request>,
}

impl Work {
    /// Asks, with retries; reports to the actor.
    pub(super) async fn perform(self, call: Call, actor: Myself) {
        let mut attempt = 1;
        let result = loop {
            let Some(result) = self.attempt(&call).await else {
                // Not again at once: others wait for the permit, and the session asks again.
                break Err(hung(self.deps.attempt_max));
            };
            let result = result.and_then(checked);
            let Err(failure) = &result else { break result };
            let Some(pause) = again(attempt, failure, self.scene, self.deps.dice.roll()) else {
                break result;
            };
            tracing::warn!(provider = %self.deps.name, class = ?failure.class, attempt, ?pause,
                error = %failure.message, "model call failed, trying again");
            self.deps.tell_failed(&call, self.of, &self.request.model, failure, pause);
            tokio::time::sleep(pause).await;
            attempt += 1;
        };
        // An actor that is gone has a successor, whom the session asks again.
        drop(actor.send_message(ProviderMessage::Ended(call, result)));
    }

    /// One attempt; nothing if its time is over before it ends.
    async fn attempt(&self, call: &Call) -> Option<Result<Completion, Failure>> {
        let Self { deps, client, of: (turn, round), request, .. } = self;
        let mut heard =
            (*round != UNWATCHED).then(|| deps.streams.answer(&call.session, *turn, *round));
        let mut sink = |piece: &str| {
            if let Some(heard) = &mut heard {
                heard.piece(piece);
            }
        };
        let begun = tokio::time::Instant::now();
        let answer = client.stream(request, &mut sink);
        let answered = tokio::time::timeout(deps.attempt_max, answer).await.ok();
        if let Some(watch) = &deps.watch {
            watch(&deps.name, outcome_of(answered.as_ref()), begun.elapsed());
        }
        if let Some(heard) = heard {
            heard.end();
        }
        answered
    }
}

/// How an attempt ended, in one of a dozen words.
fn outcome_of(answered: Option<&Result<Completion, Failure>>) -> &'static str {
    match answered {
        Some(Ok(_)) => "ok",
        Some(Err(failure)) => failure.class.name(),
        None => FailureClass::Timeout.name(),
    }
}

/// An answer somebody can be sent, or that goes on with tools: neither nothing nor a flood.
fn checked(completion: Completion) -> Result<Completion, Failure> {
    let (bytes, usage) = (completion.bytes(), completion.usage);
    if completion.calls().next().is_none() && completion.plain().trim().is_empty() {
        let message = "the model answered without any text";
        return Err(Failure { usage, ..failure(FailureClass::EmptyResponse, message) });
    }
    if bytes > ANSWER_BYTES_MAX {
        let message =
            format!("the answer of {bytes} bytes is over the limit of {ANSWER_BYTES_MAX}");
        return Err(Failure { usage, ..failure(FailureClass::Format, message) });
    }
    Ok(completion)
}

/// An attempt whose time is over.
pub(super) fn hung(limit: Duration) -> Failure {
    failure(FailureClass::Timeout, format!("the model was not done after {limit:?}"))
}
