//! `telson tree`.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::Place;
use super::exit::Failure;
use super::output::{Output, Tone};
use super::remote::Line;
use super::time::duration;

pub(super) async fn run(place: &Place, output: &Output) -> Result<ExitCode, Failure> {
    let mut client = Line::open(place).await?;
    let tree = client.call("telson.tree", json!({})).await?;
    output.show(&tree, || {
        let mut text = String::new();
        draw(*output, &tree, "", "", &mut text);
        text
    });
    Ok(ExitCode::SUCCESS)
}

fn draw(output: Output, node: &Value, lead: &str, below: &str, text: &mut String) {
    let id = node["id"].as_str().unwrap_or("?");
    text.push_str(&format!("{lead}{}{}\n", output.paint(Tone::Bold, id), facts(output, node)));
    let children = node["children"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (index, child) in children.iter().enumerate() {
        let is_last = index + 1 == children.len();
        let (branch, rest) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        draw(output, child, &format!("{below}{branch}"), &format!("{below}{rest}"), text);
    }
}

fn facts(output: Output, node: &Value) -> String {
    let mut facts = Vec::new();
    if let Some(strategy) = node.pointer("/kind/branch").and_then(Value::as_str) {
        facts.push(output.paint(Tone::Dim, strategy));
    }
    let state = node["state"].as_str().unwrap_or("?");
    if state != "running" {
        facts.push(output.paint(Tone::Bad, state));
    }
    if let Some(live) = node["live"].as_u64() {
        facts.push(format!("{live} live"));
    }
    if let Some(restarts) = node["restarts"].as_u64().filter(|restarts| *restarts > 0) {
        facts.push(output.paint(Tone::Warn, &format!("restarted {restarts}x")));
    }
    if let Some(depth) = node["mailbox_depth"].as_u64().filter(|depth| *depth > 0) {
        facts.push(format!("{depth} queued"));
    }
    if let Some(idle) = node["idle_ms"].as_u64() {
        facts.push(output.paint(Tone::Dim, &format!("last work {} ago", duration(idle))));
    }
    for (key, tone) in [("last_error", Tone::Warn), ("note", Tone::Warn)] {
        if let Some(said) = node[key].as_str() {
            facts.push(output.paint(tone, said));
        }
    }
    if facts.is_empty() { String::new() } else { format!("  {}", facts.join(", ")) }
}
