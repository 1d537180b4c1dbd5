//! Every limit of the engine that is not a platform's own: default, unit, reason.

use std::time::Duration;

const MIB: u64 = 1024 * 1024;

/// The limits of one engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Unanswered messages beyond which nothing more is admitted. Channels keep what they have not
    /// had acknowledged, so this is back-pressure, not loss.
    pub waiting_max: u64,
    /// Replies of one account waiting to be sent beyond which nothing more of that account is
    /// admitted. Its neighbours have their own count.
    pub undelivered_max: usize,
    /// Free bytes on the disk of the store below which nothing more is admitted: enough for what
    /// was admitted to be answered, and for a compaction of an ordinary store to end.
    pub disk_free_min: u64,
    /// Free bytes at which admission goes on. Clearly more, so that it does not flutter.
    pub disk_free_again: u64,
    /// Session actors alive at once, about 10 KB each. Beyond it messages wait for one to leave.
    pub sessions_live_max: usize,
    /// Idle time after which a session actor is passivated.
    pub session_idle_max: Duration,
    /// Calls to one provider at the same time.
    pub provider_calls_max: usize,
    /// Longest time one attempt of a provider may take, whatever its client does: a client that
    /// hangs for ever gives its permit back. Just above the HTTP clients' own limit of 30 minutes.
    pub provider_attempt_max: Duration,
    /// Time for a branch to stop its children.
    pub stop_max: Duration,
    /// The pause of an account's branch that spent its restart budget.
    pub account_rest: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            waiting_max: 10_000,
            undelivered_max: 10_000,
            disk_free_min: 64 * MIB,
            disk_free_again: 96 * MIB,
            sessions_live_max: 10_000,
            session_idle_max: Duration::from_mins(1),
            provider_calls_max: default_calls_max(),
            provider_attempt_max: Duration::from_mins(31),
            stop_max: Duration::from_secs(15),
            account_rest: Duration::from_secs(30),
        }
    }
}

/// Between 8 and 16, by processors: model calls wait on the network, so few processors can have
/// many, and a person's account with a provider rarely allows more than 16.
fn default_calls_max() -> usize {
    std::thread::available_parallelism().map_or(8, usize::from).clamp(8, 16)
}
