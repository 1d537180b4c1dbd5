//! Whether `HEARTBEAT.md` says anything to do.

/// Whether nothing stands there but blank lines, headings, comments and empty list items.
pub fn is_effectively_empty(text: &str) -> bool {
    without_comments(text).lines().map(str::trim).all(|line| {
        line.is_empty() || is_heading(line) || is_empty_item(line) || line.starts_with("```")
    })
}

fn is_heading(line: &str) -> bool {
    let rest = line.trim_start_matches('#');
    rest.len() < line.len() && (rest.is_empty() || rest.starts_with(char::is_whitespace))
}

/// `-`, `* [ ]`, `+ [x]`.
fn is_empty_item(line: &str) -> bool {
    let Some(rest) = line.strip_prefix(['-', '*', '+']) else { return false };
    matches!(rest.trim(), "" | "[ ]" | "[]" | "[x]" | "[X]")
}

fn without_comments(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("<!--") {
        kept.push_str(before);
        // A comment that never ends reaches to the end.
        rest = comment.split_once("-->").map_or("", |(_, after)| after);
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_form_without_entries_is_empty() {
        for text in [
            "",
            " \n\t",
            "# Heartbeat\n\n## Daily\n",
            "#\n- \n* [ ]\n+ [x]\n",
            "<!-- - check mail\n -->\n# Tasks",
            "<!-- never ends\n- do it",
            "```\n```",
        ] {
            assert!(is_effectively_empty(text), "{text:?}");
        }
    }

    #[test]
    fn anything_to_do_is_not() {
        for text in ["check mail", "- [ ] water", "#tag", "<!-- a --> b <!-- c -->", "- x", "1."] {
            assert!(!is_effectively_empty(text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn one_task_among_empty_lines_is_found(
            before in prop::collection::vec(prop::sample::select(&["", "# A", "- [ ]", "*"][..]), 0..6),
            after in prop::collection::vec(prop::sample::select(&["", "## B", "-"][..]), 0..6),
            task in "[a-z]{1,10}",
        ) {
            let lines: Vec<&str> = before.iter().chain(&after).copied().collect();
            prop_assert!(is_effectively_empty(&lines.join("\n")));
            let mut lines = before;
            lines.push(&task);
            lines.extend(after);
            prop_assert!(!is_effectively_empty(&lines.join("\n")));
        }
    }
}
