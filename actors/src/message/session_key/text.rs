//! How the parts of a session key are spelled and read back.

use super::{KeyError, KeyParts, Place, RoomKind};
use crate::message::AccountKey;

pub(super) const GLOBAL: &str = "global";
pub(super) const AGENT: &str = "agent";
const DIRECT: &str = "direct";
const GROUP: &str = "group";
const CHANNEL: &str = "channel";
pub(super) const THREAD: &str = "thread";
const CRON: &str = "cron";
const RUN: &str = "run";
const HOOK: &str = "hook";

pub(super) fn push_place(text: &mut String, place: &Place) -> Result<(), KeyError> {
    match place {
        Place::Main(main_key) => push(text, "main key", main_key),
        Place::Peer(peer) => {
            push_word(text, DIRECT);
            push(text, "peer", peer)
        }
        Place::ChannelPeer { channel, peer } => {
            push(text, "channel", channel)?;
            push_word(text, DIRECT);
            push(text, "peer", peer)
        }
        Place::AccountPeer { account, peer } => {
            push(text, "channel", &account.channel)?;
            push(text, "account", &account.account)?;
            push_word(text, DIRECT);
            push(text, "peer", peer)
        }
        Place::Hook(id) => {
            push_word(text, HOOK);
            push(text, "hook id", id)
        }
        Place::Room { channel, account, kind, id } => {
            push(text, "channel", channel)?;
            if let Some(account) = account {
                push(text, "account", account)?;
            }
            push_word(text, if *kind == RoomKind::Group { GROUP } else { CHANNEL });
            push(text, "room id", id)
        }
        Place::CronRun { job, run } => {
            push_word(text, CRON);
            push(text, "job", job)?;
            push_word(text, RUN);
            push(text, "run", run)
        }
    }
}

pub(super) fn push_word(text: &mut String, word: &str) {
    text.push(':');
    text.push_str(word);
}

pub(super) fn push(text: &mut String, name: &'static str, part: &str) -> Result<(), KeyError> {
    if part.is_empty() {
        return Err(KeyError::EmptyPart(name));
    }
    text.push(':');
    encode(part, text);
    Ok(())
}

pub(super) fn read(text: &str) -> Option<KeyParts> {
    if text == GLOBAL {
        return Some(KeyParts::Global);
    }
    let words: Vec<&str> = text.split(':').collect();
    let (base, thread) = match words.as_slice() {
        // Three words are the shortest base: `agent:<agent>:thread:<id>` names no conversation.
        [base @ .., THREAD, thread] if base.len() >= 3 => (base, Some(decode(thread)?)),
        base => (base, None),
    };
    let (agent, place) = match base {
        [AGENT, agent, main_key] => (agent, Place::Main(decode(main_key)?)),
        [AGENT, agent, DIRECT, peer] => (agent, Place::Peer(decode(peer)?)),
        [AGENT, agent, HOOK, id] => (agent, Place::Hook(decode(id)?)),
        [AGENT, agent, channel, kind, id] => (agent, read_place(channel, None, kind, id)?),
        [AGENT, agent, CRON, job, RUN, run] => {
            (agent, Place::CronRun { job: decode(job)?, run: decode(run)? })
        }
        [AGENT, agent, channel, account, kind, id] => {
            (agent, read_place(channel, Some(account), kind, id)?)
        }
        _ => return None,
    };
    Some(KeyParts::Agent { agent: decode(agent)?, place, thread })
}

fn read_place(channel: &str, account: Option<&str>, kind: &str, id: &str) -> Option<Place> {
    let channel = decode(channel)?;
    let account = match account {
        Some(account) => Some(decode(account)?),
        None => None,
    };
    let id = decode(id)?;
    match (kind, account) {
        (DIRECT, None) => Some(Place::ChannelPeer { channel, peer: id }),
        (DIRECT, Some(account)) => {
            Some(Place::AccountPeer { account: AccountKey { channel, account }, peer: id })
        }
        (GROUP, account) => Some(Place::Room { channel, account, kind: RoomKind::Group, id }),
        (CHANNEL, account) => Some(Place::Room { channel, account, kind: RoomKind::Channel, id }),
        _ => None,
    }
}

fn encode(part: &str, text: &mut String) {
    const HEX: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    for c in part.chars() {
        if matches!(c, ':' | '%') || c.is_whitespace() || c.is_control() {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                text.push('%');
                text.push(HEX[usize::from(byte >> 4)]);
                text.push(HEX[usize::from(byte & 15)]);
            }
        } else {
            text.push(c);
        }
    }
}

fn decode(word: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            bytes.push(hex(rest.next()?)? << 4 | hex(rest.next()?)?);
        } else {
            bytes.push(byte);
        }
    }
    let part = String::from_utf8(bytes).ok()?;
    let mut again = String::with_capacity(word.len());
    encode(&part, &mut again);
    // A second spelling of the same part would be a second session for the same conversation.
    (!part.is_empty() && again == word).then_some(part)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
