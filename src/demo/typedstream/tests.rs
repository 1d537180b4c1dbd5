//! The byte layout of an archive, and that its text reads back.

use proptest::prelude::*;

use super::*;

/// Everything before the length of a mutable body, from header to the type `+`.
const PRELUDE: &[u8] = b"\x04\x0bstreamtyped\x81\xe8\x03\x84\x01@\x84\x84\x84\
\x19NSMutableAttributedString\x00\x84\x84\x12NSAttributedString\x00\x84\x84\x08NSObject\x00\x85\
\x92\x84\x84\x84\x0fNSMutableString\x01\x84\x84\x08NSString\x01\x95\x84\x01+";

/// What follows a body of two ASCII letters: one run, one attribute, part 0.
const AFTER_TWO_LETTERS: &[u8] = b"\x86\x84\x02iI\x01\x02\x92\x84\x84\x84\x0cNSDictionary\x00\x95\
\x84\x01i\x01\x92\x84\x98\x98\x1d__kIMMessagePartAttributeName\x86\x92\x84\x84\x84\x08NSNumber\x00\
\x84\x84\x07NSValue\x00\x95\x84\x01*\x84\x9b\x9b\x00\x86\x86\x86";

fn layout(text: &str, length_bytes: &[u8]) {
    let archive = encode_text(text);
    let expected = [PRELUDE, length_bytes, text.as_bytes(), &[END]].concat();
    assert_eq!(&archive[..expected.len()], expected, "layout of {} bytes", text.len());
    assert_eq!(decode_text(&archive).as_deref(), Ok(text));
}

#[test]
fn a_short_text_has_the_layout_of_a_stored_message() {
    assert_eq!(encode_text("hi"), [PRELUDE, b"\x02hi", AFTER_TWO_LETTERS].concat());
}

#[test]
fn an_empty_text_is_an_immutable_string_without_runs() {
    let expected: &[u8] = b"\x04\x0bstreamtyped\x81\xe8\x03\x84\x01@\x84\x84\x84\
\x12NSAttributedString\x00\x84\x84\x08NSObject\x00\x85\
\x92\x84\x84\x84\x08NSString\x01\x94\x84\x01+\x00\x86\x86";
    assert_eq!(encode_text(""), expected);
    assert_eq!(decode_text(expected).as_deref(), Ok(""));
}

#[test]
fn lengths_take_one_three_or_five_bytes() {
    layout("a", b"\x01");
    layout(&"a".repeat(127), b"\x7f");
    layout(&"b".repeat(128), b"\x81\x80\x00");
    layout(&"c".repeat(300), b"\x81\x2c\x01");
    layout(&"d".repeat(40_000), b"\x81\x40\x9c");
    layout(&"e".repeat(70_000), b"\x82\x70\x11\x01\x00");
}

#[test]
fn lengths_count_bytes_and_runs_count_utf16_units() {
    layout("👍", b"\x04");
    layout("Café ☕️ déjà vu", b"\x16");
    let archive = encode_text("👍");
    let run = archive.windows(5).position(|bytes| bytes == b"\x84\x02iI\x01");
    assert_eq!(run.map(|at| archive[at + 5]), Some(2));
}

#[test]
fn attachments_are_markers_in_the_text() {
    let parts = [Part::Attachment("at_0_A"), Part::Text("see"), Part::Attachment("at_1_A")];
    let archive = encode_parts(&parts);
    assert_eq!(decode_text(&archive).as_deref(), Ok("\u{fffc}see\u{fffc}"));
    assert!(archive.windows(6).any(|bytes| bytes == b"at_1_A"));
}

#[test]
fn references_past_the_one_byte_range_still_read_back() {
    let guids: Vec<String> = (0..200).map(|number| format!("at_{number}_B")).collect();
    let parts: Vec<_> = guids.iter().map(|guid| Part::Attachment(guid)).collect();
    assert_eq!(decode_text(&encode_parts(&parts)), Ok(shown_text(&parts)));
}

#[test]
fn other_archives_are_refused() {
    let mut array = encode_text("hi");
    let at = array.windows(8).position(|bytes| bytes == b"NSMutabl").unwrap_or(0);
    array.splice(at..at + 25, *b"NSMutableArray___________");
    assert_eq!(decode_text(&array), Err(DecodeError::Root));
    assert_eq!(decode_text(b"bplist00"), Err(DecodeError::Header));
    assert_eq!(decode_text(b""), Err(DecodeError::Header));
}

proptest! {
    #[test]
    fn any_text_reads_back(text in "\\PC{0,400}") {
        prop_assert_eq!(decode_text(&encode_text(&text)), Ok(text));
    }

    #[test]
    fn a_cut_archive_is_an_error_or_whole(text in "\\PC{1,60}", cut in 0_usize..200) {
        let archive = encode_text(&text);
        if let Ok(read) = decode_text(&archive[..cut.min(archive.len())]) {
            prop_assert_eq!(read, text);
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(tail in proptest::collection::vec(any::<u8>(), 0..80)) {
        let archive = [HEADER, &tail].concat();
        prop_assert!(decode_text(&archive).map_or(true, |text| text.len() <= tail.len()));
    }
}
