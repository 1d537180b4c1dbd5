//! The client that the published MCP conformance suite examines: an engine with one MCP server, and
//! a model that calls every tool it is offered, once.
//!
//! `npx @modelcontextprotocol/conformance client --suite all --command target/debug/examples/mcp_conformance`

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};
use telson::Engine;
use telson::actors::channel::Callback;
use telson::actors::clock::Timestamp;
use telson::actors::mcp::{McpServer, Transport};
use telson::actors::message::{AccountKey, Inbound};
use telson::actors::provider::{
    Completion, Failure, Part, Provider, Request, TextSink, ToolCall, ToolSpec,
};
use telson::actors::router::Access;
use telson::actors::session::AgentProfile;
use telson::actors::store::MemoryBackend;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Asks for every tool, and then says what they answered.
struct Curious;

impl Provider for Curious {
    fn stream<'a>(
        &'a self,
        request: &'a Request,
        _: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        let parts = request.messages.iter().flat_map(|message| &message.parts);
        let results: Vec<&str> = parts
            .filter_map(|part| match part {
                Part::Result(result) => Some(result.text.as_str()),
                _ => None,
            })
            .collect();
        let mut completion = Completion::text(format!("done: {}", results.join("\n")));
        if results.is_empty() && !request.tools.is_empty() {
            completion.parts = request.tools.iter().map(call).collect();
        }
        Box::pin(std::future::ready(Ok(completion)))
    }
}

fn call(tool: &ToolSpec) -> Part {
    let none = Map::new();
    let wanted = tool.parameters["properties"].as_object().unwrap_or(&none);
    let arguments: Map<String, Value> =
        wanted.iter().map(|(name, schema)| (name.clone(), some(schema))).collect();
    let (id, name) = (tool.name.clone(), tool.name.clone());
    Part::Call(ToolCall {
        id,
        name,
        arguments: Value::Object(arguments).to_string(),
        signature: None,
    })
}

/// A value that fits a simple schema.
fn some(schema: &Value) -> Value {
    match schema["type"].as_str() {
        Some("number" | "integer") => json!(5),
        Some("boolean") => json!(true),
        Some("array") => json!([]),
        Some("object") => json!({}),
        _ => json!("text"),
    }
}

#[tokio::main]
async fn main() -> Outcome<ExitCode> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let url = std::env::args().next_back().unwrap_or_default();
    let account = AccountKey::new("suite", "default");
    let profile = AgentProfile {
        provider: "curious".into(),
        model: "curious".into(),
        system: String::new(),
        output_tokens_max: 100,
    };
    let engine = Engine::builder()
        .backend(Arc::new(MemoryBackend::new()))
        .channel(account.clone(), Arc::new(Callback::new(|_| Ok(()))), None, Access::everybody())
        .provider("curious", Arc::new(Curious))
        .agent("main", profile)
        .mcp_server(
            McpServer::new("suite", Transport::Http { url, headers: Vec::new() }),
            &["main"],
        )
        .start()
        .await?;
    engine.inject(Inbound::direct(&account, "1", "suite", "go", Timestamp(0))).await?;
    engine.drain(Duration::from_secs(20)).await;
    let tree = serde_json::to_string(&engine.tree())?;
    engine.shutdown(Duration::from_secs(5)).await;
    Ok(if tree.contains("\"up, ") { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
