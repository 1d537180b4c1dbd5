//! What the gateway goes by.

use std::time::Duration;

/// How the gateway behaves.
#[derive(Clone)]
pub struct Settings {
    /// The shared secret of operators.
    pub token: String,
    /// What clients are told about limits.
    pub policy: Policy,
}

/// The limits of a connection, as `hello-ok` states them.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Longest frame before a client is let in, in bytes.
    pub handshake_bytes_max: usize,
    /// Longest wait for the first frame.
    pub handshake_max: Duration,
    /// Longest frame, in bytes.
    pub payload_max: usize,
    /// Most bytes that wait to be sent on one connection.
    pub buffered_max: usize,
    /// Pause between signs of life; a client that hears nothing for two of them reconnects.
    pub tick: Duration,
    /// Calls of one connection under way at once; more are read once some are answered.
    pub calls_max: usize,
    /// Longest time a client may take to read what is sent to it.
    pub write_max: Duration,
    /// Largest attachment and largest image, decoded, in bytes.
    pub attachment_max: (usize, usize),
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
            attachment_max: (19_464_192, 6_291_456),
        }
    }
}
