//! Builds an archive: every name, string and number is written once and then referred to.

use super::{ATTACHMENT_MARKER, END, HEADER, LONG, NEW, NIL, Part, SHORT, shown_text};

/// The number that stands for the first entry of a table of things already written.
const FIRST_REFERENCE: i64 = -110;
/// The place of a run in the message: text and attachments are numbered together.
const PART_ATTRIBUTE: &str = "__kIMMessagePartAttributeName";
/// The attachment a marker stands for.
const FILE_ATTRIBUTE: &str = "__kIMFileTransferGUIDAttributeName";

/// A class name and its version.
type Class = (&'static str, i64);
const OBJECT: Class = ("NSObject", 0);

/// What occupies a number in the table of objects.
#[derive(PartialEq)]
enum Written {
    Class(&'static str),
    Text(String),
    Number(i64),
    TypeName,
    Unshared,
}

/// An archive in the making.
pub(super) struct Writer {
    bytes: Vec<u8>,
    strings: Vec<&'static str>,
    objects: Vec<Written>,
}

impl Writer {
    fn new() -> Self {
        Self { bytes: HEADER.to_vec(), strings: Vec::new(), objects: Vec::new() }
    }

    /// An empty body has no runs, and Messages does not make it mutable.
    pub(super) fn blank() -> Vec<u8> {
        let mut writer = Self::new();
        writer.shared("@");
        writer.begin(&[("NSAttributedString", 0), OBJECT]);
        writer.body("", false);
        writer.end();
        writer.bytes
    }

    /// A mutable attributed string with one run per part.
    pub(super) fn message(parts: &[Part<'_>]) -> Vec<u8> {
        let mut writer = Self::new();
        writer.shared("@");
        writer.begin(&[("NSMutableAttributedString", 0), ("NSAttributedString", 0), OBJECT]);
        writer.body(&shown_text(parts), true);
        for (number, part) in (0..).zip(parts) {
            writer.run(number, *part);
        }
        writer.end();
        writer.bytes
    }

    /// The shortest form that holds the value. Two bytes are unsigned from 32 768 on.
    fn integer(&mut self, value: i64) {
        let little_endian = value.to_le_bytes();
        match value {
            -110..=127 => self.bytes.push(little_endian[0]),
            -32_768..=65_535 => {
                self.bytes.push(SHORT);
                self.bytes.extend_from_slice(&little_endian[..2]);
            }
            _ => {
                self.bytes.push(LONG);
                self.bytes.extend_from_slice(&little_endian[..4]);
            }
        }
    }

    fn counted(&mut self, text: &str) {
        self.integer(length(text.len()));
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// A type or class name: written once, then referred to.
    fn shared(&mut self, name: &'static str) {
        if let Some(index) = self.strings.iter().position(|known| *known == name) {
            return self.reference(index);
        }
        self.strings.push(name);
        self.bytes.push(NEW);
        self.counted(name);
    }

    fn reference(&mut self, index: usize) {
        self.integer(FIRST_REFERENCE + length(index));
    }

    /// Refers to an object if it was written before; otherwise takes its number.
    fn known(&mut self, object: Written) -> bool {
        if let Some(index) = self.objects.iter().position(|known| *known == object) {
            self.reference(index);
            return true;
        }
        self.objects.push(object);
        false
    }

    fn begin(&mut self, classes: &[Class]) {
        self.objects.push(Written::Unshared);
        self.open(classes);
    }

    fn open(&mut self, classes: &[Class]) {
        self.bytes.push(NEW);
        for (name, version) in classes {
            if self.known(Written::Class(name)) {
                return;
            }
            self.bytes.push(NEW);
            self.shared(name);
            self.integer(*version);
        }
        self.bytes.push(NIL);
    }

    fn end(&mut self) {
        self.bytes.push(END);
    }

    /// The string all runs point into. It is never shared with an attribute of the same text.
    fn body(&mut self, text: &str, mutable: bool) {
        let classes = [("NSMutableString", 1), ("NSString", 1), OBJECT];
        self.shared("@");
        self.begin(if mutable { &classes } else { &classes[1..] });
        self.shared("+");
        self.counted(text);
        self.end();
    }

    fn string(&mut self, text: &str) {
        self.shared("@");
        if self.known(Written::Text(text.to_owned())) {
            return;
        }
        self.open(&[("NSString", 1), OBJECT]);
        self.shared("+");
        self.counted(text);
        self.end();
    }

    fn number(&mut self, value: i64) {
        self.shared("@");
        if self.known(Written::Number(value)) {
            return;
        }
        self.open(&[("NSNumber", 0), ("NSValue", 0), OBJECT]);
        self.shared("*");
        if !self.known(Written::TypeName) {
            self.bytes.push(NEW);
            self.shared("i");
        }
        self.shared("i");
        self.integer(value);
        self.end();
    }

    /// One run: number of its attribute set, length in UTF-16 units, and the set itself.
    fn run(&mut self, number: i64, part: Part<'_>) {
        let units = match part {
            Part::Text(text) => text.encode_utf16().count(),
            Part::Attachment(_) => ATTACHMENT_MARKER.len_utf16(),
        };
        self.shared("iI");
        self.integer(number + 1);
        self.integer(length(units));
        self.shared("@");
        self.begin(&[("NSDictionary", 0), OBJECT]);
        self.shared("i");
        match part {
            Part::Text(_) => self.integer(1),
            Part::Attachment(guid) => {
                self.integer(2);
                self.string(FILE_ATTRIBUTE);
                self.string(guid);
            }
        }
        self.string(PART_ATTRIBUTE);
        self.number(number);
        self.end();
    }
}

/// Lengths in memory always fit: no allocation exceeds `isize::MAX`.
fn length(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
