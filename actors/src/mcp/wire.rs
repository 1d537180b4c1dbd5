//! What servers say, in our own words: their tools, and the results of calls.

use rmcp::model::{CallToolResult, ContentBlock, ResourceContents, Tool};
use serde_json::{Value, json};

use super::names::{is_offered, names};
use crate::provider::ToolSpec;

/// Tools of one server: beyond it they crowd out the conversation.
const TOOLS_MAX: usize = 256;
/// Characters of one description.
const DESCRIPTION_CHARS_MAX: usize = 4_000;
/// Bytes of one schema. A larger one would cost more than its tool can be worth.
const SCHEMA_BYTES_MAX: usize = 64 * 1024;

/// A tool as the model is told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedTool {
    /// What the server calls it.
    pub name: String,
    /// What the model is told.
    pub spec: ToolSpec,
    /// Whether the server declares that a second call with the same arguments changes nothing.
    pub is_idempotent: bool,
}

/// The tools that are offered, and remarks on those that are left out for a reason of ours.
pub fn listed(
    server: &str,
    include: &[String],
    exclude: &[String],
    tools: Vec<Tool>,
) -> (Vec<ListedTool>, Vec<String>) {
    let mut remarks = Vec::new();
    let mut kept: Vec<(Tool, Value)> = Vec::new();
    for tool in tools {
        let schema = Value::Object(tool.input_schema.as_ref().clone());
        if !is_offered(&tool.name, include, exclude)
            || kept.iter().any(|(k, _)| k.name == tool.name)
        {
            continue;
        }
        if schema.to_string().len() > SCHEMA_BYTES_MAX {
            remarks.push(format!(
                "{:?}: its schema is larger than {SCHEMA_BYTES_MAX} bytes",
                tool.name
            ));
        } else if kept.len() >= TOOLS_MAX {
            remarks
                .push(format!("{:?}: there are more than {TOOLS_MAX}; use toolFilter", tool.name));
        } else {
            kept.push((tool, schema));
        }
    }
    let names = names(server, kept.iter().map(|(tool, _)| tool.name.as_ref()));
    let tools = kept.into_iter().zip(names).map(|((tool, schema), name)| one(tool, schema, name));
    (tools.collect(), remarks)
}

fn one(tool: Tool, mut schema: Value, name: String) -> ListedTool {
    let hints = tool.annotations.as_ref();
    let is_idempotent = hints.is_some_and(|hints| {
        hints.read_only_hint == Some(true) || hints.idempotent_hint == Some(true)
    });
    let title = hints.and_then(|hints| hints.title.clone()).or(tool.title);
    let description = tool.description.map(String::from).or(title).unwrap_or_default();
    // Providers want it said, servers of tools without arguments often do not say it.
    if schema.get("type").is_none() {
        schema["type"] = json!("object");
    }
    if schema.get("properties").is_none() {
        schema["properties"] = json!({});
    }
    let description = description.chars().take(DESCRIPTION_CHARS_MAX).collect();
    let spec = ToolSpec { name, description, parameters: schema };
    ListedTool { name: tool.name.into(), spec, is_idempotent }
}

/// What the model reads of a result. `Err` where the server says that the call failed.
///
/// # Errors
/// The server's own words.
pub fn outcome(result: &CallToolResult) -> Result<String, String> {
    let mut blocks: Vec<String> = result.content.iter().map(block).collect();
    if let (true, Some(structured)) = (blocks.is_empty(), &result.structured_content) {
        blocks.push(structured.to_string());
    }
    let text = blocks.join("\n");
    match (result.is_error, text.is_empty()) {
        (Some(true), true) => Err("the tool failed and did not say why".into()),
        (Some(true), false) => Err(text),
        (_, true) => Ok("(done, without any output)".into()),
        (_, false) => Ok(text),
    }
}

/// Text as it is; a model can't read the rest, so it is told what there is.
fn block(block: &ContentBlock) -> String {
    match block {
        ContentBlock::Text(text) => text.text.clone(),
        ContentBlock::Image(image) => binary("image", &image.mime_type, &image.data),
        ContentBlock::Audio(audio) => binary("audio", &audio.mime_type, &audio.data),
        ContentBlock::Resource(embedded) => resource(&embedded.resource),
        ContentBlock::ResourceLink(link) => {
            let about = link.description.as_ref().or(link.title.as_ref());
            let about = about.map(|about| format!(": {about}")).unwrap_or_default();
            format!("[resource {} ({}){about}]", link.uri, link.name)
        }
        _ => "[content of a kind this program does not know]".into(),
    }
}

fn resource(resource: &ResourceContents) -> String {
    match resource {
        ResourceContents::TextResourceContents { uri, text, .. } => {
            format!("[resource {uri}]\n{text}")
        }
        ResourceContents::BlobResourceContents { uri, mime_type, blob, .. } => {
            let kind = mime_type.as_deref().unwrap_or("of unknown type");
            binary(&format!("resource {uri}"), kind, blob)
        }
        _ => "[resource of a kind this program does not know]".into(),
    }
}

fn binary(what: &str, kind: &str, base64: &str) -> String {
    let bytes = base64.trim_end_matches('=').len() * 3 / 4;
    format!("[{what}, {kind}, {bytes} bytes; not shown]")
}

#[cfg(test)]
mod tests {
    use serde_json::from_value;

    use super::*;

    fn result(value: Value) -> Result<String, String> {
        outcome(&from_value(value).unwrap())
    }

    fn listing(tools: Value, exclude: &[&str]) -> (Vec<ListedTool>, Vec<String>) {
        let exclude: Vec<String> = exclude.iter().map(ToString::to_string).collect();
        listed("s", &[], &exclude, from_value(tools).unwrap())
    }

    #[test]
    fn text_is_text_and_everything_else_is_described() {
        let text = result(json!({"content": [
            {"type": "text", "text": "hello"},
            {"type": "image", "mimeType": "image/png", "data": "AAAAAAA="},
            {"type": "resource", "resource": {"uri": "a://1", "text": "inside"}},
            {"type": "resource", "resource": {"uri": "a://2", "blob": "AAAA"}},
            {"type": "resource_link", "uri": "a://3", "name": "third", "description": "see"},
        ]}));
        let expected = "hello\n[image, image/png, 5 bytes; not shown]\n[resource a://1]\ninside\n\
                        [resource a://2, of unknown type, 3 bytes; not shown]\n\
                        [resource a://3 (third): see]";
        assert_eq!(text.unwrap(), expected);
    }

    #[test]
    fn a_failure_of_the_tool_is_a_failure() {
        let failed = json!({"content": [{"type": "text", "text": "no"}], "isError": true});
        assert_eq!(result(failed).unwrap_err(), "no");
        assert!(result(json!({"content": [], "isError": true})).unwrap_err().contains("why"));
    }

    #[test]
    fn structure_alone_is_shown_as_it_is() {
        assert_eq!(
            result(json!({"content": [], "structuredContent": {"a": 1}})).unwrap(),
            r#"{"a":1}"#
        );
        assert!(result(json!({"content": []})).unwrap().contains("without any output"));
    }

    #[test]
    fn hints_say_what_may_be_repeated() {
        let tool = |name: &str, hints: Value| json!({"name": name, "inputSchema": {}, "annotations": hints});
        let (tools, _) = listing(
            json!([
                tool("a", json!({"readOnlyHint": true})),
                tool("b", json!({"idempotentHint": true})),
                tool("c", json!({"readOnlyHint": false})),
                {"name": "d", "inputSchema": {"type": "object"}},
            ]),
            &[],
        );
        let harmless: Vec<bool> = tools.iter().map(|tool| tool.is_idempotent).collect();
        assert_eq!(harmless, [true, true, false, false]);
        assert_eq!(tools[0].spec.parameters, json!({"type": "object", "properties": {}}));
        assert_eq!(tools[3].spec.name, "s__d");
    }

    #[test]
    fn what_is_excluded_doubled_or_too_large_is_left_out() {
        let huge = json!({"type": "object", "description": "x".repeat(SCHEMA_BYTES_MAX)});
        let (tools, remarks) = listing(
            json!([
                {"name": "a", "inputSchema": {}}, {"name": "a", "inputSchema": {}},
                {"name": "b", "inputSchema": {}}, {"name": "c", "inputSchema": huge},
            ]),
            &["b"],
        );
        assert_eq!(tools.len(), 1);
        assert!(remarks.len() == 1 && remarks[0].contains("\"c\""), "{remarks:?}");
    }
}
