//! The text of an archive is read exactly, and no bytes can break the reader.

use proptest::prelude::*;
use telson_actors::channel::imessage::typedstream::{
    BLOB_BYTES_MAX, DEPTH_MAX, TypedStreamError, attributed_text, decode, prompt_text,
};

use crate::encoder::{PLAIN, Shape, encode};

/// Written by hand from the format's rules: an immutable string, one letter short of interesting.
const GOLDEN: &[u8] = b"\x04\x0bstreamtyped\x81\xe8\x03\x84\x01@\x84\x84\x84\x12NSAttributedString\x00\
\x84\x84\x08NSObject\x00\x85\x92\x84\x84\x84\x08NSString\x01\x94\x84\x01+\x05Hello\x86\x84\x02iI\x01\x05\
\x92\x84\x84\x84\x0cNSDictionary\x00\x94\x84\x01i\x00\x86\x86";

fn golden_with(payload: &[u8]) -> Vec<u8> {
    let at = GOLDEN.windows(6).position(|bytes| bytes == b"\x05Hello").unwrap();
    [&GOLDEN[..at], payload, &GOLDEN[at + 6..]].concat()
}

#[test]
fn reads_an_archive_written_by_hand() {
    assert_eq!(decode(GOLDEN).unwrap(), "Hello");
    assert_eq!(decode(&golden_with(b"\x81\x05\x00Hello")).unwrap(), "Hello");
    assert_eq!(decode(&golden_with(b"\x82\x05\x00\x00\x00Hello")).unwrap(), "Hello");
    assert_eq!(decode(&golden_with(b"\x00")).unwrap(), "");
}

#[test]
fn the_encoder_of_these_tests_writes_the_same_bytes() {
    let shape = Shape { mutable: false, depth: 1, runs: true };
    assert_eq!(encode("Hello", shape), GOLDEN);
}

#[test]
fn marker_bytes_inside_a_text_are_text() {
    let tricky = "a\u{1}+b \u{1}@ iI NSString";
    assert_eq!(decode(&encode(tricky, PLAIN)).unwrap(), tricky);
}

#[test]
fn lengths_around_every_form_of_integer_hold() {
    for length in [0, 1, 31, 32, 126, 127, 128, 145, 146, 255, 256, 65_535, 65_536] {
        let text = "x".repeat(length);
        assert_eq!(decode(&encode(&text, PLAIN)).unwrap(), text, "length {length}");
    }
}

#[test]
fn utf16_is_read_inside_and_instead_of_an_archive() {
    let utf16: Vec<u8> = "é 🌤".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [b"\xff\xfe".as_slice(), &utf16].concat();
    let length = u8::try_from(marked.len()).unwrap();
    let inside = golden_with(&[[length].as_slice(), &marked].concat());
    assert_eq!(decode(&inside).unwrap(), "é 🌤");
    assert_eq!(decode(&marked).unwrap(), "é 🌤");
    assert_eq!(decode(b"\xff\xfea"), Err(TypedStreamError::NotUnicode));
    assert_eq!(decode(b"\xff\xfe\x00\xd8"), Err(TypedStreamError::NotUnicode));
}

#[test]
fn other_things_are_refused_by_name() {
    assert_eq!(decode(b""), Err(TypedStreamError::NotTypedStream));
    assert_eq!(decode(b"bplist00"), Err(TypedStreamError::NotTypedStream));
    let too_large = vec![0x84; BLOB_BYTES_MAX + 1];
    assert_eq!(decode(&too_large), Err(TypedStreamError::TooLarge { bytes: BLOB_BYTES_MAX + 1 }));
    let deep = encode("x", Shape { depth: DEPTH_MAX, ..PLAIN });
    assert_eq!(decode(&deep), Err(TypedStreamError::TooDeep));
    let long = golden_with(b"\x81\xff\xffHello");
    assert!(matches!(decode(&long), Err(TypedStreamError::Truncated { .. })));
    let tag = golden_with(b"\x83Hello");
    assert!(matches!(decode(&tag), Err(TypedStreamError::UnexpectedByte { byte: 0x83, .. })));
    let invalid = golden_with(b"\x01\xff");
    assert_eq!(decode(&invalid), Err(TypedStreamError::NotUnicode));
}

#[test]
fn an_array_is_never_searched_for_text() {
    let array = [
        b"\x04\x0bstreamtyped\x81\xe8\x03\x84\x01@\x84\x84\x84\x0eNSMutableArray\x00\x85"
            .as_slice(),
        b"\x84\x01+\x05Hello\x86\x84",
    ]
    .concat();
    assert_eq!(decode(&array), Err(TypedStreamError::NotAttributedString));
    assert_eq!(attributed_text(None, Some(&array)), None);
    assert_eq!(attributed_text(Some("kept"), Some(&array)).as_deref(), Some("kept"));
}

#[test]
fn blob_before_text_before_search() {
    let blob = encode("from blob", PLAIN);
    assert_eq!(attributed_text(Some("column"), Some(&blob)).as_deref(), Some("from blob"));
    assert_eq!(attributed_text(Some("column"), None).as_deref(), Some("column"));
    assert_eq!(attributed_text(Some("column"), Some(b"")).as_deref(), Some("column"));
    assert_eq!(attributed_text(None, None), None);
    assert_eq!(attributed_text(Some(""), Some(&encode("", PLAIN))), None);

    // More is promised than there is: the column, else what is there.
    let short = golden_with(b"\x81\x9d\x00Hello");
    assert_eq!(attributed_text(Some("column"), Some(&short)).as_deref(), Some("column"));
    assert_eq!(attributed_text(None, Some(&short)).as_deref(), Some("Hello"));
}

#[test]
fn prompts_lose_marks_and_edges_only() {
    assert_eq!(prompt_text("\u{fffc} look \u{fffd}at\u{fffc} this\n"), "look at this");
    assert_eq!(prompt_text("\u{fffc}\u{fffc}"), "");
    assert_eq!(prompt_text("a\n\n b"), "a\n\n b");
}

fn shapes() -> impl Strategy<Value = Shape> {
    (any::<bool>(), 1..DEPTH_MAX, any::<bool>()).prop_map(|(mutable, depth, runs)| Shape {
        mutable,
        depth,
        runs,
    })
}

/// Texts with all that the format itself is made of.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[\\x00-\\x7f+@iI\u{84}-\u{9f}\u{fffc}\u{fffd}]{0,300}",
        proptest::collection::vec(any::<char>(), 0..2_000).prop_map(String::from_iter),
    ]
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(text in texts(), shape in shapes()) {
        let blob = encode(&text, shape);
        prop_assert_eq!(decode(&blob).unwrap(), text.clone());
        let expected = Some(text).filter(|text| !text.is_empty());
        prop_assert_eq!(attributed_text(None, Some(&blob)), expected);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let found = attributed_text(None, Some(&bytes));
        prop_assert!(found.is_none_or(|text| !text.is_empty()));
    }

    #[test]
    fn mutations_never_panic_and_never_invent_length(
        text in texts(),
        shape in shapes(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut blob = encode(&text, shape);
        for (at, byte) in changes {
            let at = at.index(blob.len());
            blob[at] = byte;
        }
        blob.truncate(cut.index(blob.len()) + 1);
        // One byte can turn into at most one replacement character of three bytes.
        for found in [decode(&blob).ok(), attributed_text(None, Some(&blob))].iter().flatten() {
            prop_assert!(found.len() <= 3 * blob.len());
        }
    }

    #[test]
    fn every_cut_of_an_archive_before_its_text_ends_is_refused(text in ".{1,80}", cut in any::<prop::sample::Index>()) {
        let blob = encode(&text, Shape { runs: false, ..PLAIN });
        let end = blob.len() - 2;
        prop_assert!(decode(&blob[..cut.index(end)]).is_err());
        prop_assert_eq!(decode(&blob[..end]).unwrap(), text);
    }

    #[test]
    fn prompts_are_stable(text in texts()) {
        let prompt = prompt_text(&text);
        let marks = prompt.matches(['\u{fffc}', '\u{fffd}']).count();
        prop_assert_eq!(marks, 0);
        prop_assert_eq!(prompt_text(&prompt), prompt.clone());
        prop_assert_eq!(prompt.trim(), prompt.as_str());
    }
}
