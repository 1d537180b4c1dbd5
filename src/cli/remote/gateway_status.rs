//! `telson gateway status`: where the gateway is reached, and what its certificate is known by.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::args::Place;
use super::super::exit::Failure;
use super::super::output::Output;
use super::Line;

pub(super) async fn run(place: &Place, output: &Output) -> Result<ExitCode, Failure> {
    let answer = Line::open(place).await?.call("telson.gateway.address", json!({})).await?;
    output.show(&answer, || text(&answer));
    Ok(ExitCode::SUCCESS)
}

fn text(answer: &Value) -> String {
    let mut text = String::new();
    for (key, label) in [
        ("url", "gateway on"),
        ("tlsFingerprint", "certificate, SHA-256:"),
        ("tailscaleUrl", "carried by Tailscale to"),
    ] {
        if let Some(value) = answer[key].as_str() {
            text.push_str(&format!("{label} {value}\n"));
        }
    }
    text
}
