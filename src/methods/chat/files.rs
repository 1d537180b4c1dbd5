//! Files of a message, kept for its turn.

use sha2::{Digest, Sha256};
use telson_actors::message::{Attachment, SessionKey};

use super::attachments::{File, unseen};
use super::{Call, ErrorBody};
use crate::engine::ChooseError;
use crate::gateway::keep_files;
use crate::hex::hex;

/// Writes the files of a run and gives what its message says of them. They go with its answer. What
/// the model of its session would not be shown is refused.
pub(super) async fn keep(
    call: &Call,
    run: &str,
    (session, agent): (&SessionKey, &str),
    files: Vec<File>,
) -> Result<Vec<Attachment>, ErrorBody> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let sight = call.engine.sight(agent, session, None);
    let (model, inputs) = sight.map_err(|error| match error {
        ChooseError::Refused(refusal) => ErrorBody::invalid(refusal.to_string()),
        ChooseError::Store(error) => ErrorBody::internal(error),
    })?;
    if let Some((place, kind)) = unseen(&files, &inputs) {
        return Err(ErrorBody::invalid(format!(
            "attachment {place}: the agent's model {model} is not shown {kind}, as far as is known; \
             say so in its input under models.providers, or choose another"
        )));
    }
    let Some(dir) = call.host.state_dir.clone() else {
        return Err(ErrorBody::unavailable("this service has no place for attachments"));
    };
    let name = name_of(run, &files);
    let (names, contents): (Vec<String>, Vec<_>) =
        files.into_iter().map(|file| (file.name, file.content)).unzip();
    let kept = keep_files((dir, call.engine.store().clone()), name, contents).await;
    let mut kept = kept
        .map_err(|error| ErrorBody::unavailable(format!("an attachment was not kept: {error}")))?;
    let paths = kept.iter().filter_map(|file| file.path.clone().map(Into::into));
    call.host.runs.keep_files(run, paths.collect());
    for (file, name) in kept.iter_mut().zip(names) {
        if !name.is_empty() {
            file.name = name;
        }
    }
    Ok(kept)
}

/// A repeat finds what the first has brought, another message under the same key does not.
fn name_of(run: &str, files: &[File]) -> String {
    let mut hash = Sha256::new();
    hash.update(run);
    for file in files {
        hash.update(Sha256::digest(&file.content.bytes));
    }
    format!("chat-{}", hex(hash.finalize().first_chunk::<16>().unwrap_or(&[0; 16])))
}
