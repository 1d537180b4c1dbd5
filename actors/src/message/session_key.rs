//! The name of a session: one canonical string, injective over the parts it is made of.
//!
//! ```text
//! global
//! agent:<agent>:<main key>                                 main
//! agent:<agent>:direct:<peer>                              direct, per peer
//! agent:<agent>:<channel>:direct:<peer>                    direct, per channel and peer
//! agent:<agent>:<channel>:<account>:direct:<peer>          direct, per account, channel and peer
//! agent:<agent>:<channel>[:<account>]:group:<id>           group (account only when it is not the default)
//! agent:<agent>:<channel>[:<account>]:channel:<id>         channel, likewise
//! agent:<agent>:cron:<job>:run:<run>                       one run of a job
//! agent:<agent>:hook:<id>                                  a webhook's own session
//! ...:thread:<thread>                                      any of them but `global`, at most once
//! ```
//!
//! Inside a part `:`, `%`, white space and control characters are written as `%XX` of their UTF-8
//! bytes. So the colons of a key are always separators, and the number of parts and the fixed words
//! between them tell the forms apart. An empty part is refused: a sender without an id is nobody, and
//! must not share a session with every other nobody. Case is kept, because some platforms tell ids
//! apart by case only. A key selects a session; it never grants access.

mod text;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use self::text::{AGENT, GLOBAL, THREAD, push, push_place, push_word, read};
use super::AccountKey;

/// How far direct conversations are kept apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DmScope {
    /// All direct conversations of an agent share its main session.
    #[default]
    Main,
    /// One session per person, over all channels.
    PerPeer,
    /// One session per person and channel.
    PerChannelPeer,
    /// One session per person, channel and account.
    PerAccountChannelPeer,
}

/// The kind of a conversation with several people, as a key names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RoomKind {
    /// Several people and us.
    Group,
    /// A room people join by themselves.
    Channel,
}

/// What a key is made of, decoded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyParts {
    /// The one session of everybody.
    Global,
    /// A session of one agent.
    Agent {
        /// The agent's id.
        agent: String,
        /// Which conversation of the agent.
        place: Place,
        /// The thread inside the conversation.
        thread: Option<String>,
    },
}

/// Which conversation of an agent a key names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// The main session, by its configured name.
    Main(String),
    /// A person, on any channel.
    Peer(String),
    /// A person on one channel.
    ChannelPeer {
        /// The channel's name.
        channel: String,
        /// The person's id.
        peer: String,
    },
    /// A person on one account of one channel.
    AccountPeer {
        /// The account.
        account: AccountKey,
        /// The person's id.
        peer: String,
    },
    /// What a webhook began, by the id of its request or the name it chose.
    Hook(String),
    /// A group or channel.
    Room {
        /// The channel's name.
        channel: String,
        /// The account, where it is not the channel's default one.
        account: Option<String>,
        /// Group or channel.
        kind: RoomKind,
        /// The room's id.
        id: String,
    },
    /// One run of a job, which has a session to itself.
    CronRun {
        /// The job's id.
        job: String,
        /// Which run.
        run: String,
    },
}

/// Why no key can be made of the given parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A part is empty.
    #[error("the {0} of a session key is empty; every part must name something")]
    EmptyPart(&'static str),
    /// The global session has no threads.
    #[error("the global session has no threads")]
    GlobalThread,
    /// The key names a thread already.
    #[error("a session key names at most one thread")]
    SecondThread,
}

/// A text that is not a session key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "failed to read {text:?} as a session key; expected `global` or `agent:<agent>:<conversation>`"
)]
pub struct ParseKeyError {
    /// The text.
    pub text: String,
}

/// The identity of a session. Two keys are equal exactly when all their parts are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionKey(String);

impl SessionKey {
    /// The agent's main session.
    pub fn main(agent: &str, main_key: &str) -> Result<Self, KeyError> {
        Self::of_agent(agent, Place::Main(main_key.to_owned()))
    }

    /// The session of a direct conversation with `peer`.
    pub fn direct(
        agent: &str,
        scope: DmScope,
        account: &AccountKey,
        peer: &str,
        main_key: &str,
    ) -> Result<Self, KeyError> {
        let peer = peer.to_owned();
        let place = match scope {
            DmScope::Main => Place::Main(main_key.to_owned()),
            DmScope::PerPeer => Place::Peer(peer),
            DmScope::PerChannelPeer => {
                Place::ChannelPeer { channel: account.channel.clone(), peer }
            }
            DmScope::PerAccountChannelPeer => Place::AccountPeer { account: account.clone(), peer },
        };
        Self::of_agent(agent, place)
    }

    /// The session of a group on the channel's default account.
    pub fn group(agent: &str, channel: &str, id: &str) -> Result<Self, KeyError> {
        Self::room(agent, RoomKind::Group, channel, None, id)
    }

    /// The session of a channel (a room people join by themselves) on the default account.
    pub fn channel(agent: &str, channel: &str, id: &str) -> Result<Self, KeyError> {
        Self::room(agent, RoomKind::Channel, channel, None, id)
    }

    /// The session of a group or channel; `account` is named where it is not the default one,
    /// because a room id may mean something else on another account.
    pub fn room(
        agent: &str,
        kind: RoomKind,
        channel: &str,
        account: Option<&str>,
        id: &str,
    ) -> Result<Self, KeyError> {
        let account = account.map(str::to_owned);
        let place = Place::Room { channel: channel.to_owned(), account, kind, id: id.to_owned() };
        Self::of_agent(agent, place)
    }

    /// The session of one run of a job.
    pub fn cron_run(agent: &str, job: &str, run: &str) -> Result<Self, KeyError> {
        Self::of_agent(agent, Place::CronRun { job: job.to_owned(), run: run.to_owned() })
    }

    /// The session of a webhook.
    pub fn hook(agent: &str, id: &str) -> Result<Self, KeyError> {
        Self::of_agent(agent, Place::Hook(id.to_owned()))
    }

    /// The one session everybody shares.
    pub fn global() -> Self {
        Self(GLOBAL.to_owned())
    }

    /// The session of a thread inside this one's conversation.
    pub fn with_thread(&self, thread: &str) -> Result<Self, KeyError> {
        match self.parts() {
            KeyParts::Global => Err(KeyError::GlobalThread),
            KeyParts::Agent { thread: Some(_), .. } => Err(KeyError::SecondThread),
            KeyParts::Agent { agent, place, thread: None } => {
                let thread = Some(thread.to_owned());
                Self::from_parts(&KeyParts::Agent { agent, place, thread })
            }
        }
    }

    /// The key made of these parts.
    pub fn from_parts(parts: &KeyParts) -> Result<Self, KeyError> {
        let KeyParts::Agent { agent, place, thread } = parts else {
            return Ok(Self::global());
        };
        let mut text = AGENT.to_owned();
        push(&mut text, "agent", agent)?;
        push_place(&mut text, place)?;
        if let Some(thread) = thread {
            push_word(&mut text, THREAD);
            push(&mut text, "thread", thread)?;
        }
        Ok(Self(text))
    }

    /// Reads a key. Only the canonical spelling is accepted, so equal keys are equal texts.
    pub fn parse(text: &str) -> Result<Self, ParseKeyError> {
        match read(text) {
            Some(_) => Ok(Self(text.to_owned())),
            None => Err(ParseKeyError { text: text.to_owned() }),
        }
    }

    /// The decoded parts.
    pub fn parts(&self) -> KeyParts {
        // Every constructor writes what `read` reads, so the fallback is never taken.
        read(&self.0).unwrap_or(KeyParts::Global)
    }

    /// The agent the session belongs to; the global session belongs to none.
    pub fn agent(&self) -> Option<String> {
        match self.parts() {
            KeyParts::Global => None,
            KeyParts::Agent { agent, .. } => Some(agent),
        }
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of_agent(agent: &str, place: Place) -> Result<Self, KeyError> {
        Self::from_parts(&KeyParts::Agent { agent: agent.to_owned(), place, thread: None })
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SessionKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for SessionKey {
    type Error = ParseKeyError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<SessionKey> for String {
    fn from(key: SessionKey) -> Self {
        key.0
    }
}

#[cfg(test)]
mod tests;
