//! `secrets`: files that hold credentials, so that the config need not.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;

/// Longest file of credentials, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// The id of the whole of a file that holds one value.
const WHOLE: &str = "value";

/// Where credentials are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Secrets {
    /// Places by name, as secret references name them. Default: none.
    pub providers: BTreeMap<String, SecretPlace>,
}

/// One place.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SecretPlace {
    /// What kind of place it is.
    pub source: PlaceKind,
    /// The file: an absolute path, which nobody but its owner can read. Required for files.
    #[serde(default)]
    pub path: Option<String>,
    /// What the file holds. Default: json.
    #[serde(default)]
    pub mode: FileMode,
}

/// The kinds of places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PlaceKind {
    /// The environment.
    Env,
    /// A file.
    File,
    /// A program; no reference may name one yet.
    Exec,
}

/// What a file of credentials holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FileMode {
    /// A JSON document; references say where in it, as a JSON pointer.
    #[default]
    Json,
    /// One credential and nothing else; references say `value`.
    SingleValue,
}

impl Secrets {
    /// The credential that a reference means.
    ///
    /// # Errors
    /// A sentence that names the place and what to do; never anything that was read.
    pub(super) fn read(&self, provider: &str, id: &str) -> Result<String, String> {
        let place = self.providers.get(provider).filter(|place| place.source == PlaceKind::File);
        let path = place.and_then(|place| Some((place, place.path.as_deref()?)));
        let Some((place, path)) = path else {
            return Err(format!("secrets.providers.{provider} is no file with a path"));
        };
        let text = contents(Path::new(path)).map_err(|why| format!("{path:?} {why}"))?;
        let value = match place.mode {
            FileMode::SingleValue if id == WHOLE => Some(text.trim().to_owned()),
            FileMode::SingleValue => {
                return Err(format!("{path:?} holds one value: its id is {WHOLE:?}"));
            }
            FileMode::Json => {
                let json = serde_json::from_str::<serde_json::Value>(&text);
                let json = json.map_err(|_| format!("{path:?} is not JSON"))?;
                json.pointer(id).and_then(|value| value.as_str()).map(str::to_owned)
            }
        };
        let value = value.filter(|value| !value.is_empty());
        value.ok_or_else(|| format!("{path:?} holds no text at {id:?}"))
    }
}

fn contents(path: &Path) -> Result<String, String> {
    if !path.is_absolute() {
        return Err("is not an absolute path".into());
    }
    let failed = |error: std::io::Error| format!("can't be read: {error}");
    let about = std::fs::metadata(path).map_err(failed)?;
    if !about.is_file() || about.len() > FILE_BYTES_MAX {
        return Err(format!("is no file of at most {FILE_BYTES_MAX} bytes"));
    }
    if about.mode() & 0o077 != 0 {
        return Err("can be read by others: take that from them with `chmod 600`".into());
    }
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn place(path: &Path, mode: FileMode) -> Secrets {
        let path = Some(path.to_string_lossy().into_owned());
        let place = SecretPlace { source: PlaceKind::File, path, mode };
        Secrets { providers: [("default".to_owned(), place)].into() }
    }

    #[test]
    fn a_value_is_found_or_its_absence_explained_without_showing_any() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.json");
        std::fs::write(&path, r#"{"a": {"b": "hush"}, "n": 1}"#).unwrap();
        let secrets = place(&path, FileMode::Json);
        let open = secrets.read("default", "/a/b").unwrap_err();
        assert!(open.contains("chmod 600"), "{open}");
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(secrets.read("default", "/a/b").unwrap(), "hush");
        for id in ["/a", "/n", "/x", "value", ""] {
            let told = secrets.read("default", id).unwrap_err();
            assert!(told.contains("holds no text") && !told.contains("hush"), "{told}");
        }
        assert!(secrets.read("other", "/a/b").unwrap_err().contains("secrets.providers.other"));
        let whole = place(&path, FileMode::SingleValue);
        assert!(whole.read("default", "value").unwrap().starts_with('{'));
        assert!(whole.read("default", "/a").unwrap_err().contains("holds one value"));
        let gone = place(&dir.path().join("gone"), FileMode::Json);
        assert!(gone.read("default", "/a").unwrap_err().contains("can't be read"));
    }
}
