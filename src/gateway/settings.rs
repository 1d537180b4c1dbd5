//! What the gateway goes by.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use telson_actors::context::{DOCUMENT_BYTES_MAX, IMAGE_BYTES_MAX};

use super::crowd::Room;
use super::enrolment::Enrolment;
use super::identity::{IdentityScopes, ProxyRules, Whois};
use super::limiter::{Class, Limiter, Source};
use super::lookup::Lookups;
use super::network::neighbourhood;
use super::refusal::Refusal;
use super::visitor::{Claim, House, Page, Visitor};
use crate::config::GatewayAuthMode;

/// How the gateway behaves.
#[derive(Clone)]
pub struct Settings {
    /// What a client has to show.
    pub mode: GatewayAuthMode,
    /// The shared token or password, by the mode.
    pub secret: Option<String>,
    /// Who may knock.
    pub house: House,
    /// What a proxy in front says.
    pub proxy: Option<ProxyRules>,
    /// Who verifies Tailscale's word; nobody where it does not count.
    pub whois: Option<Arc<dyn Whois>>,
    /// What people may do whom somebody before us names.
    pub identity_scopes: IdentityScopes,
    /// Who guesses.
    pub limiter: Arc<Mutex<Limiter>>,
    /// Whether programs of this machine may guess on.
    pub exempt_loopback: bool,
    /// Who is let in without a person.
    pub enrolment: Enrolment,
    /// The look-ups that takes.
    pub lookups: Arc<Lookups>,
    /// What clients are told about limits.
    pub policy: Policy,
}

/// The limits of a connection, as `hello-ok` states them.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Longest frame before a client is let in, in bytes.
    pub handshake_bytes_max: usize,
    /// Longest wait for a request's headers, and then for the first frame.
    pub handshake_max: Duration,
    /// Longest frame, in bytes.
    pub payload_max: usize,
    /// Most bytes that wait to be sent on one connection.
    pub buffered_max: usize,
    /// Pause between signs of life; a client that hears nothing for two of them reconnects.
    pub tick: Duration,
    /// Calls of one connection that work at once; more are read once some are answered. Those that
    /// only wait for somebody else count apart.
    pub calls_max: usize,
    /// Longest time a client may take to read what is sent to it.
    pub write_max: Duration,
    /// Largest attachment and largest image, decoded, in bytes: no model is shown larger ones.
    pub attachment_max: (u64, u64),
    /// How many at once.
    pub room: Room,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            handshake_bytes_max: 64 * 1024,
            handshake_max: Duration::from_secs(15),
            payload_max: 25 * 1024 * 1024,
            buffered_max: 50 * 1024 * 1024,
            tick: Duration::from_secs(15),
            calls_max: 64,
            write_max: Duration::from_secs(10),
            attachment_max: (DOCUMENT_BYTES_MAX, IMAGE_BYTES_MAX),
            room: Room {
                total_max: 16 * 1024,
                unknown_per_address_max: 1024,
                silent_per_address_max: 128,
                silent_max: 1024,
            },
        }
    }
}

impl Settings {
    /// Whose guesses are counted: those of an address, or of a page on this machine; nobody's where
    /// a program of this machine may guess on.
    pub(super) fn source(&self, visitor: &Visitor) -> Option<Source> {
        match &visitor.page {
            Page::Welcome(page) if visitor.is_local => Some(Source::Page(page.clone())),
            Page::None if visitor.is_local && self.exempt_loopback => None,
            _ => Some(Source::Address(neighbourhood(visitor.address))),
        }
    }

    /// How long a visitor has to wait with each class of secret, in milliseconds.
    pub(super) fn waits(&self, visitor: &Visitor, now: i64) -> [Option<u64>; 3] {
        let Some(source) = self.source(visitor) else { return [None; 3] };
        let limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        Class::ALL.map(|class| limiter.wait(&source, class, now))
    }

    /// Notes which secrets were wrong, and which was right.
    pub(super) fn note(
        &self,
        visitor: &Visitor,
        failed: &[Class],
        proven: Option<Class>,
        now: i64,
    ) {
        let Some(source) = self.source(visitor) else { return };
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(proven) = proven {
            limiter.proven(&source, proven);
        }
        for class in failed {
            tracing::warn!(address = %visitor.address, ?class, "a wrong secret was shown");
            limiter.failed(&source, *class, now);
        }
    }

    /// Whether an HTTP request may do what an operator may: by the shared secret as its bearer, by
    /// a believed proxy, or because nothing is asked for. `now` is the steady time. Tailscale's word
    /// does not count here.
    ///
    /// # Errors
    /// Why not; guesses are counted as those over WebSocket are.
    pub fn check_bearer(
        &self,
        visitor: &Visitor,
        bearer: Option<&str>,
        now: i64,
    ) -> Result<(), Refusal> {
        match self.mode {
            GatewayAuthMode::None if visitor.is_local => return Ok(()),
            GatewayAuthMode::TrustedProxy if matches!(visitor.claim, Some(Claim::Proxy(_))) => {
                return Ok(());
            }
            _ => {}
        }
        let wrong = |code, reason| {
            Refusal::unauthorized(code, reason, "this needs `Authorization: Bearer <secret>`")
        };
        let Some(shown) = bearer.filter(|shown| !shown.is_empty()) else {
            return Err(wrong("AUTH_TOKEN_MISSING", "token_missing"));
        };
        if let Some(wait) = self.waits(visitor, now)[Class::Shared as usize] {
            return Err(Refusal::too_many(wait));
        }
        let secret = self.secret.as_deref();
        if secret.is_some_and(|secret| super::handshake::is_same(shown, secret)) {
            self.note(visitor, &[], Some(Class::Shared), now);
            return Ok(());
        }
        self.note(visitor, &[Class::Shared], None, now);
        Err(wrong("AUTH_TOKEN_MISMATCH", "token_mismatch"))
    }
}
