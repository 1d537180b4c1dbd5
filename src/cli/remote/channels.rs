//! `telson channels status`.

use std::process::ExitCode;

use serde_json::{Value, json};
use telson_actors::event::excerpt;

use super::super::args::Place;
use super::super::exit::Failure;
use super::super::output::{Output, Tone, table};
use super::super::time::moment;
use super::{ChannelCommand, Line};

/// Longest wait for one account's platform, in milliseconds.
const PROBE_MS: u64 = 10_000;

pub(in crate::cli) async fn run(
    place: &Place,
    command: ChannelCommand,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let ChannelCommand::Status { probe } = command;
    let params = json!({"probe": probe, "timeoutMs": PROBE_MS});
    let answer = Line::open(place).await?.call("channels.status", params).await?;
    output.show(&answer, || text(*output, &answer));
    let is_well = accounts(&answer).all(|(_, account)| fault(account).is_none());
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn accounts(answer: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let channels = answer["channelAccounts"].as_object().into_iter().flatten();
    channels.flat_map(|(channel, accounts)| {
        accounts.as_array().into_iter().flatten().map(move |account| (channel, account))
    })
}

fn text(output: Output, answer: &Value) -> String {
    let head = ["CHANNEL", "ACCOUNT", "STATE", "LAST IN", "LAST OUT", "NOTES"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (channel, account) in accounts(answer) {
        let fault = fault(account);
        let (state, tone) = match (&fault, &account["enabled"]) {
            (_, Value::Bool(false)) => ("off", Tone::Dim),
            (Some(_), _) => ("troubled", Tone::Bad),
            (None, _) => ("works", Tone::Good),
        };
        rows.push(vec![
            channel.clone(),
            account["accountId"].as_str().unwrap_or("?").to_owned(),
            output.paint(tone, state),
            moment(&account["lastInboundAt"]),
            moment(&account["lastOutboundAt"]),
            fault.unwrap_or_default(),
        ]);
    }
    if rows.len() == 1 {
        return "no channels: add one to the config\n".to_owned();
    }
    table(output, &rows)
}

/// What is wrong with an account that is meant to work.
fn fault(account: &Value) -> Option<String> {
    if account["enabled"] == false {
        return None;
    }
    let said = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(excerpt);
    if account.pointer("/probe/ok") == Some(&Value::Bool(false)) {
        let why = account.pointer("/probe/error").and_then(said);
        return Some(why.unwrap_or_else(|| "its platform does not answer".into()));
    }
    let is_down = ["configured", "running", "connected"]
        .into_iter()
        .find(|key| account.get(*key) == Some(&Value::Bool(false)));
    said(&account["lastError"])
        .filter(|_| is_down.is_some() || account["running"] != true)
        .or_else(|| is_down.map(|key| format!("not {key}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::fault;

    #[test]
    fn an_account_that_should_work_and_does_not_is_at_fault() {
        let running = json!({"running": true, "connected": true, "lastError": "an old one"});
        assert_eq!(fault(&running), None);
        assert_eq!(fault(&json!({"enabled": false, "running": false})), None);
        let down = json!({"running": false, "lastError": "no token"});
        assert_eq!(fault(&down).unwrap(), "no token");
        assert_eq!(fault(&json!({"running": true, "connected": false})).unwrap(), "not connected");
        let probed = json!({"running": true, "probe": {"ok": false, "error": "401"}});
        assert_eq!(fault(&probed).unwrap(), "401");
    }
}
