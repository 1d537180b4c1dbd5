//! `telson gateway call`.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use super::super::args::Place;
use super::super::exit::Failure;
use super::super::output::Output;
use super::{CallArgs, Line};

pub(super) async fn run(
    place: &Place,
    args: CallArgs,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let params: Value = serde_json::from_str(&args.params)
        .map_err(|error| Failure::rejected(format!("--params is not JSON: {error}")))?;
    let answer = match Line::open(place).await? {
        Line::Gateway(mut client) => {
            let time = Duration::from_secs(args.timeout);
            client.call_within(&args.method, params, time, args.expect_final).await?
        }
        Line::Control(mut client) => client.call(&args.method, params).await?,
    };
    // Both are JSON; people get it over several lines.
    output.show(&answer, || serde_json::to_string_pretty(&answer).unwrap_or_default());
    Ok(ExitCode::SUCCESS)
}
