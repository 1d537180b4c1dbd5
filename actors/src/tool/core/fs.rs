//! `read`, `write` and `edit`: files below the agent's workspace, and nothing else.

mod change;
mod pages;
mod path;
mod workspace;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

pub(super) use self::workspace::Workspaces;

use super::{blocking, count, required};
use crate::provider::ToolSpec;
use crate::tool::{Invocation, Tool, ToolTraits};

/// Largest file read or changed, in bytes: far above what a model can read at once.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Largest text written at once, in characters.
const WRITE_CHARS_MAX: usize = 2 * 1024 * 1024;
/// Lines of one answer, unless more are asked for.
const LINES_DEFAULT: usize = 2000;
/// Even a slow network disk answers within this time.
const DEADLINE: Duration = Duration::from_mins(1);

const PATH_HELP: &str = "Path of the file, relative to the workspace.";

/// Reads a file, or lists a folder.
pub(super) struct Read(pub(super) Arc<Workspaces>);
/// Writes a whole file.
pub(super) struct Write(pub(super) Arc<Workspaces>);
/// Replaces a piece of a file.
pub(super) struct Edit(pub(super) Arc<Workspaces>);

impl Tool for Read {
    fn spec(&self) -> ToolSpec {
        spec(
            "read",
            "Reads a text file of the workspace, or lists a folder. Long files are read in parts \
             with offset and limit.",
            json!({
                "type": "object",
                "required": ["path"],
                "additionalProperties": false,
                "properties": {
                    "path": {"type": "string", "description": PATH_HELP},
                    "offset": {"type": "integer", "minimum": 1, "description": "First line, from 1."},
                    "limit": {"type": "integer", "minimum": 1, "description": "Most lines to read."},
                },
            }),
        )
    }

    fn traits(&self) -> ToolTraits {
        ToolTraits { is_idempotent: true, deadline: DEADLINE }
    }

    fn call<'a>(&'a self, call: &'a Invocation) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move {
            let workspace = self.0.of(&call.agent)?;
            let path = required(call, "path")?.to_owned();
            let (offset, limit) = (count(call, "offset", 1), count(call, "limit", LINES_DEFAULT));
            blocking(move || {
                if let Some(names) = workspace.list(&path)? {
                    return Ok(pages::folder(&path, &names));
                }
                pages::page(&workspace.read(&path, FILE_BYTES_MAX)?, offset, limit)
            })
            .await
        })
    }
}

impl Tool for Write {
    fn spec(&self) -> ToolSpec {
        spec(
            "write",
            "Writes a text file of the workspace: a new one, or in place of all that was in it. \
             Missing folders are made.",
            json!({
                "type": "object",
                "required": ["path", "content"],
                "additionalProperties": false,
                "properties": {
                    "path": {"type": "string", "description": PATH_HELP},
                    "content": {"type": "string", "maxLength": WRITE_CHARS_MAX},
                },
            }),
        )
    }

    fn traits(&self) -> ToolTraits {
        // The same file with the same content, whole or not at all.
        ToolTraits { is_idempotent: true, deadline: DEADLINE }
    }

    fn call<'a>(&'a self, call: &'a Invocation) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move {
            let workspace = self.0.of(&call.agent)?;
            let path = required(call, "path")?.to_owned();
            let content = required(call, "content")?.to_owned();
            blocking(move || {
                workspace.write(&path, content.as_bytes())?;
                Ok(format!("wrote {} bytes to {path}", content.len()))
            })
            .await
        })
    }
}

impl Tool for Edit {
    fn spec(&self) -> ToolSpec {
        spec(
            "edit",
            "Replaces a piece of a text file of the workspace. oldText must stand there exactly \
             once, white space included, unless replaceAll is true.",
            json!({
                "type": "object",
                "required": ["path", "oldText", "newText"],
                "additionalProperties": false,
                "properties": {
                    "path": {"type": "string", "description": PATH_HELP},
                    "oldText": {"type": "string", "minLength": 1},
                    "newText": {"type": "string", "maxLength": WRITE_CHARS_MAX},
                    "replaceAll": {"type": "boolean"},
                },
            }),
        )
    }

    fn traits(&self) -> ToolTraits {
        // A second replacement may find its text again.
        ToolTraits { is_idempotent: false, deadline: DEADLINE }
    }

    fn call<'a>(&'a self, call: &'a Invocation) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move {
            let workspace = self.0.of(&call.agent)?;
            let path = required(call, "path")?.to_owned();
            let old = required(call, "oldText")?.to_owned();
            let new = required(call, "newText")?.to_owned();
            let all = call.arguments.get("replaceAll").and_then(Value::as_bool).unwrap_or(false);
            blocking(move || {
                let text = workspace.read(&path, FILE_BYTES_MAX)?;
                let (changed, places) = change::replace(&text, &old, &new, all)?;
                workspace.write(&path, changed.as_bytes())?;
                Ok(format!("changed {places} {} of {path}", pages::places(places)))
            })
            .await
        })
    }
}

fn spec(name: &str, description: &str, parameters: Value) -> ToolSpec {
    ToolSpec { name: name.into(), description: description.into(), parameters }
}
