//! What is left of the tools of messages that no longer wait.

use std::time::Duration;

use super::record::{ClientTools, client_tools_prefix};
use crate::clock::Timestamp;
use crate::inbox::{DedupeRecord, Fate, inbox_key};
use crate::store::{Batch, Key, Space, Store, StoreError};

/// Tools whose message can't be found by its dedupe key any more stay this long: nobody can tell
/// whether it still waits. A message that waits for longer is answered without them.
const UNTOLD_MAX: Duration = Duration::from_hours(168);
/// Records looked at at a time; each may have a quarter of a megabyte.
const PAGE: usize = 16;

/// Removes the tools of messages that have ended in another way than with an answer, as by a stop;
/// answers how many. Those of a message that waits stay, however many there are.
///
/// # Errors
/// What the store answers.
pub async fn sweep_client_tools(store: &Store, now: Timestamp) -> Result<usize, StoreError> {
    let (prefix, mut after, mut swept) = (client_tools_prefix(), None, 0);
    loop {
        let page: Vec<(Key, ClientTools)> = store.page(&prefix, after.as_ref(), PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(swept) };
        after = Some(last.clone());
        let mut batch = Batch::new();
        for (key, tools) in &page {
            if !is_wanted(store, key, tools, now)? {
                batch.delete(key.clone());
                swept += 1;
            }
        }
        store.commit(batch).await?;
    }
}

fn is_wanted(
    store: &Store,
    key: &Key,
    tools: &ClientTools,
    now: Timestamp,
) -> Result<bool, StoreError> {
    // Both are keyed by the account and the id, each in its own space.
    let mut same = key.as_bytes().to_vec();
    same[..1].copy_from_slice(Key::of(Space::Dedupe).as_bytes());
    let dedupe: Option<DedupeRecord> = store.get(&Key::from_bytes(&same))?;
    match dedupe.map(|record| record.fate) {
        Some(Fate::Admitted { envelope, session }) => {
            store.contains(&inbox_key(&session, envelope))
        }
        Some(Fate::Declined { .. } | Fate::History) => Ok(false),
        None => Ok(now.since(tools.at) <= UNTOLD_MAX),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::channel::webchat;
    use crate::client_tool::client_tools_key;
    use crate::inbox::dedupe_key;
    use crate::message::{EnvelopeId, SessionKey};
    use crate::store::MemoryBackend;

    // L1, D2
    #[tokio::test]
    async fn the_tools_of_what_waits_stay_and_no_others() {
        let store = Store::inline(Arc::new(MemoryBackend::new())).unwrap();
        let (account, session) =
            (webchat::account(), SessionKey::parse("agent:main:main").unwrap());
        let (now, week) = (Timestamp(9_000_000_000), 168 * 3_600_000);
        let mut batch = Batch::new();
        // More than a page of each: waiting for long, ended just now, never admitted, and lost.
        for number in 0..80u64 {
            let id = format!("{number:03}");
            let at = if number % 4 == 1 || number % 8 == 2 { now.0 } else { now.0 - week - 1 };
            let (tools, is_alone) = (Vec::new(), false);
            let record = ClientTools { at: Timestamp(at), tools, is_alone, must_call: false };
            batch.put(client_tools_key(&account, &id), &record);
            let envelope = EnvelopeId(number);
            if number % 4 < 2 {
                let fate = Fate::Admitted { envelope, session: session.clone() };
                batch.put(dedupe_key(&account, &id), &DedupeRecord { at: now, fate, text: None });
            }
            if number % 4 == 0 {
                // What it says is of no interest here.
                let any = DedupeRecord { at: now, fate: Fate::History, text: None };
                batch.put(inbox_key(&session, envelope), &any);
            }
        }
        store.commit(batch).await.unwrap();
        assert_eq!(sweep_client_tools(&store, now).await.unwrap(), 50);
        for number in 0..80u64 {
            let key = client_tools_key(&account, &format!("{number:03}"));
            let is_kept = number % 4 == 0 || number % 8 == 2;
            assert_eq!(store.contains(&key).unwrap(), is_kept, "{number}");
        }
    }
}
