//! From text to values: limits, JSON5 syntax, positions.

use json5::ErrorCode;

use super::depth::{DEPTH_MAX, SIZE_MAX, too_deep};
use super::error::{ConfigError, Problem};
use super::node::Node;
use super::position::{Sources, line_column, place};

/// Parses one file and keeps its text in `sources`.
pub(super) fn parse(sources: &mut Sources, label: &str, text: &str) -> Result<Node, ConfigError> {
    // Editors on Windows put an invisible mark in front; it is no part of the first column.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let file = sources.add(label, text);
    if text.len() > SIZE_MAX {
        return Err(oversized(label).into());
    }
    if let Some(offset) = too_deep(text) {
        let message = format!("more than {DEPTH_MAX} brackets are open here");
        return Err(Problem::of_file(label, message).at(line_column(text, offset)).into());
    }
    if text.trim().is_empty() {
        let empty = Problem::of_file(label, "the file is empty");
        return Err(empty.with_help("write {} to use the default of every setting").into());
    }
    let mut root = json5::from_str(text).map_err(|error| syntax_problem(label, text, &error))?;
    place(&mut root, text, file);
    Ok(root)
}

/// The problem of a file that is larger than any config needs to be.
pub(super) fn oversized(label: &str) -> Problem {
    Problem::of_file(label, format!("the file is larger than {SIZE_MAX} bytes"))
}

fn syntax_problem(label: &str, text: &str, error: &json5::Error) -> Problem {
    let (message, help) = match error.code() {
        Some(code) => in_words(code),
        None => ("this is not a valid value", None),
    };
    let position = match error.position() {
        Some(at) if !ends_inside_a_value(error.code()) => (at.line + 1, at.column + 1),
        _ => line_column(text, text.len()),
    };
    let problem = Problem::of_file(label, message).at(position);
    match help {
        Some(help) => problem.with_help(help),
        None => problem,
    }
}

/// Whether the parser ran out of text in something smaller than a list or object; the position it
/// gives is then that of the list or object around it, which is of no use.
fn ends_inside_a_value(code: Option<ErrorCode>) -> bool {
    use ErrorCode as E;
    matches!(
        code,
        Some(
            E::EofParsingString
                | E::EofParsingEscapeSequence
                | E::EofParsingComment
                | E::EofParsingValue
                | E::EofParsingBool
                | E::EofParsingNull
                | E::EofParsingNumber
        )
    )
}

/// A syntax error in words, with the usual way to mend it.
fn in_words(code: ErrorCode) -> (&'static str, Option<&'static str>) {
    use ErrorCode as E;
    match code {
        E::EofParsingObject | E::EofParsingIdentifier => {
            ("the file ends inside the object that starts here", Some("add the missing `}`"))
        }
        E::EofParsingArray => {
            ("the file ends inside the list that starts here", Some("add the missing `]`"))
        }
        E::EofParsingString | E::EofParsingEscapeSequence => {
            ("the file ends inside a string", Some("add the missing quotation mark"))
        }
        E::EofParsingComment => ("the file ends inside a comment", Some("add the missing `*/`")),
        E::EofParsingValue | E::EofParsingBool | E::EofParsingNull | E::EofParsingNumber => {
            ("the file ends where a value is expected", None)
        }
        E::ExpectedClosingBrace => {
            ("expected `,` or `}` here", Some("is a comma missing after the entry before?"))
        }
        E::ExpectedClosingBracket => {
            ("expected `,` or `]` here", Some("is a comma missing after the entry before?"))
        }
        E::ExpectedColon => (
            "expected `:` after the key",
            Some("keys with other signs than letters need quotation marks"),
        ),
        E::ExpectedComma => ("expected `,` here", None),
        E::ExpectedComment => ("a comment starts with // or /*", None),
        E::ExpectedIdentifier | E::InvalidKey => {
            ("expected a key here", Some("keys with other signs than letters need quotation marks"))
        }
        E::ExpectedBool | E::ExpectedNull | E::ExpectedNumber | E::ExpectedValue => {
            ("expected a value here", Some("text needs quotation marks"))
        }
        E::ExpectedString | E::ExpectedStringOrObject => ("expected a string here", None),
        E::ExpectedOpeningBrace => ("expected `{` here", None),
        E::ExpectedOpeningBracket => ("expected `[` here", None),
        E::InvalidBytes | E::InvalidEscapeSequence => {
            ("this escape is not valid", Some("a backslash itself is written \\\\"))
        }
        E::LeadingZero => ("a number cannot start with 0", Some("put it in quotation marks")),
        E::LineTerminatorInString => {
            ("a string must end on its line", Some("write \\n where a line should break"))
        }
        E::OverflowParsingNumber => ("this number is too large", None),
        E::TrailingCharacters => ("there is more text after the end of the config", None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        parse(&mut Sources::default(), "c.json", text).unwrap_err().to_string()
    }

    #[test]
    fn limits_are_reported_before_parsing() {
        let deep = "[".repeat(20_000);
        assert_eq!(problem(&deep), "c.json:1:129: more than 128 brackets are open here");
        let long = format!("'{}'", "x".repeat(SIZE_MAX));
        assert_eq!(problem(&long), "c.json: the file is larger than 2097152 bytes");
    }

    #[test]
    fn a_byte_order_mark_moves_no_column() {
        assert_eq!(problem("\u{feff}{a b}"), problem("{a b}"));
    }

    #[test]
    fn an_empty_file_is_not_taken_for_an_empty_config() {
        assert!(problem(" \n").starts_with("c.json: the file is empty"));
    }
}
