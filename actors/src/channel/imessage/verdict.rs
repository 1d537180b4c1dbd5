//! What becomes of a message row: delivered, held for a moment, or ignored with a reason (pure).
//!
//! Messages commits one message in several steps: the row, its chat, its text, its files and even
//! its direction may land in later commits. A row that is not ready is held by itself; rows
//! behind it go on. A hold always ends: the row settles, or it is given up visibly.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::clock::Timestamp;

use super::inbound::{Content, content};
use super::previews::Previews;
use super::row::{Chat, Row, normalise_handle};
use super::typedstream::ATTACHMENT_MARK;

/// The associated type of a vote in a poll.
const POLL_VOTE: i64 = 4000;
/// Part of the balloon id of polls.
const POLLS: &str = "com.apple.messages.Polls";

/// How long rows are waited for, and how old they may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchLimits {
    /// Age a row must reach before it is delivered. Our own rows can be born as somebody else's
    /// and flip within some 150 ms; the rest is for slow disks.
    pub settle: Duration,
    /// Longest wait for a chat, a text or a sender. Late ones arrive within 2 s; the rest is for
    /// machines that just woke up.
    pub hold_max: Duration,
    /// Longest wait for files, after which the message goes on with what is there. A person is
    /// waiting for the answer, and a large video can take minutes.
    pub attachment_hold_max: Duration,
    /// Oldest message that runs as a prompt when it appears while we watch. Apple flushes
    /// backlogs hours late, all at once, and nobody expects answers to those any more.
    pub live_age_max: Duration,
    /// Oldest message that runs as a prompt when it came while we were away. Being away is our
    /// fault, so this is more patient.
    pub replay_age_max: Duration,
}

impl Default for WatchLimits {
    fn default() -> Self {
        Self {
            settle: Duration::from_millis(500),
            hold_max: Duration::from_secs(30),
            attachment_hold_max: Duration::from_secs(10),
            live_age_max: Duration::from_mins(15),
            replay_age_max: Duration::from_hours(2),
        }
    }
}

/// Everything besides the row that its verdict depends on.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Our own addresses, normalised.
    pub own: &'a BTreeSet<String>,
    /// Texts that link previews may fold into.
    pub previews: &'a Previews,
    /// When this row was first seen, which is when it appeared.
    pub first_seen: Timestamp,
    /// Whether a row with this guid was admitted before.
    pub admitted: bool,
    /// Rows up to this id came while nobody watched. Whoever watches moves it, together with
    /// [`watching_since`](Self::watching_since), at the start and after every stall or sleep, so
    /// that our own lateness is not taken for Apple's.
    pub boundary_rowid: i64,
    /// When watching started or went on.
    pub watching_since: Timestamp,
    /// How far the wall clock, which dates the rows, is behind the clock of the times above.
    pub behind: Duration,
    /// The limits.
    pub limits: &'a WatchLimits,
}

/// What to do with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is a message for us.
    Deliver(Box<Content>),
    /// It is not ready. Look again when the row changes, and at the latest at `until`.
    Hold {
        /// What is missing.
        reason: HoldReason,
        /// When the verdict changes even if the row does not.
        until: Timestamp,
    },
    /// It is not for us.
    Ignore(IgnoreReason),
}

/// What a held row waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HoldReason {
    /// It is too young to be trusted.
    Settling,
    /// It belongs to no chat yet.
    NoChat,
    /// It has no text, file or balloon yet.
    EmptyBody,
    /// It is in a group and does not say who wrote it.
    NoSender,
    /// Its files are still on their way.
    Attachments,
}

impl HoldReason {
    /// Its stable name for logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Settling => "settling",
            Self::NoChat => "no_chat",
            Self::EmptyBody => "empty_body",
            Self::NoSender => "no_sender",
            Self::Attachments => "attachments",
        }
    }
}

/// Why a row is not delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IgnoreReason {
    /// We wrote it.
    Own,
    /// We wrote it and macOS lost it: an empty SMS row without a chat.
    Ghost,
    /// A row with its guid was admitted before.
    Duplicate,
    /// A group event, such as a rename.
    Event,
    /// A tapback or a sticker put on a message.
    Reaction,
    /// Messages took it for junk.
    Spam,
    /// A note to ourselves, which appears twice.
    SelfChat,
    /// A link preview of a text that stands for itself.
    PreviewFolded {
        /// The guid of the text.
        parent: String,
        /// The link, when the text does not contain it: worth a line in the log.
        lost_link: Option<String>,
    },
    /// It is too old to be answered.
    Stale {
        /// Its age when it appeared.
        age: Duration,
    },
    /// Its writer took it back.
    Unsent,
    /// It was deleted on this machine before it was delivered.
    Deleted,
    /// An app's message without text, or a poll.
    App,
    /// It was held for the longest time and never became whole. To be shown to a person.
    Unresolved(HoldReason),
}

impl IgnoreReason {
    /// Its stable name for logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Ghost => "ghost",
            Self::Duplicate => "duplicate",
            Self::Event => "event",
            Self::Reaction => "reaction",
            Self::Spam => "spam",
            Self::SelfChat => "self_chat",
            Self::PreviewFolded { .. } => "preview_folded",
            Self::Stale { .. } => "stale",
            Self::Unsent => "unsent",
            Self::Deleted => "deleted",
            Self::App => "app",
            Self::Unresolved(_) => "unresolved",
        }
    }
}

/// Judges one row, freshly read, at `now`.
pub fn judge(row: &Row, facts: &Facts<'_>, now: Timestamp) -> Verdict {
    match refusal(row, facts) {
        Some(reason) => Verdict::Ignore(reason),
        None => readiness(row, facts, now),
    }
}

/// Reasons that hold however complete the row is.
fn refusal(row: &Row, facts: &Facts<'_>) -> Option<IgnoreReason> {
    if facts.admitted {
        return Some(IgnoreReason::Duplicate);
    }
    if row.is_from_me {
        return Some(if is_ghost(row) { IgnoreReason::Ghost } else { IgnoreReason::Own });
    }
    if row.item_type != 0 {
        return Some(IgnoreReason::Event);
    }
    if row.is_reaction() {
        return Some(IgnoreReason::Reaction);
    }
    if row.associated_type == POLL_VOTE || is_poll(row) {
        return Some(IgnoreReason::App);
    }
    if row.is_spam {
        return Some(IgnoreReason::Spam);
    }
    if row.date_edited != 0 && row.body.is_none() {
        return Some(IgnoreReason::Unsent);
    }
    if row.chat.is_none() && row.is_deleted {
        return Some(IgnoreReason::Deleted);
    }
    stale(row, facts)
}

/// Whether the row is complete, and what it says.
fn readiness(row: &Row, facts: &Facts<'_>, now: Timestamp) -> Verdict {
    let wait = Wait { facts, now };
    let Some(chat) = &row.chat else {
        return wait.or_give_up(HoldReason::NoChat);
    };
    if is_self_chat(chat, row, facts.own) {
        return Verdict::Ignore(IgnoreReason::SelfChat);
    }
    if row.is_url_balloon()
        && let Some(parent) = facts.previews.parent_of(row)
    {
        let lost_link = (!parent.has_link).then(|| row.prompt());
        let parent = parent.guid.to_owned();
        return Verdict::Ignore(IgnoreReason::PreviewFolded { parent, lost_link });
    }
    if let Some(until) = wait.pending(facts.limits.settle) {
        return Verdict::Hold { reason: HoldReason::Settling, until };
    }
    if files_are_pending(row)
        && let Some(until) = wait.pending(facts.limits.attachment_hold_max)
    {
        return Verdict::Hold { reason: HoldReason::Attachments, until };
    }
    let Some(sender) = sender(row, chat) else {
        return wait.or_give_up(HoldReason::NoSender);
    };
    match content(row, chat, sender) {
        Some(content) => Verdict::Deliver(Box::new(content)),
        None if row.balloon.is_some() && !row.is_url_balloon() => {
            Verdict::Ignore(IgnoreReason::App)
        }
        None => wait.or_give_up(HoldReason::EmptyBody),
    }
}

struct Wait<'a> {
    facts: &'a Facts<'a>,
    now: Timestamp,
}

impl Wait<'_> {
    /// The end of a wait of `length` that began when the row appeared, if it lies ahead.
    fn pending(&self, length: Duration) -> Option<Timestamp> {
        let until = self.facts.first_seen.plus(length);
        (self.now < until).then_some(until)
    }

    fn or_give_up(&self, reason: HoldReason) -> Verdict {
        match self.pending(self.facts.limits.hold_max) {
            Some(until) => Verdict::Hold { reason, until },
            None => Verdict::Ignore(IgnoreReason::Unresolved(reason)),
        }
    }
}

/// Too old to be answered. Age is measured to when the row appeared, not to when it is read: a
/// message that we read late is not stale. A row without a date is taken as fresh.
fn stale(row: &Row, facts: &Facts<'_>) -> Option<IgnoreReason> {
    let written_at = row.written_at()?;
    let (reference, age_max) = if row.rowid > facts.boundary_rowid {
        (facts.first_seen, facts.limits.live_age_max)
    } else {
        (facts.watching_since, facts.limits.replay_age_max)
    };
    let age = reference.minus(facts.behind).since(written_at);
    (age > age_max).then_some(IgnoreReason::Stale { age })
}

/// Our own address is the other side. Not "sender equals identifier": that holds in every direct
/// chat.
fn is_self_chat(chat: &Chat, row: &Row, own: &BTreeSet<String>) -> bool {
    let other = normalise_handle(chat.address());
    let called = row.destination_caller_id.as_deref().map(normalise_handle);
    !chat.is_group() && (own.contains(&other) || called.is_some_and(|called| called == other))
}

fn is_ghost(row: &Row) -> bool {
    row.chat.is_none()
        && row.body.is_none()
        && row.files.is_empty()
        && row.service.as_deref() == Some("SMS")
}

fn is_poll(row: &Row) -> bool {
    row.balloon.as_deref().is_some_and(|balloon| balloon.contains(POLLS))
}

/// The text has one mark per file, so it tells of files that are not even listed yet.
fn files_are_pending(row: &Row) -> bool {
    let marks = row.body.iter().flat_map(|body| body.matches(ATTACHMENT_MARK)).count();
    marks > row.files.len() || row.visible_files().any(|file| !file.is_done())
}

/// Who wrote it. A direct chat has one other person; a group does not tell by itself.
fn sender(row: &Row, chat: &Chat) -> Option<String> {
    let handle = row.sender.as_deref().map(normalise_handle).filter(|handle| !handle.is_empty());
    handle.or_else(|| (!chat.is_group()).then(|| normalise_handle(chat.address())))
}
