//! Who speaks for us, and where a reply goes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One account of one channel, such as `imessage/default`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AccountKey {
    /// The channel's name, such as `imessage`.
    pub channel: String,
    /// The account within the channel, such as `default`.
    pub account: String,
}

impl AccountKey {
    /// Names an account of a channel.
    pub fn new(channel: impl Into<String>, account: impl Into<String>) -> Self {
        Self { channel: channel.into(), account: account.into() }
    }
}

impl fmt::Display for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.channel, self.account)
    }
}

/// Where a message goes: entries for one destination form one outbox lane and leave in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Destination {
    /// The account that sends.
    pub account: AccountKey,
    /// The platform's own id of the conversation.
    pub target: String,
    /// The thread inside the conversation, where the platform has threads.
    pub thread: Option<String>,
}

impl Destination {
    /// The target as it may be shown: of a program's address only where it leads.
    pub fn shown_target(&self) -> String {
        super::origin(&self.target).unwrap_or_else(|| self.target.clone())
    }
}

/// For people: without what is secret in an address.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.account, self.shown_target())?;
        match &self.thread {
            Some(thread) => write!(f, "#{thread}"),
            None => Ok(()),
        }
    }
}
