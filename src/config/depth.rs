//! Limits on a file's size and nesting, checked on the text before any parser sees it.

/// Deepest nesting of `[` and `{` in one file, in brackets. The parser recurses once per bracket,
/// and a few thousand would overflow the stack; people need about ten.
pub(super) const DEPTH_MAX: usize = 128;

/// Largest file read, in bytes: 2 MiB, far above a hand-written config.
pub(super) const SIZE_MAX: usize = 2 * 1024 * 1024;

/// What the scanner is inside of.
enum Inside {
    Code,
    Text { quote: char },
    Line,
    Block,
}

/// The byte offset of the first bracket nested deeper than [`DEPTH_MAX`].
///
/// It must never count fewer open brackets than the parser recurses into, so strings and comments
/// end here exactly where they end there; a text the parser would reject anyway may count more.
pub(super) fn too_deep(text: &str) -> Option<usize> {
    let mut inside = Inside::Code;
    let mut depth = 0_usize;
    let mut chars = text.char_indices().peekable();
    while let Some((offset, c)) = chars.next() {
        let next = chars.peek().map(|&(_, next)| next);
        match (&inside, c) {
            (Inside::Code, '[' | '{') => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Some(offset);
                }
            }
            (Inside::Code, ']' | '}') => depth = depth.saturating_sub(1),
            (Inside::Code, '"' | '\'') => inside = Inside::Text { quote: c },
            (Inside::Code, '/') if next == Some('/') => inside = Inside::Line,
            (Inside::Code, '/') if next == Some('*') => {
                // Its `*` is consumed, so that `/*/` does not close itself.
                chars.next();
                inside = Inside::Block;
            }
            (Inside::Text { .. }, '\\') => drop(chars.next()),
            (Inside::Text { quote }, c) if c == *quote => inside = Inside::Code,
            (Inside::Line, '\n' | '\r' | '\u{2028}' | '\u{2029}') => inside = Inside::Code,
            (Inside::Block, '*') if next == Some('/') => {
                chars.next();
                inside = Inside::Code;
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nested(depth: usize) -> String {
        format!("{}{}", "[".repeat(depth), "]".repeat(depth))
    }

    #[test]
    fn the_limit_itself_is_allowed_and_one_more_is_not() {
        assert_eq!(too_deep(&nested(DEPTH_MAX)), None);
        assert_eq!(too_deep(&nested(DEPTH_MAX + 1)), Some(DEPTH_MAX));
    }

    #[test]
    fn brackets_in_strings_and_comments_do_not_count() {
        let brackets = "[".repeat(500);
        for text in [
            format!("\"{brackets}\""),
            format!("'{brackets}'"),
            format!("'it\\'s {brackets}'"),
            format!("\"\\\\\\\" {brackets}\""),
            format!("// {brackets}\n1"),
            format!("/* * / {brackets} */ 1"),
            format!("/*/{brackets}*/ 1"),
        ] {
            assert_eq!(too_deep(&text), None, "{text}");
        }
    }

    #[test]
    fn strings_and_comments_end_where_the_parser_ends_them() {
        let brackets = "[".repeat(DEPTH_MAX + 1);
        for opening in ["\"\\\\\"", "'\\\\'", "//\n", "//\r", "//\u{2028}", "/**/", "/***/", "''"] {
            let text = format!("{opening}{brackets}");
            assert_eq!(too_deep(&text), Some(text.len() - 1), "{opening:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_passes_can_be_parsed_without_overflow(
            pieces in prop::collection::vec(
                prop::sample::select(vec!["[", "{a:", "\"", "'", "\\", "//", "/*", "*/", "\n", "]", "}", "x"]),
                0..3_000,
            )
        ) {
            let text = pieces.concat();
            if too_deep(&text).is_none() {
                // Reaching the next line is the property: an overflow would abort the process.
                let parsed = json5::from_str::<serde::de::IgnoredAny>(&text);
                prop_assert!(parsed.is_ok() || parsed.is_err());
            }
        }

        #[test]
        fn closed_brackets_make_room_for_new_ones(widths in prop::collection::vec(1..=DEPTH_MAX, 1..20)) {
            let text: String = widths.iter().map(|depth| nested(*depth)).collect();
            prop_assert_eq!(too_deep(&text), None);
        }
    }
}
