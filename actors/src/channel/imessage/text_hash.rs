//! Recognising a sent text among the rows Messages wrote (pure).
//!
//! The base row id recorded before the send, and one send at a time per chat, make the match
//! unambiguous. Time plays no part: clocks step, and people answer "ok" twice.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

use super::row::{
    ChatRef, OutgoingRow, SendState, URL_BALLOON, guid_address, is_room_id, normalise_handle,
};
use super::typedstream::ATTACHMENT_MARK;

/// SHA-256 of a text in canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TextHash(pub [u8; 32]);

impl TextHash {
    /// Hashes the [`canonical`] form of `text`.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(canonical(text).as_bytes()).into())
    }
}

/// A text in the form in which what we sent equals what Messages stored: without attachment
/// marks, line ends as LF, composed (NFC), trimmed.
pub fn canonical(text: &str) -> String {
    let without_marks = text.replace(ATTACHMENT_MARK, "");
    let lines = without_marks.replace("\r\n", "\n").replace('\r', "\n");
    let composed: String = lines.nfc().collect();
    composed.trim().to_owned()
}

/// What was recorded before a send to recognise it later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendEvidence {
    /// The highest row id before the send: what we sent is above it.
    pub base_rowid: i64,
    /// The guids of the conversation's chats. No row ids: those change when the database is
    /// replaced, and would then name somebody else.
    pub chat_guids: Vec<String>,
    /// The identifier of the conversation: a handle or `chat617...`.
    pub chat_identifier: Option<String>,
    /// The hash of what was sent.
    pub text: TextHash,
    /// The guid, when the sender was told one.
    pub guid: Option<String>,
}

/// What the rows say about a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// No row is ours.
    None,
    /// One row is ours and it left.
    One {
        /// Its guid.
        guid: String,
    },
    /// Several rows are ours: it left, and Messages doubled it.
    Many {
        /// Their guids, in row order.
        guids: Vec<String>,
    },
    /// Messages took it and lost it: nothing reached the chat.
    Ghost {
        /// The guid of what is left.
        guid: String,
    },
    /// Messages tried and failed.
    Failed {
        /// Its guid.
        guid: String,
        /// Messages' error number; 22 means not reachable.
        code: i64,
    },
    /// A row is ours, or may turn out to be, and has not left yet. It may stay so for ever:
    /// whoever waits sets the end.
    Pending {
        /// Its guid.
        guid: String,
    },
}

/// Looks for a send among our own rows, given in row order.
pub fn match_outgoing(evidence: &SendEvidence, rows: &[OutgoingRow]) -> Match {
    if let Some(guid) = &evidence.guid {
        let told: Vec<_> = rows.iter().filter(|row| row.guid == *guid).collect();
        return evidence.conclude(&told);
    }
    let above: Vec<_> = rows
        .iter()
        .filter(|row| row.rowid > evidence.base_rowid)
        .filter(|row| row.item_type == 0 && !is_reaction(row))
        .collect();
    let same = |row: &&&OutgoingRow| evidence.is_here(row) && evidence.is_text_of(row);
    let (balloons, texts): (Vec<_>, Vec<_>) =
        above.iter().filter(same).copied().partition(|row| is_preview(row));
    if !texts.is_empty() {
        return evidence.conclude(&texts);
    }
    // A link sent by itself can be the preview alone. Beside its text row it is only a shadow.
    if !balloons.is_empty() {
        return evidence.conclude(&balloons);
    }
    if let Some(row) = above.iter().find(|row| evidence.may_become_ours(row)) {
        return Match::Pending { guid: row.guid.clone() };
    }
    match above.iter().find(|row| evidence.is_ghost_here(row)) {
        Some(row) => Match::Ghost { guid: row.guid.clone() },
        None => Match::None,
    }
}

impl SendEvidence {
    /// What rows that are surely ours amount to.
    fn conclude(&self, rows: &[&OutgoingRow]) -> Match {
        let alive: Vec<_> =
            rows.iter().filter(|row| row.error == 0 && !self.is_ghost_here(row)).collect();
        let left = alive.iter().any(|row| row.send_state() != SendState::Pending);
        match (alive.as_slice(), rows) {
            ([], []) => Match::None,
            ([], [row, ..]) if row.error != 0 => {
                Match::Failed { guid: row.guid.clone(), code: row.error }
            }
            ([], [row, ..]) => Match::Ghost { guid: row.guid.clone() },
            ([row, ..], _) if !left => Match::Pending { guid: row.guid.clone() },
            ([row], _) => Match::One { guid: row.guid.clone() },
            (several, _) => {
                Match::Many { guids: several.iter().map(|row| row.guid.clone()).collect() }
            }
        }
    }

    fn is_text_of(&self, row: &OutgoingRow) -> bool {
        row.text.as_deref().is_some_and(|text| TextHash::of(text) == self.text)
    }

    fn is_here(&self, row: &OutgoingRow) -> bool {
        row.chats.iter().any(|chat| self.is_chat(chat))
    }

    /// Any alias counts: one conversation has a chat per service, and macOS 26 renames services
    /// to `any`.
    fn is_chat(&self, chat: &ChatRef) -> bool {
        self.is_address(guid_address(&chat.guid))
            || chat.identifier.as_deref().is_some_and(|identifier| self.is_address(identifier))
    }

    fn is_address(&self, address: &str) -> bool {
        let address = normalise_handle(address);
        let guids = self.chat_guids.iter().map(|guid| guid_address(guid));
        guids.chain(self.chat_identifier.as_deref()).any(|own| normalise_handle(own) == address)
    }

    /// The text or the chat may land in a later commit.
    fn may_become_ours(&self, row: &OutgoingRow) -> bool {
        if row.error != 0 || is_preview(row) || self.is_ghost_here(row) {
            return false;
        }
        let elsewhere =
            row.handle.as_deref().is_some_and(|handle| !self.is_address(guid_address(handle)));
        let unjoined = row.chats.is_empty() && !elsewhere;
        let empty = row.text.is_none() && !row.has_files;
        (self.is_here(row) && empty) || (unjoined && (empty || self.is_text_of(row)))
    }

    /// A ghost names the chat where a handle should be. A plain handle proves nothing: a young
    /// SMS row looks the same.
    fn is_ghost_here(&self, row: &OutgoingRow) -> bool {
        row.is_ghost
            && row.handle.as_deref().is_some_and(|handle| {
                let address = guid_address(handle);
                (address != handle || is_room_id(handle)) && self.is_address(address)
            })
    }
}

/// Reactions and stickers carry text too, in the language of the machine.
fn is_reaction(row: &OutgoingRow) -> bool {
    row.associated_type >= 1000
}

fn is_preview(row: &OutgoingRow) -> bool {
    row.balloon.as_deref() == Some(URL_BALLOON)
}
