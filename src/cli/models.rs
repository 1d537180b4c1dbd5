//! `telson models`: the keys of models' providers.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::{ModelsCommand, Place};
use super::exit::Failure;
use super::output::{Output, table};
use super::remote::Line;
use super::time::moment;

pub(super) async fn run(
    place: &Place,
    command: ModelsCommand,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let mut client = Line::open(place).await?;
    match command {
        ModelsCommand::Keys => {
            let answer = client.call("telson.models.keys", json!({})).await?;
            output.show(&answer, || keys(*output, &answer));
        }
        ModelsCommand::Wake { name } => {
            let answer = client.call("telson.models.wake", json!({"name": name})).await?;
            output.show(&answer, || woken(&name, &answer));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn woken(name: &str, answer: &Value) -> String {
    let woken: Vec<&str> =
        answer["woken"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match woken.as_slice() {
        [] => format!("nothing of {name} rests"),
        _ => format!("may be asked again: {}", woken.join(", ")),
    }
}

fn keys(output: Output, answer: &Value) -> String {
    let head = ["PROVIDER", "KEY", "STATE", "UNTIL", "WHY"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for key in answer["keys"].as_array().into_iter().flatten() {
        let cell = |of: &Value, name: &str| of[name].as_str().unwrap_or("").to_owned();
        let who = [cell(key, "provider"), cell(key, "key")];
        let rests = key["rests"].as_array().cloned().unwrap_or_default();
        if rests.is_empty() {
            rows.push([&who[..], &["ready".to_owned()]].concat());
        }
        for rest in &rests {
            let state = match rest["model"].as_str() {
                Some(model) => format!("rests for {model}"),
                None => "rests".to_owned(),
            };
            rows.push([&who[..], &[state, moment(&rest["until"]), cell(rest, "why")]].concat());
        }
    }
    table(output, &rows) + "\nnext: `telson models wake <PROVIDER|KEY>` ends a rest\n"
}
