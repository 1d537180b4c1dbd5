//! What we are sending or have just sent, so that our own words are not taken for a person's.
//!
//! Our row can be born as if somebody else had written it and turn into ours a moment later. A
//! sent guid settles it; while a send is in flight, a row with its text in its chat is held back
//! until the send is settled. No text is ever swallowed: people do answer with our own words.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::text_hash::TextHash;

/// Guids remembered. A row and its flip lie within seconds; the rest is margin.
const GUIDS_MAX: usize = 4096;

/// Shared between the sender and the watcher of one account. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Echoes(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    sent: VecDeque<String>,
    in_flight: HashMap<(String, TextHash), usize>,
}

impl Echoes {
    /// A send of this text to this chat begins.
    pub(super) fn begin(&self, chat_guid: &str, text: TextHash) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *inner.in_flight.entry((chat_guid.to_owned(), text)).or_default() += 1;
    }

    /// It is over; `guid` is the row it became, if one was found.
    pub(super) fn end(&self, chat_guid: &str, text: TextHash, guid: Option<&str>) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (chat_guid.to_owned(), text);
        if let Some(count) = inner.in_flight.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                inner.in_flight.remove(&key);
            }
        }
        if let Some(guid) = guid {
            inner.sent.push_back(guid.to_owned());
            if inner.sent.len() > GUIDS_MAX {
                inner.sent.pop_front();
            }
        }
    }

    /// Whether we wrote the row with this guid.
    pub(super) fn is_ours(&self, guid: &str) -> bool {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.sent.iter().rev().any(|sent| sent == guid)
    }

    /// Whether this text is on its way to this chat.
    pub(super) fn is_in_flight(&self, chat_guid: &str, text: TextHash) -> bool {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.in_flight.contains_key(&(chat_guid.to_owned(), text))
    }
}
