//! `telson sessions`: which conversations there are.

use std::process::ExitCode;

use serde_json::{Value, json};
use telson_actors::event::excerpt;

use super::super::args::Place;
use super::super::exit::Failure;
use super::super::output::{Output, table};
use super::super::time::moment;
use super::Line;

pub(in crate::cli) async fn run(
    place: &Place,
    limit: u32,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let params = json!({"limit": limit, "includeLastMessage": true});
    let answer = Line::open(place).await?.call("sessions.list", params).await?;
    output.show(&answer, || text(*output, &answer));
    Ok(ExitCode::SUCCESS)
}

fn text(output: Output, answer: &Value) -> String {
    let sessions = answer["sessions"].as_array().map(Vec::as_slice).unwrap_or_default();
    if sessions.is_empty() {
        return "no sessions: nobody has been answered yet\n".to_owned();
    }
    let head = ["SESSION", "CHANGED", "STATUS", "MODEL", "TOKENS", "LAST"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for session in sessions {
        let cell = |key: &str| excerpt(session[key].as_str().unwrap_or(""));
        let tokens = session["totalTokens"].as_u64().map_or_else(String::new, |n| n.to_string());
        let (changed, last) = (moment(&session["updatedAt"]), cell("lastMessagePreview"));
        rows.push(vec![cell("key"), changed, cell("status"), cell("model"), tokens, last]);
    }
    let mut text = table(output, &rows);
    let total = answer["totalCount"].as_u64().unwrap_or(0);
    let more = total.saturating_sub(sessions.len() as u64);
    if more > 0 {
        text.push_str(&format!("and {more} more: --limit {total} shows them\n"));
    }
    text + "next: `telson chat --session <SESSION>`\n"
}
