//! How wide texts are on a terminal, and cutting them. Pure.

/// The sign that something was cut off.
const ELLIPSIS: char = '…';

/// The columns a text takes; colours take none.
pub(super) fn width(text: &str) -> usize {
    pieces(text).map(|(piece, is_shown)| if is_shown { columns_of(piece) } else { 0 }).sum()
}

/// The text in at most so many columns, its end replaced by an ellipsis if it is longer. Colours are
/// kept, so that the one that ends them is.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let (mut short, mut left, mut is_cut) = (String::new(), columns, false);
    for (piece, is_shown) in pieces(text) {
        let wide = columns_of(piece);
        // One column is the ellipsis's own.
        if !is_shown || (!is_cut && wide < left) {
            short.push(piece);
            left -= if is_shown { wide } else { 0 };
        } else if !is_cut && columns > 0 {
            short.push(ELLIPSIS);
            is_cut = true;
        }
    }
    short
}

/// The characters, and whether each is shown or part of a colour.
fn pieces(text: &str) -> impl Iterator<Item = (char, bool)> {
    let mut is_colour = false;
    text.chars().map(move |piece| {
        is_colour |= piece == '\u{1b}';
        let is_shown = !is_colour;
        is_colour &= piece != 'm';
        (piece, is_shown)
    })
}

/// Two for the wide characters of East Asia and for pictures, none for marks on the one before.
fn columns_of(piece: char) -> usize {
    match u32::from(piece) {
        0x300..=0x36f | 0x200b..=0x200f | 0x2060 | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe4f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1_f300..=0x1_faff
        | 0x2_0000..=0x3_fffd => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wide_characters_marks_and_colours_are_counted_as_they_are_shown() {
        assert_eq!((width("abc"), width("日本"), width("e\u{301}"), width("🙂!")), (3, 4, 1, 3));
        assert_eq!(width("\u{1b}[32mworks\u{1b}[0m"), 5);
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("\u{1b}[31mtroubled\u{1b}[0m", 5), "\u{1b}[31mtrou…\u{1b}[0m");
    }

    proptest! {
        #[test]
        fn what_is_cut_fits_and_what_fits_is_whole(text in "[a-z日🙂\u{301}]{0,30}", columns in 0usize..40) {
            let short = cut(&text, columns);
            prop_assert!(width(&short) <= columns);
            prop_assert_eq!(short == text, width(&text) <= columns);
        }
    }
}
