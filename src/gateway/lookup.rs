//! Looking up a node's key on its own machine, over `ssh`.
//!
//! Who can be logged in to by whoever runs the gateway, on a machine whose host key is known, and
//! has the very key that connects, is a machine of that person. Reaching it alone says nothing.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::sync::Semaphore;

use super::device::Portrait;
use super::enrolment::SshLookup;

/// Look-ups under way at once; whoever comes meanwhile waits for a person as always.
const AT_ONCE_MAX: usize = 4;
/// Addresses that are left alone for a while; the one whose time is up first is forgotten first.
const RESTING_MAX: usize = 256;
/// How long an address is left alone where another key was found, in milliseconds.
const REST_AFTER_OTHER: i64 = 5 * 60 * 1000;
/// The same where nothing was found out.
const REST_AFTER_NOTHING: i64 = 60 * 1000;
/// Bytes of an answer.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// Longest look-up, whatever the config says: the client waits for its first answer meanwhile.
const TIME_MAX: Duration = Duration::from_secs(12);

/// See the module.
#[derive(Debug)]
pub struct Lookups {
    permits: Semaphore,
    /// The addresses that are left alone, and until when.
    resting: Mutex<BTreeMap<IpAddr, i64>>,
}

impl Default for Lookups {
    fn default() -> Self {
        Self { permits: Semaphore::new(AT_ONCE_MAX), resting: Mutex::default() }
    }
}

/// What was found on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// The key that connects.
    Same,
    /// Another one.
    Other,
    /// None, or nothing could be found out.
    Nothing,
}

impl Lookups {
    /// Whether the machine at an address has the key of this device. `now` is the steady time.
    pub(super) async fn vouches(
        &self,
        lookup: &SshLookup,
        address: IpAddr,
        device: &Portrait,
        now: i64,
    ) -> bool {
        if self.resting().get(&address).is_some_and(|until| *until > now) {
            return false;
        }
        let Ok(_permit) = self.permits.try_acquire() else { return false };
        // Before the look-up: a second connection meanwhile does not ask again.
        self.rest(address, now + REST_AFTER_NOTHING);
        let time_max = lookup.time_max.min(TIME_MAX);
        let looking = ask(lookup, address);
        let answer = tokio::time::timeout(time_max, looking).await.ok().flatten();
        let found = answer.map_or(Found::Nothing, |answer| compare(&answer, device));
        match found {
            Found::Same => drop(self.resting().remove(&address)),
            Found::Nothing => {}
            Found::Other => {
                tracing::warn!(%address, "the key found over ssh is not the one that connects");
                self.rest(address, now + REST_AFTER_OTHER);
            }
        }
        found == Found::Same
    }

    fn rest(&self, address: IpAddr, until: i64) {
        let mut resting = self.resting();
        if resting.len() >= RESTING_MAX && !resting.contains_key(&address) {
            let first =
                resting.iter().min_by_key(|(_, until)| **until).map(|(address, _)| *address);
            first.and_then(|first| resting.remove(&first));
        }
        resting.insert(address, until);
    }

    fn resting(&self) -> MutexGuard<'_, BTreeMap<IpAddr, i64>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the machine says of its node; ends with the future.
async fn ask(lookup: &SshLookup, address: IpAddr) -> Option<Vec<u8>> {
    let mut command = Command::new("ssh");
    command
        .args(lookup.arguments(address))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut child = command
        .spawn()
        .inspect_err(|error| tracing::warn!(%error, "ssh could not be started to look up a node"))
        .ok()?;
    let mut answer = Vec::new();
    let mut output = child.stdout.take()?.take(ANSWER_BYTES_MAX);
    output.read_to_end(&mut answer).await.ok()?;
    // One that goes on talking is not listened to any longer.
    drop(output);
    let status = child.wait().await.ok()?;
    if !status.success() {
        tracing::info!(%address, %status, "a node's key was not found over ssh");
        return None;
    }
    Some(answer)
}

/// Both the key and what is made of it have to be the same.
fn compare(answer: &[u8], device: &Portrait) -> Found {
    let Ok(answer) = serde_json::from_slice::<Value>(answer) else { return Found::Nothing };
    let text = |key: &str| answer.get(key).and_then(Value::as_str);
    match (text("deviceId"), text("publicKey")) {
        (Some(id), Some(key)) if id == device.device_id && key == device.public_key => Found::Same,
        (Some(_), Some(_)) => Found::Other,
        _ => Found::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_is_the_same_or_it_is_not() {
        let device = Portrait {
            device_id: "id".into(),
            public_key: "key".into(),
            display_name: None,
            platform: "linux".into(),
            device_family: None,
            client_id: "node-host".into(),
            client_mode: "node".into(),
        };
        for (answer, expected) in [
            (json!({"deviceId": "id", "publicKey": "key"}), Found::Same),
            (json!({"deviceId": "id", "publicKey": "key", "nodeId": "x"}), Found::Same),
            (json!({"deviceId": "id", "publicKey": "other"}), Found::Other),
            (json!({"deviceId": "other", "publicKey": "key"}), Found::Other),
            (json!({"publicKey": "key"}), Found::Nothing),
            (json!({"deviceId": 5, "publicKey": "key"}), Found::Nothing),
            (json!([]), Found::Nothing),
        ] {
            assert_eq!(compare(answer.to_string().as_bytes(), &device), expected, "{answer}");
        }
        assert_eq!(compare(b"sh: openclaw: not found", &device), Found::Nothing);
    }

    // L1
    #[test]
    fn few_addresses_are_remembered() {
        let lookups = Lookups::default();
        for n in 0..1000_u32 {
            lookups.rest(IpAddr::from(n.to_be_bytes()), i64::from(n));
        }
        assert_eq!(lookups.resting().len(), RESTING_MAX);
    }
}
