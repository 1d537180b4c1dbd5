//! A remark about one setting, before it is known where in which file the setting was written.

use super::path::Path;

/// What a check found, by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// The setting.
    pub(super) path: Path,
    /// Whether the key itself is at fault, rather than its value.
    pub(super) key_at_fault: bool,
    /// What is wrong.
    pub(super) message: String,
    /// What to do about it.
    pub(super) help: Option<String>,
}

impl Finding {
    /// A remark about a setting's value.
    pub(super) fn new(path: Path, message: impl Into<String>) -> Self {
        Self { path, key_at_fault: false, message: message.into(), help: None }
    }

    /// The same remark with advice.
    pub(super) fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The same remark with advice, where there is any.
    pub(super) fn with_help_if(self, help: Option<String>) -> Self {
        Self { help, ..self }
    }

    /// The same remark, about the key.
    pub(super) fn about_the_key(self) -> Self {
        Self { key_at_fault: true, ..self }
    }
}
