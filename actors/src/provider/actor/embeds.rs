//! Embeddings beside the answers: the same keys, the same retries and the same rests, and a number
//! of their own at once. Nothing of them is stored, and whoever has left is not waited for.

use std::collections::HashMap;
use std::sync::Arc;

use ractor::{ActorId, RpcReplyPort};
use telson_supervision::task;

use super::work::hung;
use super::{Calls, Failure, Myself, Outcome, ProviderDeps, ProviderMessage, failure};
use crate::provider::failover::{Scene, again, rotates};
use crate::provider::profile::{Pick, Wish};
use crate::provider::{EmbedRequest, Embeddings, FailureClass, Provider};

/// Calls at the same time. Who comes then is told to come again: nobody's turn waits for these.
const EMBEDS_MAX: usize = 16;
/// As whom the keys know them.
const ASKER: &str = "embeddings";

/// Where vectors go.
pub type EmbedReply = RpcReplyPort<Result<Embeddings, Failure>>;

/// Those under way.
#[derive(Default)]
pub(super) struct Embeds {
    running: HashMap<u64, Embed>,
    tasks: HashMap<ActorId, u64>,
    numbers: u64,
}

struct Embed {
    request: Arc<EmbedRequest>,
    reply: EmbedReply,
    /// The key in use.
    using: Option<usize>,
    /// Keys that have failed.
    tried: Vec<usize>,
}

impl Embeds {
    /// Which of them a task was, that is over now.
    pub(super) fn take_task(&mut self, task: ActorId) -> Option<u64> {
        self.tasks.remove(&task)
    }
}

impl Calls {
    pub(super) async fn embed(
        &mut self,
        myself: &Myself,
        request: EmbedRequest,
        reply: EmbedReply,
    ) -> Outcome {
        if self.embeds.running.len() >= EMBEDS_MAX {
            // Whoever asked may have gone.
            drop(reply.send(Err(crowded())));
            return Ok(());
        }
        self.embeds.numbers += 1;
        let number = self.embeds.numbers;
        let (request, tried) = (Arc::new(request), Vec::new());
        self.embeds.running.insert(number, Embed { request, reply, using: None, tried });
        self.start_embed(myself, number, None).await
    }

    /// One has come to an end, unless there is another key to go to.
    pub(super) async fn embedded(
        &mut self,
        myself: &Myself,
        number: u64,
        result: Result<Embeddings, Failure>,
    ) -> Outcome {
        self.deps.health.completed();
        let Some(embed) = self.embeds.running.get_mut(&number) else { return Ok(()) };
        let (now, model) = (self.deps.clock.now(), embed.request.model.clone());
        match (&result, embed.using.take()) {
            (Ok(_), Some(key)) => self.keys.succeeded(key, ASKER, &model, now),
            (Err(failure), Some(key)) => {
                let tried = embed.tried.len();
                embed.tried.push(key);
                self.keys.failed(key, failure, &model, now);
                let others = self.keys.has_other(&embed.tried, &model, now);
                if rotates(failure, Scene { others, tried, fallback: false }) {
                    return self.start_embed(myself, number, result.err()).await;
                }
            }
            (_, None) => {}
        }
        self.end_embed(number, result);
        Ok(())
    }

    /// With the next key; `last` is what the one before has said.
    async fn start_embed(
        &mut self,
        myself: &Myself,
        number: u64,
        last: Option<Failure>,
    ) -> Outcome {
        let Some(embed) = self.embeds.running.get_mut(&number) else { return Ok(()) };
        let (now, model) = (self.deps.clock.now(), embed.request.model.clone());
        let picked = self.keys.pick(ASKER, &embed.tried, &model, Wish::default(), now);
        let key = match picked {
            Pick::Use(key) => key,
            Pick::Resting(block) => {
                let failure = self.rests(block);
                self.end_embed(number, Err(failure));
                return Ok(());
            }
            Pick::Spent => {
                self.end_embed(number, Err(last.unwrap_or_else(crowded)));
                return Ok(());
            }
        };
        embed.using = Some(key);
        let mut all = embed.tried.clone();
        all.push(key);
        let (request, tried) = (embed.request.clone(), embed.tried.len());
        let others = self.keys.has_other(&all, &model, now);
        let scene = Scene { others, tried, fallback: false };
        let (deps, client, actor) = (self.deps.clone(), self.keys.client(key), myself.clone());
        let work = async move {
            let result = attempts(&deps, client.as_ref(), &request, scene).await;
            // An actor that is gone has dropped the way back, which tells who asked.
            drop(actor.send_message(ProviderMessage::Embedded(number, result)));
        };
        let task = task::spawn(myself.get_cell(), work).await?;
        self.embeds.tasks.insert(task.get_id(), number);
        Ok(())
    }

    fn end_embed(&mut self, number: u64, result: Result<Embeddings, Failure>) {
        if let Some(embed) = self.embeds.running.remove(&number) {
            // Whoever asked may have gone.
            drop(embed.reply.send(result));
        }
    }
}

async fn attempts(
    deps: &ProviderDeps,
    client: &dyn Provider,
    request: &EmbedRequest,
    scene: Scene,
) -> Result<Embeddings, Failure> {
    let mut attempt = 1;
    loop {
        let begun = tokio::time::Instant::now();
        let answered = tokio::time::timeout(deps.attempt_max, client.embed(request)).await;
        let result = answered.unwrap_or_else(|_| Err(hung(deps.attempt_max)));
        if let Some(watch) = &deps.watch {
            let outcome = result.as_ref().map_or_else(|failure| failure.class.name(), |_| "ok");
            watch(&deps.name, outcome, begun.elapsed());
        }
        let Err(failure) = &result else { return result };
        let Some(pause) = again(attempt, failure, scene, deps.dice.roll()) else { return result };
        tracing::warn!(provider = %deps.name, class = ?failure.class, attempt, ?pause,
            error = %failure.message, "embeddings failed, trying again");
        tokio::time::sleep(pause).await;
        attempt += 1;
    }
}

fn crowded() -> Failure {
    let text = format!("more than {EMBEDS_MAX} calls for embeddings run at once");
    failure(FailureClass::Overloaded, text)
}
