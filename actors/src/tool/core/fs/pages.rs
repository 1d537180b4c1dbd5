//! How files and folders are shown to a model.

/// Characters of one answer: what the result of a call may hold, with room for the last line.
const PAGE_CHARS_MAX: usize = 15_000;
/// Names of one folder that are shown.
const NAMES_MAX: usize = 1000;

/// Lines `offset` (from 1) and on, at most `limit`, and where to go on.
///
/// # Errors
/// The file has fewer lines.
pub(super) fn page(text: &str, offset: usize, limit: usize) -> Result<String, String> {
    let lines = text.lines().count();
    let first = offset.max(1);
    if first > lines.max(1) {
        return Err(format!("the file has {lines} lines; line {first} is behind its end"));
    }
    let (mut page, mut shown, mut chars) = (String::new(), 0, 0);
    for line in text.lines().skip(first - 1).take(limit) {
        let length = line.chars().count() + 1;
        if chars + length > PAGE_CHARS_MAX {
            if shown == 0 {
                page.extend(line.chars().take(PAGE_CHARS_MAX));
                page.push_str("\n[the rest of this line is left out]\n");
                shown = 1;
            }
            break;
        }
        page.push_str(line);
        page.push('\n');
        (shown, chars) = (shown + 1, chars + length);
    }
    let next = first + shown;
    if next <= lines {
        page.push_str(&format!("[{lines} lines in all; go on with offset {next}]\n"));
    }
    Ok(page)
}

/// The names of a folder's content; folders end with `/`.
pub(super) fn folder(path: &str, names: &[String]) -> String {
    let mut text = format!("{path} is a folder:\n");
    for name in names.iter().take(NAMES_MAX) {
        text.push_str(name);
        text.push('\n');
    }
    if names.len() > NAMES_MAX {
        text.push_str(&format!("[{} more]\n", names.len() - NAMES_MAX));
    }
    text
}

/// One place, two places.
pub(super) fn places(count: usize) -> &'static str {
    if count == 1 { "place" } else { "places" }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_page_says_where_to_go_on() {
        let text = "a\nb\nc\n";
        assert_eq!(page(text, 1, 2).unwrap(), "a\nb\n[3 lines in all; go on with offset 3]\n");
        assert_eq!(page(text, 3, 2).unwrap(), "c\n");
        assert!(page(text, 4, 1).unwrap_err().contains("3 lines"));
        assert_eq!(page("", 1, 9).unwrap(), "");
        let long = "x".repeat(PAGE_CHARS_MAX * 2);
        assert!(page(&format!("{long}\ny\n"), 1, 9).unwrap().contains("offset 2"));
    }

    proptest! {
        #[test]
        fn the_pages_of_a_file_are_the_file(lines in prop::collection::vec("[a-z ]{0,2000}", 1..40), limit in 1usize..30) {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let (mut read, mut offset) = (String::new(), 1);
            while offset <= lines.len() {
                let shown = page(&text, offset, limit).unwrap();
                prop_assert!(shown.chars().count() <= PAGE_CHARS_MAX + 100);
                let content: Vec<&str> = shown.lines().filter(|line| !line.starts_with('[')).collect();
                prop_assert!(!content.is_empty());
                offset += content.len();
                read.extend(content.iter().map(|line| format!("{line}\n")));
            }
            prop_assert_eq!(read, text);
        }
    }
}
