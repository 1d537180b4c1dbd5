//! Which link previews belong to a text that came just before (pure).
//!
//! Messages stores a text with a link as two rows: the text, and 0.8 to 2 s later a balloon whose
//! text is the link. A link sent by itself can be the balloon alone. So a balloon folds into a
//! recent text of the same chat, sender and direction, and stands for itself when there is none.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Timestamp;

use super::row::{Row, normalise_handle};

/// How long after a text its preview may come. 2 s is the longest seen on an idle machine.
pub const PREVIEW_WINDOW: Duration = Duration::from_secs(5);

/// How many texts are remembered, over all chats. A burst of 40 texts a second for the whole
/// window still fits.
pub const PREVIEW_TEXTS_MAX: usize = 256;

/// The text that a link preview belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent<'a> {
    /// Its guid.
    pub guid: &'a str,
    /// Whether its text contains the link, so that nothing is lost with the preview.
    pub has_link: bool,
}

/// The texts that a preview may still fold into. Ours are left out: a preview of ours is ignored
/// as our own row already.
#[derive(Debug, Clone, Default)]
pub struct Previews {
    texts: VecDeque<Recent>,
}

#[derive(Debug, Clone)]
struct Recent {
    guid: String,
    /// `None` until the row is joined to a chat.
    chat: Option<i64>,
    sender: Option<String>,
    written_at: Option<Timestamp>,
    text: String,
    /// The preview that folded into it.
    folded: Option<String>,
}

impl Previews {
    /// Remembers `row` when it is a text that a preview could follow. Call it for every row that
    /// is looked at, whatever its verdict, before later rows are judged: held, stale and already
    /// admitted texts have previews too.
    pub fn remember(&mut self, row: &Row) {
        if row.is_from_me || row.item_type != 0 || row.is_reaction() || row.balloon.is_some() {
            return;
        }
        let text = row.prompt();
        if text.is_empty() {
            return;
        }
        let mut remembered = Recent {
            guid: row.guid.clone(),
            chat: row.chat.as_ref().map(|chat| chat.rowid),
            sender: row.sender.as_deref().map(normalise_handle),
            written_at: row.written_at(),
            text,
            folded: None,
        };
        if let Some(known) = self.texts.iter_mut().find(|text| text.guid == row.guid) {
            remembered.folded = known.folded.take();
            *known = remembered;
            return;
        }
        if self.texts.len() == PREVIEW_TEXTS_MAX {
            self.texts.pop_front();
        }
        self.texts.push_back(remembered);
    }

    /// Remembers that `preview` folded into `parent`, so that a second link does not.
    pub fn folded(&mut self, parent: &str, preview: &str) {
        if let Some(text) = self.texts.iter_mut().find(|text| text.guid == parent) {
            text.folded.get_or_insert_with(|| preview.to_owned());
        }
    }

    /// The text that `row`, a link preview, belongs to. Best is the one it names, then one that
    /// contains its link, then the latest that has no preview yet: Messages may cut the link
    /// out of the text.
    pub fn parent_of(&self, row: &Row) -> Option<Parent<'_>> {
        let link = row.prompt();
        let target = row.associated_guid.as_deref().map(target_guid);
        let near = || self.texts.iter().rev().filter(|text| text.may_precede(row));
        near()
            .find(|text| Some(text.guid.as_str()) == target)
            .or_else(|| near().find(|text| text.folded.as_deref() == Some(row.guid.as_str())))
            .or_else(|| near().find(|text| !link.is_empty() && text.text.contains(&link)))
            .or_else(|| near().find(|text| text.folded.is_none()))
            .map(|text| Parent { guid: &text.guid, has_link: text.text.contains(&link) })
    }
}

impl Recent {
    fn may_precede(&self, row: &Row) -> bool {
        let sender = row.sender.as_deref().map(normalise_handle);
        let chat = row.chat.as_ref().map(|chat| chat.rowid);
        self.sender == sender
            && (self.chat.is_none() || self.chat == chat)
            && matches!(
                (self.written_at, row.written_at()),
                (Some(text), Some(preview)) if text <= preview
                    && preview.since(text) <= PREVIEW_WINDOW
            )
    }
}

/// The message a reaction or preview names: `p:0/GUID`, `bp:GUID` or the bare GUID.
fn target_guid(associated: &str) -> &str {
    let tail = associated.rsplit('/').next().unwrap_or(associated);
    tail.strip_prefix("bp:").unwrap_or(tail)
}
