//! `telson abort`.

use std::process::ExitCode;

use serde_json::json;

use super::args::Place;
use super::exit::Failure;
use super::output::Output;
use super::remote::Line;

pub(super) async fn run(
    place: &Place,
    session: &str,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let mut client = Line::open(place).await?;
    let answer = client.call("sessions.abort", json!({"key": session})).await?;
    // Whole, whichever part of it was typed.
    let session = answer["session"].as_str().unwrap_or(session);
    output.show(&answer, || match answer["stopped"]["messages"].as_u64() {
        None | Some(0) => format!("nothing runs or waits in {session}\n"),
        Some(1) => format!("stopped in {session}: 1 message is not answered\n"),
        Some(many) => format!("stopped in {session}: {many} messages are not answered\n"),
    });
    Ok(ExitCode::SUCCESS)
}
