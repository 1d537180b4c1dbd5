//! A supervised one-shot task: the only way to run something beside an actor.
//!
//! A bare spawn would have no owner: nobody would see its panic or stop it. This actor runs one
//! future, then stops; its parent gets a supervision event if the future panics, and killing the
//! parent cancels the future.

use std::future::Future;
use std::pin::Pin;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr};

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

struct TaskActor;

impl Actor for TaskActor {
    type Msg = ();
    type State = Option<Work>;
    type Arguments = Work;

    async fn pre_start(
        &self,
        _: ActorRef<()>,
        work: Work,
    ) -> Result<Option<Work>, ActorProcessingErr> {
        Ok(Some(work))
    }

    async fn post_start(
        &self,
        myself: ActorRef<()>,
        work: &mut Option<Work>,
    ) -> Result<(), ActorProcessingErr> {
        if let Some(work) = work.take() {
            work.await;
        }
        myself.stop(None);
        Ok(())
    }
}

/// Runs `work` under `parent`, which must handle supervision events of its children: ractor's default
/// for an actor is to stop when one of its children ends, and a task ends when its work is done.
///
/// The work ends with its parent at the latest: an actor that wants it done waits for its children in
/// `post_stop`. Inside an actor, `parent` is `myself.get_cell()`; as a child of a supervisor it is the
/// cell that [`ChildSpec::new`] hands over:
///
/// ```
/// use telson_supervision::{ChildSpec, task};
///
/// let beat = ChildSpec::new("beat", |parent| {
///     task::spawn(parent, async {
///         loop {
///             tokio::time::sleep(std::time::Duration::from_secs(1)).await;
///             // Say that we are alive.
///         }
///     })
/// });
/// ```
///
/// [`ChildSpec::new`]: crate::ChildSpec::new
///
/// # Errors
/// The parent is stopping already.
pub async fn spawn(
    parent: ActorCell,
    work: impl Future<Output = ()> + Send + 'static,
) -> Result<ActorCell, SpawnErr> {
    let (actor, _) = Actor::spawn_linked(None, TaskActor, Box::pin(work), parent).await?;
    Ok(actor.get_cell())
}
