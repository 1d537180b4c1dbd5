//! `telson health`: whether the service works, in one line and one exit code.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::args::Place;
use super::super::exit::Failure;
use super::super::output::{Output, Tone};
use super::super::time::duration;
use super::Line;

pub(in crate::cli) async fn run(place: &Place, output: &Output) -> Result<ExitCode, Failure> {
    let health = Line::open(place).await?.call("health", json!({})).await?;
    output.show(&health, || text(*output, &health));
    // One that ends takes nothing new: whoever would send it something goes elsewhere.
    let is_well = health["ok"] == true && health["draining"] != true;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text(output: Output, health: &Value) -> String {
    let mut text = match (health["draining"] == true, health["ok"] == true) {
        (true, _) => output.paint(Tone::Warn, "draining"),
        (_, true) => output.paint(Tone::Good, "healthy"),
        (false, false) => output.paint(Tone::Bad, "not healthy"),
    };
    if let Some(up) = health["uptimeMs"].as_u64() {
        text.push_str(&format!(", up {}", duration(up)));
    }
    text.push('\n');
    if health["draining"] == true {
        text.push_str("it takes nothing new, and ends when what is under way is finished\n");
    }
    for trouble in health["troubled"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        text.push_str(&format!("{} {trouble}\n", output.paint(Tone::Bad, "trouble:")));
    }
    text
}
