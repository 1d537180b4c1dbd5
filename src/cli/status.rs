//! `telson status`.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::Place;
use super::exit::Failure;
use super::output::{Output, Tone, table};
use super::remote::Line;
use super::time::{duration, moment};

pub(super) async fn run(place: &Place, output: &Output) -> Result<ExitCode, Failure> {
    let mut client = Line::open(place).await?;
    let status = client.call("status", json!({})).await?;
    output.show(&status, || text(*output, &status));
    Ok(ExitCode::SUCCESS)
}

fn text(output: Output, status: &Value) -> String {
    if status["state"] == "waiting" {
        return waiting(output, status);
    }
    let number = |pointer: &str| status.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let mut text = format!(
        "telson {} (pid {}), up {}\n",
        status["version"].as_str().unwrap_or("?"),
        number("/pid"),
        duration(number("/uptimeMs")),
    );
    if status["state"] == "draining" {
        let what = output.paint(Tone::Warn, "draining:");
        text.push_str(&format!("{what} it takes nothing new, and ends when it is finished\n"));
    }
    if let Some(state @ ("suspending" | "suspended")) = status["state"].as_str() {
        let what = output.paint(Tone::Warn, &format!("{state}:"));
        let rest = "nothing new begins until its supervisor resumes it, or for two minutes";
        text.push_str(&format!("{what} {rest}\n"));
    }
    for notice in status["notices"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        text.push_str(&format!("{} {notice}\n", output.paint(Tone::Warn, "notice:")));
    }
    text.push_str(&format!(
        "waiting {}   undelivered {}   dead letters {}   live sessions {}   store {} KiB\n",
        number("/load/waiting"),
        number("/load/undelivered"),
        number("/deadLetters"),
        number("/sessionsLive"),
        number("/store/disk_bytes") / 1024,
    ));
    text.push_str(&damage(output, status));
    text.push('\n');
    let mut rows = vec![vec!["WHAT".to_owned(), "STATE".to_owned(), "NOTES".to_owned()]];
    for list in ["channels", "providers", "mcp"] {
        for item in status[list].as_array().into_iter().flatten() {
            rows.push(row(output, item));
        }
    }
    text + &table(output, &rows) + &troubles(output, status)
}

/// What rests, fails or is used up; nothing where all is well.
fn troubles(output: Output, status: &Value) -> String {
    let lines = status["troubles"].as_array().into_iter().flatten().map(|trouble| {
        let cell = |key: &str| trouble[key].as_str().unwrap_or("?");
        let what = format!("{} {}:", cell("kind"), cell("id"));
        let until = match moment(&trouble["until"]) {
            until if until.is_empty() => until,
            until => format!(", until {until}"),
        };
        format!("{} {}{until}\n", output.paint(Tone::Warn, &what), cell("text"))
    });
    let lines: String = lines.collect();
    if lines.is_empty() { lines } else { format!("\n{lines}") }
}

/// What was found damaged; nothing where all is well.
fn damage(output: Output, status: &Value) -> String {
    let mut text = String::new();
    let damaged = status["damaged"].as_u64().unwrap_or(0);
    if damaged > 0 {
        let line = format!("damaged records {damaged}: see `telson dead-letters list`");
        text.push_str(&format!("{}\n", output.paint(Tone::Bad, &line)));
    }
    for path in status["store"]["kept"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let line = format!("damaged files kept: {path}");
        text.push_str(&format!("{}\n", output.paint(Tone::Warn, &line)));
    }
    text
}

/// A service that lives and has nothing to show: what it waits for.
fn waiting(output: Output, status: &Value) -> String {
    let notice = status.pointer("/notices/0").and_then(Value::as_str).unwrap_or("?");
    format!(
        "telson {} (pid {}) is {}: {notice}\n",
        status["version"].as_str().unwrap_or("?"),
        status["pid"],
        output.paint(Tone::Bad, "waiting"),
    )
}

fn row(output: Output, item: &Value) -> Vec<String> {
    let state = item["state"].as_str().unwrap_or("?");
    let tone = if state == "running" { Tone::Good } else { Tone::Bad };
    let notes: Vec<&str> =
        item["notes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    vec![item["id"].as_str().unwrap_or("?").to_owned(), output.paint(tone, state), notes.join("; ")]
}
