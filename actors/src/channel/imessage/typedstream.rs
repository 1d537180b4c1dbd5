//! The text inside an `attributedBody`, read by walking the archive's structure (pure).
//!
//! The archive is Apple's typedstream, version 4, little endian:
//!
//! ```text
//! 04 0b "streamtyped" 81 e8 03      header
//! 84 01 '@'                         a value of type object
//! 84 <class chain>                  a new object: NSAttributedString and its parents
//! 84 01 '@' 84 <class chain>        its first member: NSString and its parents
//! 84 01 '+' <length> <bytes>        the text
//! ```
//!
//! Strings of the format (type codes, class names) and objects live in two separate tables;
//! a byte from `92` upwards refers back into the table that the position calls for.
//! Searching for marker bytes instead breaks on texts that contain them, and on lengths between
//! 32 and 126, which look like letters. So the walk stops at the first string and the marker
//! search is left for archives that are damaged.

/// Longest blob that is decoded, in bytes. The longest text Messages accepts is some 20 KiB;
/// attributes multiply that, but nothing real comes near this.
pub const BLOB_BYTES_MAX: usize = 1 << 20;

/// How deep an attributed string may nest before its text. Real archives have one level.
pub const DEPTH_MAX: usize = 8;

const HEADER: &[u8] = b"\x04\x0bstreamtyped";
const UTF16LE_BOM: &[u8] = b"\xff\xfe";
const NEW: u8 = 0x84;
const NIL: u8 = 0x85;
const END: u8 = 0x86;
const REFERENCE_MIN: u8 = 0x92;

/// Stands for one attachment inside a text, in order of the message's parts.
pub const ATTACHMENT_MARK: char = '\u{fffc}';
/// Stands for an app's part inside a text.
pub const APP_MARK: char = '\u{fffd}';

/// Why a blob holds no readable text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TypedStreamError {
    /// The blob is longer than [`BLOB_BYTES_MAX`].
    #[error("the archive has {bytes} bytes, more than {BLOB_BYTES_MAX}")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// The blob does not start like an archive.
    #[error("the blob is not a little-endian typedstream of version 4")]
    NotTypedStream,
    /// The archive is whole but holds something else than an attributed string.
    #[error("the archive's root is not an attributed string")]
    NotAttributedString,
    /// Attributed strings nest deeper than [`DEPTH_MAX`].
    #[error("the archive nests deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// The archive ends too early, or states a length beyond its end.
    #[error("the archive ends before offset {needed}")]
    Truncated {
        /// The offset that was needed.
        needed: usize,
    },
    /// A byte that cannot stand where it stands.
    #[error("the archive has unexpected byte {byte:#04x} before offset {offset}")]
    UnexpectedByte {
        /// The byte.
        byte: u8,
        /// The offset behind it.
        offset: usize,
    },
    /// A reference to a string or class that was not met before.
    #[error("the archive refers to unknown entry {index} before offset {offset}")]
    BadReference {
        /// The index in its table.
        index: usize,
        /// The offset behind it.
        offset: usize,
    },
    /// The text is neither UTF-8 nor marked UTF-16.
    #[error("the archive's text is not valid Unicode")]
    NotUnicode,
}

/// Reads the text of an `attributedBody`. Attachment and app marks are kept.
pub fn decode(blob: &[u8]) -> Result<String, TypedStreamError> {
    if blob.len() > BLOB_BYTES_MAX {
        return Err(TypedStreamError::TooLarge { bytes: blob.len() });
    }
    // Some macOS 26 hosts hand out the bare text as UTF-16 instead of an archive.
    if blob.starts_with(UTF16LE_BOM) {
        return unicode(blob);
    }
    if !blob.starts_with(HEADER) {
        return Err(TypedStreamError::NotTypedStream);
    }
    let mut walk = Walk::new(blob);
    walk.take(HEADER.len())?;
    walk.integer()?; // The system version, 1000 since ever.
    for _ in 0..DEPTH_MAX {
        let class = walk.new_object()?;
        if matches!(class, b"NSString" | b"NSMutableString") {
            return walk.string_payload();
        }
        if !matches!(class, b"NSAttributedString" | b"NSMutableAttributedString") {
            return Err(TypedStreamError::NotAttributedString);
        }
    }
    Err(TypedStreamError::TooDeep)
}

/// The text of a message row: the blob's, else the `text` column's, else what the marker search
/// finds in a damaged blob. `None` when there is no text at all.
///
/// The blob comes first because the `text` column is the redundant copy and often missing.
pub fn attributed_text(text: Option<&str>, blob: Option<&[u8]>) -> Option<String> {
    let blob = blob.filter(|blob| !blob.is_empty());
    let decoded = blob.map(decode);
    if let Some(Ok(body)) = &decoded
        && !body.is_empty()
    {
        return Some(body.clone());
    }
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        return Some(text.to_owned());
    }
    match (blob, decoded) {
        (Some(blob), Some(Err(error))) if error.is_damage() => scan(blob),
        _ => None,
    }
}

/// The text as a prompt: without attachment and app marks, trimmed.
pub fn prompt_text(text: &str) -> String {
    let kept: String = text.chars().filter(|c| !matches!(*c, ATTACHMENT_MARK | APP_MARK)).collect();
    kept.trim().to_owned()
}

impl TypedStreamError {
    /// Whether the blob is an attributed string that broke, so that a search may still find the
    /// text. A blob of another kind holds strings that nobody wrote as a message.
    fn is_damage(self) -> bool {
        match self {
            Self::TooLarge { .. } | Self::NotTypedStream | Self::NotAttributedString => false,
            Self::TooDeep
            | Self::Truncated { .. }
            | Self::UnexpectedByte { .. }
            | Self::BadReference { .. }
            | Self::NotUnicode => true,
        }
    }
}

/// Last resort for a damaged archive: the bytes behind the first `01 '+'`, as long as stated when
/// that fits, else up to the end mark `86 84` or the end.
fn scan(blob: &[u8]) -> Option<String> {
    let marker = blob.windows(2).position(|pair| pair == b"\x01+")?;
    let body = blob.get(marker + 2..)?;
    let (skipped, length) = match *body {
        [0x81, low, high, ..] => (3, usize::from(u16::from_le_bytes([low, high]))),
        [0x82, a, b, c, d, ..] => (5, to_usize(u32::from_le_bytes([a, b, c, d]))),
        [length, ..] => (1, usize::from(length)),
        [] => return None,
    };
    let rest = body.get(skipped..)?;
    let stated = rest.get(..length).filter(|_| rest.get(length) == Some(&END));
    let found = stated.unwrap_or_else(|| {
        let end = rest.windows(2).position(|pair| pair == [END, NEW]).unwrap_or(rest.len());
        &rest[..end]
    });
    Some(String::from_utf8_lossy(found).into_owned()).filter(|text| !text.is_empty())
}

fn unicode(bytes: &[u8]) -> Result<String, TypedStreamError> {
    let Some(utf16) = bytes.strip_prefix(UTF16LE_BOM) else {
        let text = std::str::from_utf8(bytes).map_err(|_| TypedStreamError::NotUnicode)?;
        return Ok(text.to_owned());
    };
    let (units, odd) = utf16.as_chunks::<2>();
    if !odd.is_empty() {
        return Err(TypedStreamError::NotUnicode);
    }
    char::decode_utf16(units.iter().map(|unit| u16::from_le_bytes(*unit)))
        .collect::<Result<String, _>>()
        .map_err(|_| TypedStreamError::NotUnicode)
}

fn to_usize(value: u32) -> usize {
    // A value that does not fit lies beyond any blob, and so does this.
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// A position in the archive and the two tables that references point into.
struct Walk<'a> {
    blob: &'a [u8],
    offset: usize,
    strings: Vec<&'a [u8]>,
    /// Class names; `None` for an object that is no class.
    objects: Vec<Option<&'a [u8]>>,
}

impl<'a> Walk<'a> {
    fn new(blob: &'a [u8]) -> Self {
        Self { blob, offset: 0, strings: Vec::new(), objects: Vec::new() }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], TypedStreamError> {
        let needed = self.offset.saturating_add(length);
        let taken =
            self.blob.get(self.offset..needed).ok_or(TypedStreamError::Truncated { needed })?;
        self.offset = needed;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, TypedStreamError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], TypedStreamError> {
        let needed = self.offset.saturating_add(N);
        self.take(N)?.try_into().map_err(|_| TypedStreamError::Truncated { needed })
    }

    fn unexpected<T>(&self, byte: u8) -> Result<T, TypedStreamError> {
        Err(TypedStreamError::UnexpectedByte { byte, offset: self.offset })
    }

    /// An integer taken as unsigned: lengths are, and versions are never looked at.
    fn integer(&mut self) -> Result<usize, TypedStreamError> {
        match self.byte()? {
            0x81 => Ok(usize::from(u16::from_le_bytes(self.array()?))),
            0x82 => Ok(to_usize(u32::from_le_bytes(self.array()?))),
            byte @ 0x83..REFERENCE_MIN => self.unexpected(byte),
            byte => Ok(usize::from(byte)),
        }
    }

    fn reference<T: Copy>(&self, table: &[T], byte: u8) -> Result<T, TypedStreamError> {
        let Some(index) = byte.checked_sub(REFERENCE_MIN).map(usize::from) else {
            return self.unexpected(byte);
        };
        let missing = TypedStreamError::BadReference { index, offset: self.offset };
        table.get(index).copied().ok_or(missing)
    }

    fn shared_string(&mut self) -> Result<&'a [u8], TypedStreamError> {
        match self.byte()? {
            NEW => {
                let length = self.integer()?;
                let string = self.take(length)?;
                self.strings.push(string);
                Ok(string)
            }
            byte => self.reference(&self.strings, byte),
        }
    }

    /// Enters a new object and names its class.
    fn new_object(&mut self) -> Result<&'a [u8], TypedStreamError> {
        if self.shared_string()? != b"@" {
            return Err(TypedStreamError::NotAttributedString);
        }
        match self.byte()? {
            NEW => self.objects.push(None),
            byte => return self.unexpected(byte),
        }
        self.class_chain()
    }

    /// Reads a class and its parents; each new one takes a place in the object table.
    fn class_chain(&mut self) -> Result<&'a [u8], TypedStreamError> {
        let mut first = None;
        loop {
            let class = match self.byte()? {
                NIL => break,
                NEW => {
                    let name = self.shared_string()?;
                    self.integer()?; // The class version.
                    self.objects.push(Some(name));
                    name
                }
                byte => {
                    let known = self.reference(&self.objects, byte)?;
                    let index = usize::from(byte - REFERENCE_MIN);
                    let offset = self.offset;
                    let name = known.ok_or(TypedStreamError::BadReference { index, offset })?;
                    // A known class brings its parents along: nothing follows.
                    return Ok(first.unwrap_or(name));
                }
            };
            first.get_or_insert(class);
        }
        first.ok_or(TypedStreamError::NotAttributedString)
    }

    fn string_payload(&mut self) -> Result<String, TypedStreamError> {
        let kind = self.shared_string()?;
        if kind != b"+" {
            return Err(TypedStreamError::NotAttributedString);
        }
        let length = self.integer()?;
        unicode(self.take(length)?)
    }
}
