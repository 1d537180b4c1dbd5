//! `telson chat`: a conversation in the terminal, line by line, with answers while they are made.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::super::args::Place;
use super::super::exit::Failure;
use super::super::output::{Output, Tone};
use super::ChatArgs;
use super::lines::lines;
use super::reach::Reach;
use super::transcript::{Ending, Heard, Transcript, printable, text_of};
use crate::gateway_client::GatewayClient;

/// Messages shown of what was said before.
const HISTORY_SHOWN: u32 = 10;
/// What a shell gives a process that was interrupted.
const INTERRUPTED: u8 = 130;

pub(in crate::cli) async fn run(
    place: &Place,
    args: ChatArgs,
    output: &Output,
) -> Result<ExitCode, Failure> {
    if output.is_json() && args.message.is_none() {
        return Err(Failure::rejected("--json needs --message: a chat is no one document"));
    }
    let client = Reach::of(place).await?.connect().await?;
    let interrupts = signal(SignalKind::interrupt())
        .map_err(|error| Failure::failed(format!("cannot listen to signals: {error}")))?;
    let session = args.session.or_else(|| main_session(client.hello()));
    let session = session.unwrap_or_else(|| "agent:main:main".into());
    let mut chat = Chat { client, session, interrupts, output: *output };
    match args.message {
        Some(message) => chat.once(&message).await,
        None => chat.talk().await,
    }
}

fn main_session(hello: &Value) -> Option<String> {
    let key = hello.pointer("/snapshot/sessionDefaults/mainSessionKey")?;
    key.as_str().map(str::to_owned)
}

struct Chat {
    client: GatewayClient,
    session: String,
    interrupts: Signal,
    output: Output,
}

/// How one message went.
struct Said {
    run: String,
    answer: String,
    /// `None` if the person left before its end.
    ending: Option<Ending>,
}

impl Chat {
    /// One message and its answer.
    async fn once(&mut self, message: &str) -> Result<ExitCode, Failure> {
        let said = self.say(message).await?;
        let (ending, code) = match &said.ending {
            Some(Ending::Answered) => ("answered", ExitCode::SUCCESS),
            Some(Ending::Stopped) => ("stopped", ExitCode::from(INTERRUPTED)),
            None => ("left", ExitCode::from(INTERRUPTED)),
            Some(Ending::Failed(why)) if !self.output.is_json() => {
                return Err(Failure::failed(why.clone()));
            }
            Some(Ending::Failed(_)) => ("failed", ExitCode::FAILURE),
        };
        let mut document = json!({
            "ok": said.ending == Some(Ending::Answered),
            "session": self.session,
            "runId": said.run,
            "ending": ending,
            "answer": said.answer,
        });
        if let Some(Ending::Failed(why)) = said.ending {
            document["error"] = json!({"type": "failed", "message": why});
        }
        if self.output.is_json() {
            self.output.line(&document.to_string());
        }
        Ok(code)
    }

    /// Line by line, until the input ends or the person leaves.
    async fn talk(&mut self) -> Result<ExitCode, Failure> {
        let is_terminal = std::io::stdin().is_terminal();
        self.begin().await?;
        let mut lines = lines();
        loop {
            if is_terminal {
                self.print(&self.output.paint(Tone::Bold, "> "));
            }
            let line = tokio::select! {
                line = lines.recv() => line,
                _ = self.interrupts.recv() => None,
                // The next message is the next event that matters; a lost connection does too.
                error = lost(&mut self.client) => return Err(error),
            };
            let Some(line) = line else {
                self.print("\n");
                return Ok(ExitCode::SUCCESS);
            };
            match line.trim() {
                "" => {}
                "/exit" | "/quit" => return Ok(ExitCode::SUCCESS),
                message => match self.say(message).await?.ending {
                    None => return Ok(ExitCode::from(INTERRUPTED)),
                    Some(Ending::Stopped) => self.remark(Tone::Warn, "stopped"),
                    Some(Ending::Failed(why)) => self.remark(Tone::Bad, &format!("failed: {why}")),
                    Some(Ending::Answered) => {}
                },
            }
        }
    }

    /// Where one is, and what was said last.
    async fn begin(&mut self) -> Result<(), Failure> {
        let help = "Ctrl-C stops an answer, twice leaves; /exit leaves";
        self.remark(Tone::Dim, &format!("{}  ({help})", self.session));
        let params = json!({"sessionKey": self.session, "limit": HISTORY_SHOWN});
        let history = self.client.call("chat.history", params).await?;
        for message in history["messages"].as_array().into_iter().flatten() {
            let who = match message["role"].as_str() {
                Some("user") => "> ",
                Some("assistant") => "",
                _ => continue,
            };
            let text = text_of(message).filter(|text| !text.is_empty());
            if let Some(text) = text {
                let line = format!("{who}{}", printable(&text));
                self.remark(Tone::Dim, &line);
            }
        }
        Ok(())
    }

    /// Says something and prints the answer while it is made.
    async fn say(&mut self, message: &str) -> Result<Said, Failure> {
        let key = fresh_key()?;
        let params = json!({"sessionKey": self.session, "message": message, "idempotencyKey": key});
        let answer = self.client.call("chat.send", params).await?;
        let mut run = Transcript::of(answer["runId"].as_str().unwrap_or(&key));
        let mut is_stopping = false;
        let ending = loop {
            let event = tokio::select! {
                event = self.client.event() => event?,
                _ = self.interrupts.recv() => {
                    if is_stopping {
                        break None;
                    }
                    is_stopping = true;
                    let params = json!({"sessionKey": self.session, "runId": run.run()});
                    self.client.call("chat.abort", params).await?;
                    continue;
                }
            };
            let (name, payload) = event;
            match run.hear(if name == "chat" { &payload } else { &Value::Null }) {
                Heard::Nothing => {}
                Heard::More(text) => self.print(&printable(&text)),
                Heard::Over(text, ending) => {
                    self.print(&printable(&text));
                    break Some(ending);
                }
            }
        };
        self.print("\n");
        let (run, answer) = (run.run().to_owned(), run.answer().to_owned());
        Ok(Said { run, answer, ending })
    }

    fn remark(&self, tone: Tone, text: &str) {
        self.print(&format!("{}\n", self.output.paint(tone, text)));
    }

    /// Prints at once, and only for people. A reader that has gone is no error.
    fn print(&self, text: &str) {
        if !self.output.is_json() {
            let mut out = std::io::stdout().lock();
            drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
        }
    }
}

/// Reads what comes while nobody waits for an answer; returns only with the end of the connection.
async fn lost(client: &mut GatewayClient) -> Failure {
    loop {
        if let Err(error) = client.event().await {
            return error.into();
        }
    }
}

/// Under which the gateway knows a message that comes again.
fn fresh_key() -> Result<String, Failure> {
    let key = crate::hex::random::<16>();
    key.map_err(|error| Failure::failed(format!("no randomness: {error}")))
}
