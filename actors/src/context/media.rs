//! Which of a person's files a model is shown, and what stands where one is not. Pure: what is in
//! the files comes in.
//!
//! Only the files of the running turn are shown; of older ones the conversation keeps the words
//! about them.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::message::Attachment;
use crate::provider::{Media, Part, Role, TurnMessage};

/// Largest picture, in bytes: the strictest provider takes 5 MB in base64.
pub const IMAGE_BYTES_MAX: u64 = 3_750_000;
/// Largest document, in bytes.
pub const DOCUMENT_BYTES_MAX: u64 = 10_000_000;
/// Bytes of all files of a turn. Requests have limits of 20 MB and more, and base64 adds a third.
pub const TURN_BYTES_MAX: u64 = 15_000_000;
/// Files of a turn that are shown.
pub const FILES_MAX: usize = 10;

/// What a model can be shown besides text, as media types.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs(BTreeSet<&'static str>);

impl Inputs {
    /// Pictures as every provider takes them.
    #[must_use]
    pub fn images(mut self) -> Self {
        self.0.extend(["image/jpeg", "image/png", "image/gif", "image/webp"]);
        self
    }

    /// Pictures as phones make them; few providers take them.
    #[must_use]
    pub fn phone_images(mut self) -> Self {
        self.0.extend(["image/heic", "image/heif"]);
        self
    }

    /// Documents.
    #[must_use]
    pub fn documents(mut self) -> Self {
        self.0.insert("application/pdf");
        self
    }

    /// Whether it is shown files of this media type.
    pub fn has(&self, media_type: &str) -> bool {
        self.0.contains(media_type)
    }

    /// Whether it sees pictures.
    pub fn has_images(&self) -> bool {
        self.0.contains("image/png")
    }

    /// Whether it is text only.
    pub fn is_text_only(&self) -> bool {
        self.0.is_empty()
    }
}

/// A file as it was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// What its platform says of it.
    pub attachment: Attachment,
    /// What is in it, or why that is not known.
    pub bytes: Result<Arc<[u8]>, String>,
    /// Whether the text names it already: then a model that sees no files needs no more words.
    pub is_named: bool,
}

/// The most that is read of a file; nothing for what no model is shown.
pub fn bytes_max(attachment: &Attachment) -> u64 {
    bytes_max_of(&attachment.media_type.to_ascii_lowercase())
}

/// The same, by its media type in small letters.
pub fn bytes_max_of(media_type: &str) -> u64 {
    if media_type == "application/pdf" { DOCUMENT_BYTES_MAX } else { IMAGE_BYTES_MAX }
}

/// The files as parts of a message: those the model takes, and a line for each other one.
pub fn parts(files: &[Found], inputs: &Inputs) -> Vec<Part> {
    let (mut media, mut lines, mut total) = (Vec::new(), Vec::new(), 0_u64);
    for file in files {
        match shown(file, inputs, media.len(), total) {
            Ok(shown) => {
                total += u64::try_from(shown.bytes.len()).unwrap_or(u64::MAX);
                media.push(Part::Media(shown));
            }
            Err(why) if !(file.is_named && inputs.is_text_only()) => lines.push(line(file, &why)),
            Err(_) => {}
        }
    }
    let lines: String = lines.iter().map(|line| format!("\n[{line}]")).collect();
    media.extend((!lines.is_empty()).then_some(Part::Text(lines)));
    media
}

/// Puts the files into the person's message that the turn answers.
pub fn add_to(messages: &mut [TurnMessage], parts: Vec<Part>) {
    let is_prompt = |message: &&mut TurnMessage| {
        message.role == Role::User
            && !message.parts.iter().any(|part| matches!(part, Part::Result(_)))
    };
    if let Some(prompt) = messages.iter_mut().rev().find(is_prompt) {
        prompt.parts.extend(parts);
    }
}

fn shown(file: &Found, inputs: &Inputs, before: usize, total: u64) -> Result<Media, String> {
    if inputs.is_text_only() {
        return Err("this model sees text only".into());
    }
    let bytes = file.bytes.clone()?;
    // What is in a file counts, not what it is called.
    let media_type = media_type_of(&bytes).ok_or("its format is none that models see")?;
    if !inputs.0.contains(media_type) {
        return Err(format!("{media_type} is no format that this model sees"));
    }
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if before >= FILES_MAX || total.saturating_add(size) > TURN_BYTES_MAX {
        return Err("too many files in one message".into());
    }
    Ok(Media { media_type: media_type.into(), name: file.attachment.name.clone(), bytes })
}

fn line(file: &Found, why: &str) -> String {
    let Attachment { name, media_type, .. } = &file.attachment;
    let name = if name.is_empty() { "a file" } else { name };
    let kind = if media_type.is_empty() { String::new() } else { format!(" ({media_type})") };
    format!("{name}{kind} was sent along and is not shown: {why}")
}

/// The media type that the first bytes of a file tell.
pub fn media_type_of(bytes: &[u8]) -> Option<&'static str> {
    let brand = bytes.get(4..12).unwrap_or_default();
    match bytes {
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        [b'%', b'P', b'D', b'F', ..] => Some("application/pdf"),
        _ => match brand {
            b"ftypheic" | b"ftypheix" | b"ftyphevc" => Some("image/heic"),
            b"ftypmif1" | b"ftypmsf1" => Some("image/heif"),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(name: &str, bytes: Result<&[u8], &str>) -> Found {
        let attachment =
            Attachment { media_type: "image/png".into(), name: name.into(), path: None, bytes: 0 };
        Found { attachment, bytes: bytes.map(Arc::from).map_err(str::to_owned), is_named: false }
    }

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n rest";

    #[test]
    fn what_is_in_a_file_decides_and_what_is_not_shown_is_named() {
        let files = [
            file("a.png", Ok(PNG)),
            file("b.png", Ok(b"%PDF-1.7")),
            file("c.png", Ok(b"\0\0\0\x18ftypheic")),
            file("d.png", Ok(b"text")),
            file("e.png", Err("it is not there")),
        ];
        let parts = super::parts(&files, &Inputs::default().images());
        let [Part::Media(media), Part::Text(lines)] = parts.as_slice() else { panic!("{parts:?}") };
        assert_eq!((media.media_type.as_str(), media.name.as_str()), ("image/png", "a.png"));
        assert_eq!(
            lines,
            "\n[b.png (image/png) was sent along and is not shown: application/pdf is no format \
             that this model sees]\
             \n[c.png (image/png) was sent along and is not shown: image/heic is no format that \
             this model sees]\
             \n[d.png (image/png) was sent along and is not shown: its format is none that models \
             see]\
             \n[e.png (image/png) was sent along and is not shown: it is not there]"
        );
        let all = Inputs::default().images().documents().phone_images();
        let shown = |part: &&Part| matches!(part, Part::Media(_));
        assert_eq!(super::parts(&files, &all).iter().filter(shown).count(), 3);
    }

    #[test]
    fn a_model_of_text_needs_no_second_word_for_a_file_that_the_text_names() {
        let named = Found { is_named: true, ..file("a.png", Ok(PNG)) };
        assert_eq!(parts(std::slice::from_ref(&named), &Inputs::default()), []);
        assert_eq!(parts(&[named], &Inputs::default().images()).len(), 1);
        let unnamed = parts(&[file("", Ok(PNG))], &Inputs::default());
        let said =
            "\n[a file (image/png) was sent along and is not shown: this model sees text only]";
        assert_eq!(unnamed, [Part::Text(said.into())]);
    }

    #[test]
    fn files_go_into_the_message_that_the_turn_answers() {
        let call = Part::Result(crate::provider::ToolResult {
            call: "c".into(),
            name: "t".into(),
            text: "r".into(),
            status: crate::provider::ToolStatus::Done,
        });
        let mut messages = [
            TurnMessage::text(Role::User, "old"),
            TurnMessage::text(Role::Assistant, "answer"),
            TurnMessage::text(Role::User, "look"),
            TurnMessage::text(Role::Assistant, "one moment"),
            TurnMessage { role: Role::User, parts: vec![call] },
        ];
        add_to(&mut messages, vec![Part::Text("here".into())]);
        let lengths = messages.each_ref().map(|message| message.parts.len());
        assert_eq!(lengths, [1, 1, 2, 1, 1]);
    }

    proptest! {
        // L1: whatever is sent along, a request stays within bounds, and nothing is left unsaid.
        #[test]
        fn a_turn_shows_no_more_than_it_may(sizes in prop::collection::vec(1usize..4_000, 0..20)) {
            let files: Vec<Found> = sizes.iter().map(|size| {
                let mut bytes = PNG.to_vec();
                bytes.resize(PNG.len() + size * 1000, 0);
                file("a", Ok(&bytes))
            }).collect();
            let parts = super::parts(&files, &Inputs::default().images());
            let media: Vec<&Media> = parts.iter().filter_map(|part| match part {
                Part::Media(media) => Some(media),
                _ => None,
            }).collect();
            let total: usize = media.iter().map(|media| media.bytes.len()).sum();
            prop_assert!(media.len() <= FILES_MAX);
            prop_assert!(u64::try_from(total).unwrap() <= TURN_BYTES_MAX);
            let lines = parts.iter().filter_map(|part| match part {
                Part::Text(text) => Some(text.lines().filter(|line| !line.is_empty()).count()),
                _ => None,
            }).sum::<usize>();
            prop_assert_eq!(lines + media.len(), files.len());
        }
    }
}
