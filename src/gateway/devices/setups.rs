//! Setup codes: each lets one device in, once and soon. They live in memory only.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::new_secret;
use crate::frame::ErrorBody;
use crate::gateway::device::fingerprint;
use crate::gateway::handshake::SetupGrant;

/// Codes that are good; the oldest is forgotten first.
const SETUPS_MAX: usize = 16;
/// How long a code is good, in milliseconds.
const SETUP_MS: i64 = 10 * 60 * 1000;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Setups(Mutex<Vec<Setup>>);

#[derive(Debug)]
struct Setup {
    fingerprint: [u8; 32],
    grant: SetupGrant,
    expires_at: i64,
}

impl Setups {
    /// Makes a code's token; answers it and when it ends, in milliseconds of Unix time.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(crate) fn add(&self, grant: SetupGrant, now: i64) -> Result<(String, i64), ErrorBody> {
        let secret = new_secret().map_err(ErrorBody::internal)?;
        let expires_at = now.saturating_add(SETUP_MS);
        let mut setups = self.lock();
        setups.retain(|setup| setup.expires_at > now);
        if setups.len() >= SETUPS_MAX {
            setups.remove(0);
        }
        setups.push(Setup { fingerprint: fingerprint(&secret), grant, expires_at });
        Ok((secret, expires_at))
    }

    /// What a code's token allows.
    pub(crate) fn find(&self, shown: &str, now: i64) -> Option<SetupGrant> {
        let shown = fingerprint(shown);
        let setups = self.lock();
        let found = setups.iter().find(|it| it.fingerprint == shown && it.expires_at > now);
        found.map(|setup| setup.grant.clone())
    }

    /// Uses it up; `false` if somebody else has.
    pub(crate) fn use_up(&self, shown: &str) -> bool {
        let shown = fingerprint(shown);
        let mut setups = self.lock();
        let before = setups.len();
        setups.retain(|setup| setup.fingerprint != shown);
        setups.len() < before
    }

    /// Forgets what a device has made.
    pub(crate) fn forget_those_of(&self, device: &str) {
        let maker = format!("/{device}");
        self.lock().retain(|setup| !setup.grant.by.ends_with(&maker));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Setup>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::Role;

    const MINUTE: i64 = 60_000;

    #[test]
    fn a_setup_code_is_good_for_ten_minutes_and_once() {
        let setups = Setups::default();
        let grant = SetupGrant { role: Role::Operator, scopes: Vec::new(), by: "me".into() };
        let (code, _) = setups.add(grant.clone(), 0).unwrap();
        assert_eq!(setups.find(&code, 10 * MINUTE - 1), Some(grant.clone()));
        assert_eq!(setups.find(&code, 10 * MINUTE), None);
        assert_eq!(setups.find("another", 0), None);
        assert!(setups.use_up(&code) && !setups.use_up(&code));
        // L1
        let codes: Vec<_> = (0..40).map(|_| setups.add(grant.clone(), 0).unwrap().0).collect();
        let good = codes.iter().filter(|code| setups.find(code, 1).is_some()).count();
        assert_eq!(good, SETUPS_MAX);
    }
}
