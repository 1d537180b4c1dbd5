//! Walks an archive to its text, tag by tag, and never looks for patterns in it.

use super::{DecodeError, HEADER, LONG, NEW, NIL, SHORT};

/// Deepest nesting of attributed strings the reader follows; Messages writes one.
const NESTING_MAX: usize = 8;
/// The tag that stands for the first entry of a table of things already read.
const FIRST_REFERENCE: usize = 0x92;

/// An archive and how far it has been read.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    strings: Vec<&'a [u8]>,
    /// Class names; an object holds its number with an empty name.
    objects: Vec<&'a [u8]>,
}

impl<'a> Reader<'a> {
    /// Starts behind the header.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if !bytes.starts_with(HEADER) {
            return Err(DecodeError::Header);
        }
        Ok(Self { bytes, at: HEADER.len(), strings: Vec::new(), objects: Vec::new() })
    }

    /// Goes down from the root to the first string.
    pub(super) fn text(mut self) -> Result<String, DecodeError> {
        for _ in 0..NESTING_MAX {
            let class = self.object()?;
            if class == b"NSString" || class == b"NSMutableString" {
                return self.payload();
            }
            if !class.ends_with(b"AttributedString") {
                return Err(DecodeError::Root);
            }
        }
        Err(DecodeError::Root)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.at.checked_add(count).ok_or(DecodeError::Truncated(self.at))?;
        let taken = self.bytes.get(self.at..end).ok_or(DecodeError::Truncated(self.at))?;
        self.at = end;
        Ok(taken)
    }

    fn tag(&mut self) -> Result<u8, DecodeError> {
        self.take(1).map(|bytes| bytes[0])
    }

    /// An unsigned integer whose first byte is `tag`.
    fn unsigned(&mut self, tag: u8) -> Result<usize, DecodeError> {
        let width = match tag {
            0..=0x7f => return Ok(usize::from(tag)),
            SHORT => 2,
            LONG => 4,
            _ => return Err(DecodeError::Tag(self.at)),
        };
        let digits = self.take(width)?.iter().rev();
        Ok(digits.fold(0, |value, digit| (value << 8) | usize::from(*digit)))
    }

    fn counted(&mut self) -> Result<&'a [u8], DecodeError> {
        let tag = self.tag()?;
        let count = self.unsigned(tag)?;
        self.take(count)
    }

    fn shared(&mut self) -> Result<&'a [u8], DecodeError> {
        let tag = self.tag()?;
        if tag != NEW {
            let index =
                usize::from(tag).checked_sub(FIRST_REFERENCE).ok_or(DecodeError::Tag(self.at))?;
            return self.strings.get(index).copied().ok_or(DecodeError::Tag(self.at));
        }
        let name = self.counted()?;
        self.strings.push(name);
        Ok(name)
    }

    /// A typed object up to its contents; the answer is the name of its own class.
    fn object(&mut self) -> Result<&'a [u8], DecodeError> {
        if self.shared()? != b"@" || self.tag()? != NEW {
            return Err(DecodeError::Tag(self.at));
        }
        self.objects.push(b"");
        let mut own_class = None;
        loop {
            match self.tag()? {
                NEW => {
                    let name = self.shared()?;
                    let version = self.tag()?;
                    self.unsigned(version)?;
                    self.objects.push(name);
                    own_class.get_or_insert(name);
                }
                NIL => return own_class.ok_or(DecodeError::Tag(self.at)),
                tag => {
                    let index = usize::from(tag).checked_sub(FIRST_REFERENCE);
                    let known = index.and_then(|index| self.objects.get(index).copied());
                    return own_class.or(known).ok_or(DecodeError::Tag(self.at));
                }
            }
        }
    }

    fn payload(&mut self) -> Result<String, DecodeError> {
        if self.shared()? != b"+" {
            return Err(DecodeError::Tag(self.at));
        }
        String::from_utf8(self.counted()?.to_vec()).map_err(|_| DecodeError::Text)
    }
}
