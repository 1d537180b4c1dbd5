//! A judged row as the rest of the system sees it (pure).

use crate::clock::Timestamp;
use crate::message::{AccountKey, Attachment, ChatKind, Destination, Inbound};

use super::row::{Chat, File, Row};

/// What a deliverable row says, and where and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The conversation.
    pub chat: Chat,
    /// Who wrote it, normalised.
    pub sender: String,
    /// The text, or one placeholder per file. Never empty.
    pub text: String,
    /// Its files.
    pub files: Vec<File>,
}

/// What a row says; `None` when it says nothing.
pub fn content(row: &Row, chat: &Chat, sender: String) -> Option<Content> {
    let files: Vec<File> = row.visible_files().cloned().collect();
    let mut text = row.prompt();
    if text.is_empty() {
        text =
            files.iter().map(|file| placeholder(file, row.is_audio)).collect::<Vec<_>>().join(" ");
    }
    (!text.is_empty()).then(|| Content { chat: chat.clone(), sender, text, files })
}

/// Turns a deliverable row into a message for admission. `home` replaces the `~` that Messages
/// stores in file paths; `first_seen` stands in for a date the row does not have.
pub fn inbound(
    account: &AccountKey,
    row: &Row,
    content: Content,
    home: Option<&str>,
    first_seen: Timestamp,
) -> Inbound {
    let Content { chat, sender, text, files } = content;
    let (kind, peer) = if chat.is_group() {
        (ChatKind::Group, chat.address().to_owned())
    } else {
        (ChatKind::Direct, sender.clone())
    };
    Inbound {
        account: account.clone(),
        dedupe_key: row.guid.clone(),
        chat: kind,
        peer,
        peer_aliases: aliases(&chat),
        thread: None,
        sender,
        reply_to: Destination {
            account: account.clone(),
            target: format!("chat_guid:{}", chat.guid),
            thread: None,
        },
        text,
        attachments: files.into_iter().map(|file| attachment(file, home)).collect(),
        sent_at: row.written_at().unwrap_or(first_seen),
    }
}

/// Other names of a conversation. The bare row id names groups only: as the name of a direct
/// chat it could equal somebody's short code.
fn aliases(chat: &Chat) -> Vec<String> {
    let mut aliases = vec![format!("chat_id:{}", chat.rowid)];
    if chat.is_group() {
        aliases.push(chat.rowid.to_string());
    }
    aliases.push(format!("chat_guid:{}", chat.guid));
    aliases.push(format!("chat_identifier:{}", chat.address()));
    aliases
}

fn attachment(file: File, home: Option<&str>) -> Attachment {
    let done = file.is_done();
    Attachment {
        media_type: file.media_type.unwrap_or_default(),
        name: file.name.unwrap_or_default(),
        path: file.path.filter(|_| done).map(|path| in_home(&path, home)),
        bytes: file.bytes,
    }
}

fn in_home(path: &str, home: Option<&str>) -> String {
    match (path.strip_prefix("~/"), home) {
        (Some(below), Some(home)) => format!("{}/{below}", home.trim_end_matches('/')),
        _ => path.to_owned(),
    }
}

fn placeholder(file: &File, is_audio: bool) -> &'static str {
    if file.is_sticker {
        return "<media:sticker>";
    }
    let media_type = file.media_type.as_deref().unwrap_or_default().to_ascii_lowercase();
    match media_type.split('/').next() {
        Some("image") => "<media:image>",
        Some("video") => "<media:video>",
        Some("audio") => "<media:audio>",
        Some("") | None => placeholder_by_uti(file.uti.as_deref().unwrap_or_default(), is_audio),
        Some(_) => "<media:document>",
    }
}

/// Apple's type identifiers name formats, not kinds; these are the ones that phones send.
fn placeholder_by_uti(uti: &str, is_audio: bool) -> &'static str {
    let uti = uti.to_ascii_lowercase();
    let is = |parts: &[&str]| parts.iter().any(|part| uti.contains(part));
    if is_audio || is(&["audio", "mp3"]) {
        "<media:audio>"
    } else if is(&["image", "heic", "heif", "jpeg", "png", "gif", "tiff", "webp"]) {
        "<media:image>"
    } else if is(&["movie", "video", "mpeg"]) {
        "<media:video>"
    } else {
        "<media:document>"
    }
}
