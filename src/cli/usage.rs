//! `telson usage`.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::Place;
use super::exit::Failure;
use super::output::{Output, table};
use super::remote::Line;

pub(super) async fn run(place: &Place, days: u64, output: &Output) -> Result<ExitCode, Failure> {
    let mut client = Line::open(place).await?;
    let usage = client.call("telson.usage", json!({"days": days})).await?;
    output.show(&usage, || text(*output, &usage));
    Ok(ExitCode::SUCCESS)
}

fn text(output: Output, usage: &Value) -> String {
    let head = ["DAY", "SESSION", "MODEL", "CALLS", "IN", "OUT", "COST"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for day in usage["days"].as_array().into_iter().flatten() {
        for line in day["lines"].as_array().into_iter().flatten() {
            let name = |key: &str| line[key].as_str().unwrap_or("?").to_owned();
            let date = day["date"].as_str().unwrap_or("?").to_owned();
            rows.push([vec![date, name("session"), name("model")], figures(line)].concat());
        }
    }
    if rows.len() == 1 {
        return "no model was asked in this time\n".to_owned();
    }
    let total = &usage["total"];
    let name = ["total".to_owned(), String::new(), String::new()].to_vec();
    rows.push([name, figures(total)].concat());
    let mut text = table(output, &rows);
    for (key, what) in [
        ("unreported", "calls came without figures from their provider and are not in the sums"),
        ("unpriced", "calls are not in the cost: their model has no price in the config"),
    ] {
        if let Some(calls) = total[key].as_u64().filter(|calls| *calls > 0) {
            text.push_str(&format!("{calls} {what}\n"));
        }
    }
    text
}

fn figures(of: &Value) -> Vec<String> {
    let number = |key: &str| of[key].as_u64().unwrap_or(0).to_string();
    let cost = of["costUsd"].as_f64().unwrap_or(0.0);
    vec![number("calls"), number("inputTokens"), number("outputTokens"), format!("${cost:.4}")]
}
