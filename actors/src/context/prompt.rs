//! The system prompt's part that stands in the files of a workspace.

use crate::tool::cap::cap;

/// A file of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptFile {
    /// Its name, such as `AGENTS.md`.
    pub name: String,
    /// What is in it, or why that is not known. `None` if there is no such file.
    pub text: Result<Option<String>, String>,
    /// Whether its absence is worth a word.
    pub is_expected: bool,
}

/// How much of the files is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PromptLimits {
    /// Characters of one file.
    pub file_chars: usize,
    /// Characters of all files together.
    pub total_chars: usize,
}

impl Default for PromptLimits {
    fn default() -> Self {
        Self { file_chars: 20_000, total_chars: 60_000 }
    }
}

/// Below this many characters a file is not begun: a beginning so short misleads.
const BEGIN_CHARS_MIN: usize = 200;

/// The files as one text, in their order, each under its name. What is cut says how much is missing,
/// a file that can't be read says why, and one that should be there is named; a workspace without
/// any of them is no text at all.
pub fn system_prompt(files: &[PromptFile], limits: PromptLimits) -> String {
    let mut text = String::new();
    let mut room = limits.total_chars;
    let mut absent = Vec::new();
    for file in files {
        match &file.text {
            Ok(Some(content)) if content.trim().is_empty() => {}
            Ok(Some(content)) => {
                let max = limits.file_chars.min(room);
                let shown = shown(content.trim(), max);
                room = room.saturating_sub(shown.chars().count());
                text.push_str(&format!("\n\n## {}\n\n{shown}", file.name));
            }
            Ok(None) if file.is_expected => absent.push(file.name.as_str()),
            Ok(None) => {}
            Err(why) => text.push_str(&format!("\n\n## {}\n\n[not readable: {why}]", file.name)),
        }
    }
    if text.is_empty() {
        return text;
    }
    if !absent.is_empty() {
        text.push_str(&format!("\n\n[Not there: {}]", absent.join(", ")));
    }
    format!("# Files of your workspace{text}")
}

fn shown(content: &str, max: usize) -> String {
    let chars = content.chars().count();
    if chars > max && max < BEGIN_CHARS_MIN {
        return format!("[{chars} characters left out for want of room]");
    }
    cap(content, max)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(name: &str, text: Result<Option<String>, String>) -> PromptFile {
        PromptFile { name: name.into(), text, is_expected: name != "MEMORY.md" }
    }

    proptest! {
        #[test]
        fn no_more_is_shown_than_allowed_and_what_is_cut_says_so(
            lengths in prop::collection::vec(0usize..3000, 0..8),
            file_chars in 0usize..2500, total_chars in 0usize..6000,
        ) {
            let files: Vec<_> = (0..).zip(&lengths)
                .map(|(nth, length)| file(&format!("{nth}.md"), Ok(Some("x".repeat(*length)))))
                .collect();
            let text = system_prompt(&files, PromptLimits { file_chars, total_chars });
            let shown = text.matches('x').count();
            prop_assert!(shown <= total_chars);
            let whole = lengths.iter().sum::<usize>();
            prop_assert_eq!(text.contains("left out"), shown < whole);
            for (nth, length) in lengths.iter().enumerate() {
                let is_named = text.contains(&format!("## {nth}.md\n"));
                prop_assert_eq!(is_named, *length > 0, "every file with content is named");
            }
            prop_assert_eq!(text.is_empty(), whole == 0);
        }
    }

    #[test]
    fn what_is_missing_or_unreadable_is_named_and_nothing_else_suffers() {
        let files = [
            file("AGENTS.md", Ok(Some("Be kind.".into()))),
            file("SOUL.md", Err("permission denied".into())),
            file("TOOLS.md", Ok(None)),
            file("MEMORY.md", Ok(None)),
        ];
        let text = system_prompt(&files, PromptLimits::default());
        assert!(text.contains("## AGENTS.md\n\nBe kind."), "{text}");
        assert!(text.contains("[not readable: permission denied]"), "{text}");
        assert!(text.contains("[Not there: TOOLS.md]"), "{text}");
        assert_eq!(system_prompt(&files[2..], PromptLimits::default()), "", "an empty workspace");
    }
}
