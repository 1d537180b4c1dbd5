//! A small writer of archives, independent of the reader under test.

const NEW: u8 = 0x84;
const NIL: u8 = 0x85;
const END: u8 = 0x86;
const REFERENCE_MIN: usize = 0x92;

/// How the archive of one text is built.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Whether text and attributes are of the mutable classes.
    pub(crate) mutable: bool,
    /// How many attributed strings wrap the text.
    pub(crate) depth: usize,
    /// Whether the runs of attributes follow.
    pub(crate) runs: bool,
}

pub(crate) const PLAIN: Shape = Shape { mutable: true, depth: 1, runs: true };

/// An archive of `text`, as Messages would store it.
pub(crate) fn encode(text: &str, shape: Shape) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.out.extend(b"\x04\x0bstreamtyped\x81\xe8\x03");
    for _ in 0..shape.depth {
        let mutable =
            [("NSMutableAttributedString", 0), ("NSAttributedString", 0), ("NSObject", 0)];
        writer.object(if shape.mutable { &mutable } else { &mutable[1..] });
    }
    let mutable = [("NSMutableString", 1), ("NSString", 1), ("NSObject", 0)];
    writer.object(if shape.mutable { &mutable } else { &mutable[1..] });
    writer.shared("+");
    writer.bytes(text.as_bytes());
    writer.out.push(END);
    if shape.runs {
        writer.shared("iI");
        writer.integer(1);
        writer.integer(text.encode_utf16().count());
        writer.object(&[("NSDictionary", 0), ("NSObject", 0)]);
        writer.shared("i");
        writer.integer(0);
        writer.out.push(END);
    }
    writer.out.extend(std::iter::repeat_n(END, shape.depth));
    writer.out
}

#[derive(Default)]
struct Writer {
    out: Vec<u8>,
    strings: Vec<String>,
    /// Class names; empty for an object.
    objects: Vec<String>,
}

impl Writer {
    fn integer(&mut self, value: usize) {
        if value < 0x80 {
            self.out.push(u8::try_from(value).unwrap());
        } else if let Ok(short) = u16::try_from(value) {
            self.out.push(0x81);
            self.out.extend(short.to_le_bytes());
        } else {
            self.out.push(0x82);
            self.out.extend(u32::try_from(value).unwrap().to_le_bytes());
        }
    }

    fn reference(&mut self, index: usize) {
        self.out.push(u8::try_from(REFERENCE_MIN + index).unwrap());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.integer(bytes.len());
        self.out.extend(bytes);
    }

    fn shared(&mut self, string: &str) {
        if let Some(index) = self.strings.iter().position(|known| known == string) {
            return self.reference(index);
        }
        self.strings.push(string.to_owned());
        self.out.push(NEW);
        self.bytes(string.as_bytes());
    }

    fn object(&mut self, classes: &[(&str, usize)]) {
        self.shared("@");
        self.out.push(NEW);
        self.objects.push(String::new());
        for (class, version) in classes {
            if let Some(index) = self.objects.iter().position(|known| known == class) {
                return self.reference(index);
            }
            self.objects.push((*class).to_owned());
            self.out.push(NEW);
            self.shared(class);
            self.integer(*version);
        }
        self.out.push(NIL);
    }
}
