//! The keys of whoever signs pushes: fetched when they are needed, kept as long as they may be.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::oidc::{self, Key};

/// Longest time of a fetch.
const FETCH_MAX: Duration = Duration::from_secs(10);
/// Largest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Pause between two fetches that a key nobody knows asks for, and behind one that failed: strangers
/// choose the names of keys.
const PAUSE: Duration = Duration::from_secs(30);

/// See the module.
pub(super) struct Keys {
    url: String,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    keys: Vec<Key>,
    /// How long they count.
    until: Option<Instant>,
    /// When they may be fetched anew although they count.
    again: Option<Instant>,
}

/// What became of a search.
pub(super) enum Found {
    /// The key.
    Key(Key),
    /// There is no such key.
    Nothing,
    /// Nobody can say now.
    Unavailable(String),
}

impl Keys {
    pub(super) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), kept: Mutex::default() }
    }

    /// The key of this name. One at a time: whoever waits finds what the one before has fetched.
    pub(super) async fn find(&self, id: &str) -> Found {
        let mut kept = self.kept.lock().await;
        let now = Instant::now();
        let counts = kept.until.is_some_and(|until| now < until);
        if counts && let Some(key) = kept.keys.iter().find(|key| key.id == id) {
            return Found::Key(key.clone());
        }
        if kept.again.is_some_and(|again| now < again) {
            return if counts {
                Found::Nothing
            } else {
                Found::Unavailable("it could not be read a moment ago".into())
            };
        }
        kept.again = Some(now + PAUSE);
        match self.fetch().await {
            Ok((keys, max_age)) => {
                kept.until = Some(now + max_age);
                kept.keys = keys;
                let found = kept.keys.iter().find(|key| key.id == id);
                found.map_or(Found::Nothing, |key| Found::Key(key.clone()))
            }
            Err(why) => {
                tracing::warn!(url = %self.url, "the keys for pushes of Gmail can't be read: {why}");
                if counts { Found::Nothing } else { Found::Unavailable(why) }
            }
        }
    }

    async fn fetch(&self) -> Result<(Vec<Key>, Duration), String> {
        let fetched = tokio::time::timeout(FETCH_MAX, self.read()).await;
        fetched.map_err(|_| format!("no answer within {} s", FETCH_MAX.as_secs()))?
    }

    async fn read(&self) -> Result<(Vec<Key>, Duration), String> {
        // The HTTP library panics when it builds a client without one.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err("no cryptography is set up in this process".into());
        }
        let failed = |error: reqwest::Error| error.to_string();
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(failed)?;
        let mut answer = client.get(&self.url).send().await.map_err(failed)?;
        if !answer.status().is_success() {
            return Err(format!("answered {}", answer.status()));
        }
        let control = answer.headers().get(reqwest::header::CACHE_CONTROL);
        let max_age = oidc::max_age(control.and_then(|control| control.to_str().ok()));
        let mut whole = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(failed)? {
            if whole.len() + piece.len() > ANSWER_BYTES_MAX {
                return Err(format!("the answer has more than {ANSWER_BYTES_MAX} bytes"));
            }
            whole.extend_from_slice(&piece);
        }
        Ok((oidc::keys(&whole)?, max_age))
    }
}
