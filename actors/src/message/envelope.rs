//! One message from a person: what a channel hands in, and what the journal keeps.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{AccountKey, Destination};
use crate::clock::Timestamp;

/// The journal's number of an envelope: grows with every admission, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EnvelopeId(pub u64);

impl fmt::Display for EnvelopeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m{}", self.0)
    }
}

/// The kind of conversation. Access is granted per kind: a paired direct sender is nobody in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ChatKind {
    /// One person and us.
    Direct,
    /// Several people and us.
    Group,
    /// A room people join by themselves.
    Channel,
}

/// A file that came with a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Media type as the platform states it, such as `image/heic`; empty when unknown.
    pub media_type: String,
    /// The name the platform shows.
    pub name: String,
    /// Path on the machine that runs the channel, once the file has arrived there.
    pub path: Option<String>,
    /// Size in bytes as stated by the platform; 0 when unknown.
    pub bytes: u64,
}

/// A message as a channel hands it in, before admission. All ids are the platform's immutable ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inbound {
    /// The account it came in on.
    pub account: AccountKey,
    /// The platform's message id: the same id inside the dedupe window is the same message.
    pub dedupe_key: String,
    /// The kind of conversation.
    pub chat: ChatKind,
    /// The conversation: in a direct chat the other person's id, else the room's id.
    pub peer: String,
    /// Other names under which configuration may list this conversation (`chat_id:7`, a GUID, ...).
    pub peer_aliases: Vec<String>,
    /// The thread inside the conversation.
    pub thread: Option<String>,
    /// Who wrote it.
    pub sender: String,
    /// Where a reply goes: the platform's target and thread.
    pub reply_to: Destination,
    /// What it says. Media without text is a placeholder such as `<media:image>`.
    pub text: String,
    /// Its files.
    pub attachments: Vec<Attachment>,
    /// When the platform says it was written.
    pub sent_at: Timestamp,
}

impl Inbound {
    /// A direct message from `sender`, answered to `sender`. `id` is its platform's id.
    pub fn direct(account: &AccountKey, id: &str, sender: &str, text: &str, at: Timestamp) -> Self {
        Self {
            account: account.clone(),
            dedupe_key: id.to_owned(),
            chat: ChatKind::Direct,
            peer: sender.to_owned(),
            peer_aliases: Vec::new(),
            thread: None,
            sender: sender.to_owned(),
            reply_to: Destination {
                account: account.clone(),
                target: sender.to_owned(),
                thread: None,
            },
            text: text.to_owned(),
            attachments: Vec::new(),
            sent_at: at,
        }
    }
}

/// An admitted message: durable, numbered, and bound to a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The journal's number.
    pub id: EnvelopeId,
    /// When it was admitted.
    pub admitted_at: Timestamp,
    /// What the channel handed in.
    pub inbound: Inbound,
}
