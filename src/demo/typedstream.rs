//! Writes and reads the archive in which Messages keeps the body of a message (`attributedBody`).
//!
//! The archive is a typed stream: integers of one, three or five bytes, strings and objects that
//! are written once and then referred to by number, and a closing tag per object.
//! Pure: bytes in, bytes out. The reader here shares no code with the service's own decoder, so
//! that it can serve as its oracle.

mod reader;
#[cfg(test)]
mod tests;
mod writer;

use reader::Reader;
use writer::Writer;

/// Signature, byte order and system version: the first bytes of every archive.
const HEADER: &[u8] = b"\x04\x0bstreamtyped\x81\xe8\x03";
/// The next two bytes are an integer.
const SHORT: u8 = 0x81;
/// The next four bytes are an integer.
const LONG: u8 = 0x82;
/// A string, class or object follows that was not written before.
const NEW: u8 = 0x84;
/// Nothing: the end of a class chain.
const NIL: u8 = 0x85;
/// The end of an object.
const END: u8 = 0x86;

/// The character Messages puts where an attachment stands.
pub const ATTACHMENT_MARKER: char = '\u{fffc}';

/// One piece of a message, in reading order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// Written text.
    Text(&'a str),
    /// A file, by its transfer GUID.
    Attachment(&'a str),
}

/// Why an archive has no readable text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end inside a value.
    #[error("read the archive: it ends inside a value at byte {0}")]
    Truncated(usize),
    /// The first bytes are not those of a typed stream.
    #[error("read the archive: it has no typed stream header")]
    Header,
    /// A tag stands where the structure does not allow it.
    #[error("read the archive: unexpected tag before byte {0}")]
    Tag(usize),
    /// The root is not an attributed string.
    #[error("read the archive: the root is not an attributed string")]
    Root,
    /// The text is not UTF-8.
    #[error("read the archive: the text is not utf-8")]
    Text,
}

/// The archive of a message that is text only.
pub fn encode_text(text: &str) -> Vec<u8> {
    if text.is_empty() {
        return Writer::blank();
    }
    encode_parts(&[Part::Text(text)])
}

/// The archive of a message made of several parts, with one marker per attachment.
pub fn encode_parts(parts: &[Part<'_>]) -> Vec<u8> {
    Writer::message(parts)
}

/// The text a reader of the message sees: the written text, and a marker per attachment.
pub fn shown_text(parts: &[Part<'_>]) -> String {
    parts.iter().fold(String::new(), |mut text, part| {
        match part {
            Part::Text(written) => text.push_str(written),
            Part::Attachment(_) => text.push(ATTACHMENT_MARKER),
        }
        text
    })
}

/// The text inside an archive. Walks the structure and stops at the first string.
pub fn decode_text(bytes: &[u8]) -> Result<String, DecodeError> {
    Reader::new(bytes)?.text()
}
