//! A message row as chat.db holds it, decoded but not judged (pure).

use crate::clock::Timestamp;

use super::typedstream::prompt_text;

/// Milliseconds between 1970 and 2001, where Apple's dates start.
const APPLE_EPOCH_MILLIS: i64 = 978_307_200_000;
/// From here on a stored date counts nanoseconds; before macOS 10.13 it counted seconds.
const NANOSECOND_DATES_MIN: u64 = 1_000_000_000_000;
const NANOS_PER_MILLI: i64 = 1_000_000;

/// `attachment.transfer_state` of a file that has fully arrived.
pub const TRANSFER_DONE: i64 = 5;
/// `chat.style` of a group.
pub const STYLE_GROUP: i64 = 43;
/// `balloon_bundle_id` of a link preview.
pub const URL_BALLOON: &str = "com.apple.messages.URLBalloonProvider";

/// One inbound or outbound message with everything needed to judge it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "chat.db keeps independent flags")]
pub struct Row {
    /// Grows with every insert; not ordered by date, and not the message's identity.
    pub rowid: i64,
    /// The message's identity: survives re-sync under a new row id.
    pub guid: String,
    /// The decoded text, attachment and app marks included.
    pub body: Option<String>,
    /// When it was written, as stored; see [`apple_time`].
    pub date: i64,
    /// When it was last edited or unsent, as stored; 0 for never.
    pub date_edited: i64,
    /// Whether we wrote it. Can turn true shortly after the row was born.
    pub is_from_me: bool,
    /// Whether Messages took it for junk.
    pub is_spam: bool,
    /// Whether it is a voice message.
    pub is_audio: bool,
    /// Not 0 for group events such as a rename.
    pub item_type: i64,
    /// 0 for ordinary messages, 1000 and above for reactions and votes.
    pub associated_type: i64,
    /// The message that a reaction or a preview refers to, with its part prefix.
    pub associated_guid: Option<String>,
    /// The app that draws the message.
    pub balloon: Option<String>,
    /// `iMessage`, `SMS`, `RCS`, ...
    pub service: Option<String>,
    /// The handle of who wrote it; for our own direct messages the other person.
    pub sender: Option<String>,
    /// Which of our own addresses it came to.
    pub destination_caller_id: Option<String>,
    /// The conversation, once the row is joined to one; the lowest when there are several.
    pub chat: Option<Chat>,
    /// Whether the row sits among the recently deleted ones.
    pub is_deleted: bool,
    /// Its files, in order.
    pub files: Vec<File>,
}

impl Row {
    /// The text as a prompt; empty when there is none.
    pub fn prompt(&self) -> String {
        self.body.as_deref().map(prompt_text).unwrap_or_default()
    }

    /// When it was written.
    pub fn written_at(&self) -> Option<Timestamp> {
        apple_time(self.date)
    }

    /// Whether it is a link preview.
    pub fn is_url_balloon(&self) -> bool {
        self.balloon.as_deref() == Some(URL_BALLOON)
    }

    /// Whether it is a tapback, a sticker put on a message, or the removal of one.
    pub fn is_reaction(&self) -> bool {
        // 2000 to 2007 are known kinds and 3000 to 3007 their removals. The rest of both ranges
        // is kept for kinds to come: a reaction must not read as a prompt.
        matches!(self.associated_type, 1000 | 2000..=3999)
    }

    /// The files a person put there: not the pictures that an app or a preview brings along.
    pub fn visible_files(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| !file.is_hidden)
    }
}

/// The conversation of a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chat {
    /// Its row id: stable within one database file only.
    pub rowid: i64,
    /// `service;-;handle` or `service;+;chat617...`; the service part may be `any`.
    pub guid: String,
    /// 43 for a group, 45 for a direct chat.
    pub style: i64,
    /// The other person's handle, or the group's `chat617...`.
    pub identifier: Option<String>,
    /// `iMessage`, `SMS`, `RCS`.
    pub service: Option<String>,
    /// Set for groups.
    pub room_name: Option<String>,
    /// Our own login, such as `E:me@example.com`.
    pub account_login: Option<String>,
    /// Our own address last used here.
    pub last_addressed_handle: Option<String>,
    /// The name people gave the group.
    pub display_name: Option<String>,
}

impl Chat {
    /// Whether several people are in it. In doubt it is a group: what one person may do in a
    /// direct chat is not granted to a group.
    pub fn is_group(&self) -> bool {
        self.style == STYLE_GROUP
            || self.guid.contains(";+;")
            || self.room_name.as_deref().is_some_and(|room| !room.trim().is_empty())
            || is_room_id(self.address())
    }

    /// What the conversation is called on the platform: the identifier, else the guid's tail.
    pub fn address(&self) -> &str {
        self.identifier
            .as_deref()
            .filter(|identifier| !identifier.trim().is_empty())
            .unwrap_or_else(|| guid_address(&self.guid))
    }
}

/// A file of a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    /// [`TRANSFER_DONE`] once it has arrived.
    pub transfer_state: i64,
    /// Media type, when the platform states one.
    pub media_type: Option<String>,
    /// Apple's type identifier, such as `public.heic`.
    pub uti: Option<String>,
    /// The name people see.
    pub name: Option<String>,
    /// Where it lies, often below `~`.
    pub path: Option<String>,
    /// Its size; 0 when unknown.
    pub bytes: u64,
    /// Whether it is a sticker.
    pub is_sticker: bool,
    /// Whether an app or a preview brought it along.
    pub is_hidden: bool,
}

impl File {
    /// Whether it has fully arrived.
    pub fn is_done(&self) -> bool {
        self.transfer_state == TRANSFER_DONE
    }
}

/// One of our own messages, as read back to learn what became of a send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "chat.db keeps independent flags")]
pub struct OutgoingRow {
    /// Its row id.
    pub rowid: i64,
    /// The platform's id of it.
    pub guid: String,
    /// Every conversation it is joined to.
    pub chats: Vec<ChatRef>,
    /// The handle it is addressed to, when the row names one.
    pub handle: Option<String>,
    /// The decoded text.
    pub text: Option<String>,
    /// `iMessage`, `SMS`, `RCS`, ...
    pub service: Option<String>,
    /// Whether it left.
    pub is_sent: bool,
    /// Whether it arrived; never true for SMS.
    pub is_delivered: bool,
    /// Not 0 when it failed; 22 means not reachable.
    pub error: i64,
    /// Not 0 for group events.
    pub item_type: i64,
    /// Not 0 for reactions and app parts.
    pub associated_type: i64,
    /// The app that draws it.
    pub balloon: Option<String>,
    /// Whether it carries files.
    pub has_files: bool,
    /// Whether it looks like what macOS 26 leaves behind when it loses a message: SMS, empty and
    /// in no conversation.
    pub is_ghost: bool,
}

impl OutgoingRow {
    /// Where it stands.
    pub fn send_state(&self) -> SendState {
        SendState::from_flags(self.error, self.is_sent, self.is_delivered)
    }
}

/// Names one conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChatRef {
    /// Its row id.
    pub rowid: i64,
    /// Its guid.
    pub guid: String,
    /// Its identifier.
    pub identifier: Option<String>,
}

/// Where a message of ours stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendState {
    /// Accepted, not out yet.
    Pending,
    /// Out.
    Sent,
    /// Arrived.
    Delivered,
    /// Refused, with Messages' error number.
    Failed {
        /// The number; 22 means not reachable.
        code: i64,
    },
}

impl SendState {
    /// Reads the state from a row's flags.
    pub fn from_flags(error: i64, is_sent: bool, is_delivered: bool) -> Self {
        match (error, is_delivered, is_sent) {
            (0, true, _) => Self::Delivered,
            (0, false, true) => Self::Sent,
            (0, false, false) => Self::Pending,
            (code, _, _) => Self::Failed { code },
        }
    }
}

/// A stored date as time. 0 stands for none.
pub fn apple_time(stored: i64) -> Option<Timestamp> {
    if stored == 0 {
        return None;
    }
    let millis = if stored.unsigned_abs() >= NANOSECOND_DATES_MIN {
        stored.div_euclid(NANOS_PER_MILLI)
    } else {
        stored.saturating_mul(1000)
    };
    Some(Timestamp(millis.saturating_add(APPLE_EPOCH_MILLIS)))
}

/// A time as a stored date in nanoseconds, for comparing with the `date` column.
pub fn apple_date(time: Timestamp) -> i64 {
    time.0.saturating_sub(APPLE_EPOCH_MILLIS).saturating_mul(NANOS_PER_MILLI)
}

/// A handle in the one form it is compared in: trimmed, addresses in lower case, `+` kept.
pub fn normalise_handle(handle: &str) -> String {
    let handle = handle.trim();
    if handle.contains('@') { handle.to_lowercase() } else { handle.to_owned() }
}

/// What a chat guid names once service and polarity are taken off: `any;-;+1555` and
/// `SMS;-;+1555` name the same.
pub fn guid_address(guid: &str) -> &str {
    guid.rsplit(';').next().unwrap_or(guid)
}

/// Whether an identifier has the form `chat617...` that only groups have.
pub fn is_room_id(identifier: &str) -> bool {
    identifier
        .strip_prefix("chat")
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
}
