//! Engines with two model servers behind them, and a log that everything is written to.

use std::io;
use std::sync::{Arc, Mutex, Once, OnceLock};
use std::time::Duration;

use telson::Builder;
use telson_actors::model::ModelRef;
use telson_actors::provider::openai::OpenAi;
use telson_actors::provider::profile::{Key, Keyring, Kind, Profile};
use telson_actors::provider::{HttpConfig, Secret};
use telson_actors::session::AgentProfile;

use super::server::Server;
use super::support::{Platform, builder};

/// What no log, error or message may hold.
pub(crate) const KEYS: [&str; 3] =
    ["hush-first-0123456789", "hush-second-0123456789", "hush-other-0123456789"];

pub(crate) fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        rustls::crypto::ring::default_provider().install_default().unwrap();
    });
}

fn key(server: &Server, id: &str, secret: &str) -> Key {
    install_crypto();
    let secret = Secret::new(secret);
    let profile = Profile { id: id.into(), kind: Kind::ApiKey, mark: secret.mark() };
    let mut http = HttpConfig::new(server.base_url());
    http.api_key = Some(secret);
    http.connect_timeout = Duration::from_secs(5);
    http.idle_timeout = Duration::from_secs(2);
    http.total_timeout = Duration::from_secs(5);
    http.response_bytes_max = 4 * 1024 * 1024;
    Key { profile, client: Arc::new(OpenAi::new(http).unwrap()) }
}

/// The first server behind one or two keys.
pub(crate) fn keys(server: &Server, count: usize) -> Keyring {
    let mut keys = Keyring::new(
        key(server, "first:default", KEYS[0]),
        (1..count).map(|_| key(server, "first:spare", KEYS[1])).collect(),
    );
    keys.explicit = true;
    keys
}

/// A server behind a single key.
pub(crate) fn keyring(server: &Server, id: &str, secret: &str) -> Keyring {
    Keyring::new(key(server, id, secret), Vec::new())
}

/// An engine whose agent asks `first/big`.
pub(crate) fn alone(platform: &Platform, first: &Server, keys_count: usize) -> Builder {
    let agent = AgentProfile {
        provider: "first".into(),
        model: "big".into(),
        system: String::new(),
        output_tokens_max: 100,
    };
    builder(platform).agent("main", agent).keyring("first", keys(first, keys_count))
}

/// An engine whose agent asks `first/big`, and `second/small` when that fails.
pub(crate) fn chain(platform: &Platform, first: &Server, second: &Server) -> Builder {
    let other = keyring(second, "second:default", KEYS[2]);
    alone(platform, first, 1)
        .keyring("second", other)
        .fallbacks("main", vec![ModelRef::new("second", "small")])
}

/// Everything the program has said in this test binary, at its most talkative.
pub(crate) fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        let writer = log.clone();
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .init();
        log
    })
}

#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
