//! Who is connected, as people see it. Pure: time comes in.
//!
//! An entry is a device, else an instance, else a connection, so that a client that reconnects stays
//! one entry. It outlives its connection for a while, to show who was just there.

use std::collections::BTreeMap;

use serde::Serialize;

/// How long an entry that nothing is heard of stays, in milliseconds.
pub(crate) const TTL_MILLIS: i64 = 5 * 60 * 1000;
/// Entries at once; the oldest goes first.
pub(crate) const ENTRIES_MAX: usize = 200;
/// Modes of clients that come for one question: they would only be noise.
const UNTRACKED_MODES: [&str; 3] = ["cli", "backend", "probe"];

/// One entry, in the shape clients know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The name people see.
    pub host: String,
    /// Its address; absent on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// Its version.
    pub version: String,
    /// Its system.
    pub platform: String,
    /// The kind of its device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_family: Option<String>,
    /// How it is used.
    pub mode: String,
    /// What was last heard of it: `connect`, `disconnect` or `self`.
    pub reason: String,
    /// Its device, where it has shown one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// What it is here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// What it may do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Which of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// A line for people.
    pub text: String,
    /// When that was heard, in milliseconds.
    pub ts: i64,
}

/// Everybody, by key.
#[derive(Debug, Default)]
pub(crate) struct Roll {
    entries: BTreeMap<String, Entry>,
    version: u64,
}

/// Whether a client of this mode is shown at all.
pub(crate) fn is_tracked(mode: &str) -> bool {
    !UNTRACKED_MODES.contains(&mode)
}

/// The key of a client.
pub(crate) fn key(device: Option<&str>, instance: Option<&str>, connection: &str) -> String {
    let given = [device, instance].into_iter().flatten().find(|id| !id.trim().is_empty());
    given.unwrap_or(connection).trim().to_lowercase()
}

impl Roll {
    /// Puts an entry in place of the one before.
    pub(crate) fn put(&mut self, key: String, entry: Entry) {
        self.entries.insert(key, entry);
        while self.entries.len() > ENTRIES_MAX {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.ts);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { break };
            self.entries.remove(&oldest);
        }
        self.version += 1;
    }

    /// Notes that a client has gone.
    pub(crate) fn gone(&mut self, key: &str, now: i64) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.reason = "disconnect".into();
            entry.ts = now;
            self.version += 1;
        }
    }

    /// Notes that these are still there, and drops who was not heard of for too long; `true` if
    /// somebody was dropped.
    pub(crate) fn pass(&mut self, connected: &[String], now: i64) -> bool {
        for key in connected {
            if let Some(entry) = self.entries.get_mut(key) {
                entry.ts = entry.ts.max(now);
            }
        }
        let before = self.entries.len();
        self.entries.retain(|_, entry| now.saturating_sub(entry.ts) <= TTL_MILLIS);
        let is_changed = self.entries.len() != before;
        self.version += u64::from(is_changed);
        is_changed
    }

    /// Everybody, newest first.
    pub(crate) fn list(&self) -> Vec<Entry> {
        let mut list: Vec<Entry> = self.entries.values().cloned().collect();
        list.sort_by(|one, other| other.ts.cmp(&one.ts).then_with(|| one.host.cmp(&other.host)));
        list
    }

    /// Grows with every change.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(host: &str, ts: i64) -> Entry {
        Entry { host: host.into(), ts, reason: "connect".into(), ..Entry::default() }
    }

    #[test]
    fn a_device_is_one_entry_however_often_it_connects() {
        let mut roll = Roll::default();
        roll.put(key(Some("Dev"), Some("i1"), "c1"), entry("a", 1));
        roll.put(key(Some("dev"), Some("i2"), "c2"), entry("b", 2));
        roll.put(key(None, Some("i2"), "c3"), entry("c", 3));
        roll.put(key(None, Some(" "), "c4"), entry("d", 4));
        let hosts: Vec<_> = roll.list().into_iter().map(|entry| entry.host).collect();
        assert_eq!(hosts, ["d", "c", "b"]);
    }

    #[test]
    fn who_is_gone_stays_for_a_while_and_who_is_there_stays() {
        let mut roll = Roll::default();
        roll.put("a".into(), entry("a", 0));
        roll.put("b".into(), entry("b", 0));
        roll.gone("a", 10);
        assert_eq!(roll.list()[0].reason, "disconnect");
        assert!(!roll.pass(&["b".into()], TTL_MILLIS));
        assert!(roll.pass(&["b".into()], TTL_MILLIS + 11));
        assert_eq!(roll.list().len(), 1);
        assert_eq!(roll.list()[0].host, "b");
    }

    #[test]
    fn short_visitors_are_not_shown() {
        assert!(["cli", "backend", "probe"].iter().all(|mode| !is_tracked(mode)));
        assert!(["ui", "webchat", "node", "test"].iter().all(|mode| is_tracked(mode)));
    }

    proptest! {
        // However many come, the newest stay, and every change is counted.
        #[test]
        fn the_roll_is_bounded(times in prop::collection::vec(0i64..1_000_000, 1..600)) {
            let mut roll = Roll::default();
            for (number, ts) in times.iter().enumerate() {
                let before = roll.version();
                roll.put(number.to_string(), entry("x", *ts));
                prop_assert!(roll.version() > before);
            }
            prop_assert_eq!(roll.list().len(), times.len().min(ENTRIES_MAX));
            let newest = times.iter().max().copied();
            prop_assert_eq!(roll.list().first().map(|entry| entry.ts), newest);
        }
    }
}
