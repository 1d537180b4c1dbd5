//! `telson dead-letters`.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::{DeadLetterCommand, Place};
use super::exit::Failure;
use super::output::{Output, table};
use super::remote::Line;
use super::time::moment;

pub(super) async fn run(
    place: &Place,
    command: DeadLetterCommand,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let mut client = Line::open(place).await?;
    match command {
        DeadLetterCommand::List => {
            let answer = client.call("telson.deadLetters.list", json!({})).await?;
            output.show(&answer, || list(*output, &answer));
        }
        DeadLetterCommand::Show { id } => {
            let answer = client.call("telson.deadLetters.show", json!({"id": id})).await?;
            output.show(&answer, || show(&answer));
        }
        DeadLetterCommand::Replay { id, yes, text } => {
            let params = json!({"id": id, "yes": yes, "text": text});
            act(&mut client, "telson.deadLetters.replay", params, output).await?;
        }
        DeadLetterCommand::Drop { id } => {
            act(&mut client, "telson.deadLetters.drop", json!({"id": id}), output).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn act(
    client: &mut Line,
    method: &str,
    params: Value,
    output: &Output,
) -> Result<(), Failure> {
    let answer = client.call(method, params).await?;
    output.show(&answer, || answer["result"].as_str().unwrap_or("done").to_owned());
    Ok(())
}

fn list(output: Output, answer: &Value) -> String {
    let letters = answer["deadLetters"].as_array().cloned().unwrap_or_default();
    let damaged = damaged(output, answer);
    if letters.is_empty() {
        let none = "no dead letters: everything accepted was finished";
        return if damaged.is_empty() { none.into() } else { damaged };
    }
    let mut rows =
        vec![["ID", "SINCE", "KIND", "REASON", "WHO", "TEXT"].map(str::to_owned).to_vec()];
    for letter in &letters {
        let cell = |key: &str| letter[key].as_str().unwrap_or("").to_owned();
        let at = moment(&letter["at"]);
        rows.push(vec![cell("id"), at, cell("kind"), cell("reason"), cell("who"), cell("text")]);
    }
    table(output, &rows) + "\nnext: `telson dead-letters show|replay|drop <ID>`\n" + &damaged
}

/// Records nobody can read whole any more; nothing where there are none.
fn damaged(output: Output, answer: &Value) -> String {
    let damaged = answer["damaged"].as_array().cloned().unwrap_or_default();
    if damaged.is_empty() {
        return String::new();
    }
    let mut rows = vec![["DAMAGED", "KIND", "WHERE", "REASON", "TEXT"].map(str::to_owned).to_vec()];
    for record in &damaged {
        let cells = ["id", "kind", "where", "reason", "text"];
        rows.push(cells.map(|key| record[key].as_str().unwrap_or("").to_owned()).to_vec());
    }
    table(output, &rows) + "\nnext: `telson dead-letters show|drop <ID>`"
}

fn show(letter: &Value) -> String {
    let mut text = String::new();
    for (key, value) in letter.as_object().into_iter().flatten() {
        match value {
            Value::Array(notes) => {
                for note in notes {
                    if let Some(note) = note.as_str() {
                        text.push_str(&format!("{}: {note}\n", label(key)));
                        continue;
                    }
                    let outcome = note["outcome"].as_str().unwrap_or("?");
                    text.push_str(&format!("{key}: {} {outcome}\n", moment(&note["at"])));
                }
            }
            _ if key == "at" || key.ends_with("At") => {
                text.push_str(&format!("{key}: {}\n", moment(value)));
            }
            Value::String(value) => text.push_str(&format!("{key}: {value}\n")),
            _ => text.push_str(&format!("{key}: {value}\n")),
        }
    }
    text
}

/// The names of lists, as people read them.
fn label(key: &str) -> &str {
    match key {
        "ranTools" => "has run",
        "runAgainByReplay" => "a replay runs again",
        key => key,
    }
}
