//! `telson heartbeat` and `telson system`.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::{HeartbeatCommand, Place, SystemCommand};
use super::exit::Failure;
use super::output::Output;
use super::remote::Line;
use super::time::moment;

pub(super) async fn run(
    place: &Place,
    command: HeartbeatCommand,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let mut client = Line::open(place).await?;
    match command {
        HeartbeatCommand::Last => {
            let last = client.call("last-heartbeat", json!({})).await?;
            output.show(&last, || text(&last));
        }
        HeartbeatCommand::Enable => switch(&mut client, true, output).await?,
        HeartbeatCommand::Disable => switch(&mut client, false, output).await?,
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn system(
    place: &Place,
    command: SystemCommand,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let SystemCommand::Event { text, mode, session } = command;
    let mut client = Line::open(place).await?;
    let params = json!({"text": text, "mode": mode, "sessionKey": session});
    let answer = client.call("wake", params).await?;
    let session = answer["sessionKey"].as_str().unwrap_or("?");
    output.show(&answer, || match (answer["queued"].as_bool(), mode.as_str()) {
        (Some(false), _) => format!("{session} waits to be told that already\n"),
        (_, "now") => format!("{session} is told now\n"),
        _ => format!("{session} is told with its next turn\n"),
    });
    Ok(ExitCode::SUCCESS)
}

async fn switch(client: &mut Line, enabled: bool, output: &Output) -> Result<(), Failure> {
    let answer = client.call("set-heartbeats", json!({"enabled": enabled})).await?;
    let said = if enabled { "on" } else { "off, until `telson heartbeat enable`" };
    output.show(&answer, || format!("heartbeats are {said}\n"));
    Ok(())
}

fn text(last: &Value) -> String {
    let Some(status) = last["status"].as_str() else {
        return "there was no heartbeat yet\n".to_owned();
    };
    let at = moment(&last["ts"]);
    let mut text = format!("{at}  agent {}: {status}", last["agentId"].as_str().unwrap_or("?"));
    if let Some(reason) = last["reason"].as_str().filter(|reason| *reason != status) {
        text.push_str(&format!(" ({reason})"));
    }
    if let (Some(channel), Some(to)) = (last["channel"].as_str(), last["to"].as_str()) {
        text.push_str(&format!(", to {to} on {channel}"));
    }
    if let Some(millis) = last["durationMs"].as_u64() {
        text.push_str(&format!(", after {millis} ms"));
    }
    text.push('\n');
    if let Some(preview) = last["preview"].as_str() {
        text.push_str(&format!("  {}\n", preview.replace('\n', "\n  ")));
    }
    text
}
