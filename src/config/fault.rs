//! Why a value does not fit its type, and how to say it.

use std::fmt;

use serde::de::{Expected, Unexpected};

use super::finding::Finding;
use super::known;
use super::path::Path;
use super::suggest::nearest;

/// Why a value does not fit its type.
#[derive(Debug)]
pub(super) enum Fault {
    /// A key the object does not have.
    UnknownKey { key: String, keys: &'static [&'static str] },
    /// A word that is none of the choices.
    UnknownChoice { given: String, choices: &'static [&'static str] },
    /// A key the object cannot do without.
    MissingKey { key: &'static str },
    /// A value of another kind.
    WrongKind { expected: String, found: &'static str },
    /// Anything else, said by the type itself.
    Other(String),
}

impl Fault {
    /// The setting to report: unknown and missing keys are reported by their own path.
    pub(super) fn path_at_fault(&self, path: Path) -> Path {
        match self {
            Self::UnknownKey { key, .. } if path.last_key() != Some(key.as_str()) => path.key(key),
            Self::MissingKey { key } => path.key(key),
            _ => path,
        }
    }

    pub(super) fn finding(&self, path: Path) -> Finding {
        match self {
            Self::UnknownKey { key, keys } => {
                let parent = path.parent().unwrap_or_default();
                let help = unknown_key_help(key, keys, &parent);
                Finding::new(path, "unknown key").about_the_key().with_help_if(help)
            }
            Self::UnknownChoice { given, choices } => {
                let help = nearest(given, choices.iter().copied())
                    .map(|choice| format!("did you mean {choice:?}?"));
                let message = format!("{given:?} is not one of {}", choices.join(", "));
                Finding::new(path, message).with_help_if(help)
            }
            Self::MissingKey { .. } => Finding::new(path, "this setting is required"),
            Self::WrongKind { expected, found } => {
                let help = wrong_kind_help(expected, found).map(str::to_owned);
                let message = format!("expected {expected}, found {found}");
                Finding::new(path, message).with_help_if(help)
            }
            Self::Other(message) => Finding::new(path, message.clone()),
        }
    }
}

fn unknown_key_help(key: &str, keys: &[&'static str], parent: &Path) -> Option<String> {
    let also_known = known::keys_of(parent);
    let candidates = keys.iter().copied().chain(also_known);
    match nearest(key, candidates) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if keys.is_empty() => None,
        None => {
            let mut keys = keys.to_vec();
            keys.sort_unstable();
            Some(format!("known here: {}", keys.join(", ")))
        }
    }
}

fn wrong_kind_help(expected: &str, found: &str) -> Option<&'static str> {
    match (expected, found) {
        (_, "null") => Some("leave the key out to use its default"),
        ("true or false", "a string") => Some("write it without quotation marks"),
        ("a list", "a string" | "a number" | "an object") => Some("put it between [ and ]"),
        ("a string", "a number") => Some("put it in quotation marks"),
        (expected, "a string") if expected.starts_with("a whole number") => {
            Some("write it without quotation marks")
        }
        _ => None,
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.finding(Path::default()).message)
    }
}

impl std::error::Error for Fault {}

impl serde::de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Other(message.to_string())
    }

    // Only the kind of the value found is named, never the value: it may be a secret.
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Bool(_) => "a boolean",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
            Unexpected::Str(_) => "a string",
            Unexpected::Unit | Unexpected::Option => "null",
            Unexpected::Seq => "a list",
            Unexpected::Map => "an object",
            _ => "something else",
        };
        Self::WrongKind { expected: expected.to_string(), found }
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::Other(format!("expected {expected}"))
    }

    fn unknown_variant(given: &str, choices: &'static [&'static str]) -> Self {
        Self::UnknownChoice { given: given.to_owned(), choices }
    }

    fn unknown_field(key: &str, keys: &'static [&'static str]) -> Self {
        Self::UnknownKey { key: key.to_owned(), keys }
    }

    fn missing_field(key: &'static str) -> Self {
        Self::MissingKey { key }
    }
}
