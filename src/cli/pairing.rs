//! `telson pairing`: people who want to write.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::{PairingCode, PairingCommand, Place};
use super::exit::Failure;
use super::output::{Output, table};
use super::remote::Line;
use super::time::moment;

pub(super) async fn run(
    place: &Place,
    command: PairingCommand,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let mut client = Line::open(place).await?;
    match command {
        PairingCommand::List { channel, account } => {
            let params = json!({"channel": channel, "account": account});
            let answer = client.call("pairing.list", params).await?;
            output.show(&answer, || list(*output, &answer));
        }
        PairingCommand::Approve(PairingCode { channel, code, account }) => {
            let params = json!({"channel": channel, "code": code, "account": account});
            let answer = client.call("pairing.approve", params).await?;
            output.show(&answer, || approved(&answer));
        }
        PairingCommand::Reject(PairingCode { channel, code, account }) => {
            let params = json!({"channel": channel, "code": code, "account": account});
            let answer = client.call("pairing.reject", params).await?;
            output.show(&answer, || {
                format!("the request of {} is turned away; they may ask again", sender(&answer))
            });
        }
        PairingCommand::Revoke { channel, person, account } => {
            let params = json!({"channel": channel, "person": person, "account": account});
            let answer = client.call("pairing.revoke", params).await?;
            output.show(&answer, || format!("{} may not write any more", sender(&answer)));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn sender(answer: &Value) -> &str {
    answer["sender"].as_str().unwrap_or("?")
}

fn approved(answer: &Value) -> String {
    let told = if answer["told"] == true { "they are told" } else { "tell them to write again" };
    let account = answer["account"].as_str().unwrap_or("?");
    format!("{} may write direct messages on {account}; {told}", sender(answer))
}

fn list(output: Output, answer: &Value) -> String {
    let mut waiting =
        vec![["CODE", "ACCOUNT", "WHO", "SINCE", "UNTIL"].map(str::to_owned).to_vec()];
    let mut paired = vec![["ACCOUNT", "APPROVED"].map(str::to_owned).to_vec()];
    for account in answer["accounts"].as_array().into_iter().flatten() {
        let name = account["account"].as_str().unwrap_or("?").to_owned();
        for request in account["pending"].as_array().into_iter().flatten() {
            let cell = |key: &str| request[key].as_str().unwrap_or("?").to_owned();
            let times = [moment(&request["requestedAt"]), moment(&request["expiresAt"])];
            let who = vec![cell("code"), name.clone(), cell("sender")];
            waiting.push([who, times.to_vec()].concat());
        }
        for person in account["paired"].as_array().into_iter().flatten() {
            paired.push(vec![name.clone(), person.as_str().unwrap_or("?").to_owned()]);
        }
    }
    let mut text = match waiting.len() {
        1 => "nobody waits for approval\n".to_owned(),
        _ => table(output, &waiting) + "\nnext: `telson pairing approve|reject <CHANNEL> <CODE>`\n",
    };
    if paired.len() > 1 {
        text.push('\n');
        text.push_str(&table(output, &paired));
    }
    text
}
