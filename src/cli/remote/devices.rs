//! `telson devices`: who is let in.

use std::process::ExitCode;

use serde_json::{Value, json};
use telson_actors::event::excerpt;

use super::super::args::Place;
use super::super::exit::Failure;
use super::super::output::{Output, table};
use super::super::time::moment;
use super::{DeviceCommand, Line};

pub(in crate::cli) async fn run(
    place: &Place,
    command: DeviceCommand,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let mut line = Line::open(place).await?;
    let (method, params) = question(&command);
    let answer = line.call(method, params).await?;
    output.show(&answer, || text(*output, &command, &answer));
    Ok(ExitCode::SUCCESS)
}

fn question(command: &DeviceCommand) -> (&'static str, Value) {
    match command {
        DeviceCommand::List => ("device.pair.list", json!({})),
        DeviceCommand::Approve { request } => {
            ("device.pair.approve", json!({"requestId": request}))
        }
        DeviceCommand::Reject { request } => ("device.pair.reject", json!({"requestId": request})),
        DeviceCommand::Remove { device } => ("device.pair.remove", json!({"deviceId": device})),
        DeviceCommand::Rotate { device, role, scopes } if scopes.is_empty() => {
            ("device.token.rotate", json!({"deviceId": device, "role": role}))
        }
        DeviceCommand::Rotate { device, role, scopes } => {
            ("device.token.rotate", json!({"deviceId": device, "role": role, "scopes": scopes}))
        }
        DeviceCommand::Revoke { device, role } => {
            ("device.token.revoke", json!({"deviceId": device, "role": role}))
        }
    }
}

fn text(output: Output, command: &DeviceCommand, answer: &Value) -> String {
    match command {
        DeviceCommand::List => list(output, answer),
        DeviceCommand::Approve { request } => format!("{request} is let in\n"),
        DeviceCommand::Reject { request } => format!("{request} is turned away\n"),
        DeviceCommand::Remove { device } => format!("{device} is forgotten\n"),
        DeviceCommand::Revoke { device, role } => {
            format!("{device} has no {role} token any more\n")
        }
        DeviceCommand::Rotate { device, role, .. } => match answer["token"].as_str() {
            Some(token) => format!("the new {role} token of {device}: {token}\n"),
            None => format!("{device} has a new {role} token; only the device itself is told it\n"),
        },
    }
}

fn list(output: Output, answer: &Value) -> String {
    let rows = |list: &str| answer[list].as_array().cloned().unwrap_or_default();
    let (pending, paired) = (rows("pending"), rows("paired"));
    if pending.is_empty() && paired.is_empty() {
        return "no devices: nobody has asked to be let in\n".to_owned();
    }
    let mut text = String::new();
    if !pending.is_empty() {
        let head = ["WAITS", "DEVICE", "CLIENT", "ROLE", "SCOPES", "SINCE"];
        let mut shown = vec![head.map(str::to_owned).to_vec()];
        for one in &pending {
            let mut row = vec![cell(one, "requestId"), cell(one, "deviceId")];
            row.extend([cell(one, "clientId"), cell(one, "role"), list_of(&one["scopes"])]);
            row.push(moment(&one["ts"]));
            shown.push(row);
        }
        text = table(output, &shown) + "next: `telson devices approve|reject <WAITS>`\n";
    }
    if !paired.is_empty() {
        let head = ["DEVICE", "CLIENT", "ROLE", "SCOPES", "LAST SEEN"];
        let mut shown = vec![head.map(str::to_owned).to_vec()];
        for one in &paired {
            let name = match cell(one, "displayName") {
                name if name.is_empty() => cell(one, "clientId"),
                name => name,
            };
            let (scopes, seen) = (list_of(&one["scopes"]), moment(&one["lastSeenAtMs"]));
            shown.push(vec![cell(one, "deviceId"), name, cell(one, "role"), scopes, seen]);
        }
        text.push_str(&table(output, &shown));
    }
    text
}

fn cell(of: &Value, key: &str) -> String {
    excerpt(of[key].as_str().unwrap_or(""))
}

fn list_of(values: &Value) -> String {
    let names = values.as_array().into_iter().flatten().filter_map(Value::as_str);
    let names: Vec<_> = names.map(|name| name.strip_prefix("operator.").unwrap_or(name)).collect();
    excerpt(&names.join(","))
}
