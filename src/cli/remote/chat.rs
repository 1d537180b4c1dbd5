//! `telson chat`: a conversation in the terminal, line by line, with answers while they are made.
//!
//! Where no person sits at both ends, standard output has the answers and nothing else: what is said
//! about them goes to standard error, and a message that was not answered fails the command.

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::process::ExitCode;

use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::Receiver;

use super::super::args::Place;
use super::super::exit::Failure;
use super::super::output::{Output, Tone};
use super::ChatArgs;
use super::lines::{Typed, lines};
use super::reach::Reach;
use super::transcript::{Ending, Heard, Transcript, printable, text_of};
use super::waiting::Waiting;
use crate::gateway_client::{GatewayClient, GatewayError};
use crate::methods::{ATTEMPTS, ATTEMPTS_METHODS};

/// Messages shown of what was said before.
const HISTORY_SHOWN: u32 = 10;
/// The event of messages that web chat keeps.
const WEBCHAT: &str = "telson.webchat";
/// Runs remembered as one's own: more are not answered at once.
const OWN_MAX: usize = 64;
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
    let mut client = Reach::of(place).await?.connect().await?;
    let interrupts = signal(SignalKind::interrupt())
        .map_err(|error| Failure::failed(format!("cannot listen to signals: {error}")))?;
    let session = args.session.or_else(|| main_session(client.hello()));
    let session = session.unwrap_or_else(|| "agent:main:main".into());
    let session = listen(&mut client, session, args.message.is_none()).await?;
    let here = [std::io::stdin().is_terminal(), std::io::stdout().is_terminal()];
    let is_script = here.contains(&false);
    let mut chat = Chat {
        client,
        session,
        interrupts,
        output: *output,
        waiting: Waiting::new(*output, is_script),
        is_typed: here[0],
        is_script,
        has_failed: false,
        own: VecDeque::new(),
    };
    match args.message {
        Some(message) => chat.once(&message).await,
        None => chat.talk().await,
    }
}

/// Asks to be told of models that give no answer, and in a conversation of whatever else is said in
/// it; not every gateway can. Answers the whole key of the session.
async fn listen(
    client: &mut GatewayClient,
    session: String,
    is_conversation: bool,
) -> Result<String, Failure> {
    let method = ATTEMPTS_METHODS[0];
    let methods = client.hello().pointer("/features/methods").and_then(Value::as_array);
    if !methods.is_some_and(|methods| methods.iter().any(|name| name == method)) {
        return Ok(session);
    }
    client.call(method, json!({})).await?;
    if !is_conversation {
        return Ok(session);
    }
    match client.call("sessions.messages.subscribe", json!({"key": session})).await {
        Ok(answer) => Ok(answer["key"].as_str().map_or(session, str::to_owned)),
        // What is wrong with the name is said to the first message.
        Err(GatewayError::Refused(_)) => Ok(session),
        Err(error) => Err(error.into()),
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
    waiting: Waiting,
    /// Somebody types.
    is_typed: bool,
    /// A program says what is typed, or reads what is printed.
    is_script: bool,
    /// A message has got no answer.
    has_failed: bool,
    /// The runs of what was said here; of very many the last.
    own: VecDeque<String>,
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
        if !self.waiting.heard().is_empty() {
            document["failedAttempts"] = json!(self.waiting.heard());
        }
        if self.output.is_json() {
            self.output.line(&document.to_string());
        }
        Ok(code)
    }

    /// Line by line, until the input ends or the person leaves.
    async fn talk(&mut self) -> Result<ExitCode, Failure> {
        if !self.is_script {
            self.begin().await?;
        }
        let mut lines = lines();
        loop {
            self.prompt();
            let typed = self.typed(&mut lines).await?;
            let line = match typed {
                None => {
                    self.tell("\n");
                    return Ok(self.done());
                }
                Some(Typed::Said(line)) => line,
                Some(Typed::NoText(number)) => {
                    let text = format!("line {number} is no UTF-8 and was not sent");
                    self.fail(&text);
                    continue;
                }
                Some(Typed::Broken(why)) => {
                    return Err(Failure::failed(format!("cannot read what is said: {why}")));
                }
            };
            match line.trim() {
                "" => {}
                "/exit" | "/quit" => return Ok(self.done()),
                message => {
                    if !self.exchange(message).await? {
                        return Ok(ExitCode::from(INTERRUPTED));
                    }
                }
            }
        }
    }

    /// The next line; what is said here by others meanwhile is shown.
    async fn typed(&mut self, lines: &mut Receiver<Typed>) -> Result<Option<Typed>, Failure> {
        loop {
            let (name, payload) = tokio::select! {
                typed = lines.recv() => return Ok(typed),
                _ = self.interrupts.recv() => return Ok(None),
                event = self.client.event() => event?,
            };
            if self.is_news(&name, &payload) {
                // What is typed so far stays where it is.
                self.tell("\n");
                self.show_news(&payload);
                self.prompt();
            }
        }
    }

    /// Whether this is a message of the session that answers nothing said here.
    fn is_news(&self, name: &str, payload: &Value) -> bool {
        let is_own = self.own.iter().any(|run| payload["runId"] == **run);
        name == WEBCHAT && payload["sessionKey"] == *self.session && !is_own
    }

    /// Shows it, marked as what it is.
    fn show_news(&self, payload: &Value) {
        let from = payload["from"].as_str().map(printable);
        let what = match (payload["kind"].as_str(), from) {
            (Some("announcement"), Some(from)) => format!("[announcement from {from}]"),
            (Some("announcement"), None) => "[announcement]".to_owned(),
            (Some("note"), _) => "[note]".to_owned(),
            (Some("answer"), _) if payload["runId"].is_string() => {
                "[to somebody else in this session]".to_owned()
            }
            // Whose it is is not on record: it may be about what was said here.
            _ => "[in this session]".to_owned(),
        };
        let text = printable(payload["text"].as_str().unwrap_or_default());
        self.tell(&format!("{}\n{text}\n", self.output.paint(Tone::Dim, &what)));
    }

    /// A message and its answer; `false` if the person left before its end.
    async fn exchange(&mut self, message: &str) -> Result<bool, Failure> {
        let run = match self.send(message, &fresh_key()?).await {
            Ok(run) => run,
            // It says no to this message; the next one may be another matter.
            Err(GatewayError::Refused(body)) => {
                self.fail(&format!("refused: {}", body.message));
                return Ok(true);
            }
            Err(error) => return Err(unsure(&error)),
        };
        match self.hear(run).await?.ending {
            None => return Ok(false),
            Some(Ending::Stopped) => {
                self.has_failed = true;
                self.remark(Tone::Warn, "stopped");
            }
            Some(Ending::Failed(why)) => self.fail(&format!("failed: {why}")),
            Some(Ending::Answered) => {}
        }
        Ok(true)
    }

    /// How a conversation ends that nobody broke off: a person has seen what failed.
    fn done(&self) -> ExitCode {
        if self.is_script && self.has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
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
        let run = self.send(message, &fresh_key()?).await.map_err(|error| unsure(&error))?;
        self.hear(run).await
    }

    /// Hands a message in. It is durable when this returns.
    async fn send(&mut self, message: &str, key: &str) -> Result<String, GatewayError> {
        if self.own.len() == OWN_MAX {
            self.own.pop_front();
        }
        self.own.push_back(key.to_owned());
        let params = json!({"sessionKey": self.session, "message": message, "idempotencyKey": key});
        let answer = self.client.call("chat.send", params).await?;
        Ok(answer["runId"].as_str().unwrap_or(key).to_owned())
    }

    /// Prints the answer of a run while it is made.
    async fn hear(&mut self, run: String) -> Result<Said, Failure> {
        let mut run = Transcript::of(&run);
        let mut is_stopping = false;
        self.waiting.begin();
        let ending = loop {
            let event = tokio::select! {
                event = self.client.event() => event.map_err(|error| self.kept(&error))?,
                () = self.waiting.due() => {
                    self.waiting.draw();
                    continue;
                }
                _ = self.interrupts.recv() => {
                    if is_stopping {
                        break None;
                    }
                    is_stopping = true;
                    let params = json!({"sessionKey": self.session, "runId": run.run()});
                    let stopped = self.client.call("chat.abort", params).await;
                    stopped.map_err(|error| self.kept(&error))?;
                    continue;
                }
            };
            let (name, payload) = event;
            // Also of another run in this session: ours waits behind it.
            if name == ATTEMPTS && (run.is_of(&payload) || payload["sessionKey"] == *self.session) {
                self.waiting.hear(&payload);
            }
            if self.is_news(&name, &payload) {
                self.waiting.end();
                if !run.answer().is_empty() {
                    self.tell("\n");
                }
                self.show_news(&payload);
            }
            if name == "agent" && payload["stream"] == "tool" && run.is_of(&payload) {
                self.waiting.end();
            }
            if name != "chat" {
                continue;
            }
            if let Some(key) = payload["sessionKey"].as_str().filter(|_| run.is_of(&payload)) {
                // Whole, whichever part of it was typed.
                key.clone_into(&mut self.session);
            }
            match run.hear(&payload) {
                Heard::Nothing => {}
                Heard::More(text) => {
                    self.waiting.end();
                    self.print(&printable(&text));
                }
                Heard::Over(text, ending) => {
                    self.waiting.end();
                    self.print(&printable(&text));
                    break Some(ending);
                }
            }
        };
        self.waiting.end();
        if !self.is_script || !run.answer().is_empty() {
            self.print("\n");
        }
        let (run, answer) = (run.run().to_owned(), run.answer().to_owned());
        Ok(Said { run, answer, ending })
    }

    /// What a person is told of a message that was taken and whose answer is not heard to its end.
    fn kept(&self, error: &GatewayError) -> Failure {
        let GatewayError::Lost { .. } = error else { return Failure::failed(error.to_string()) };
        Failure::failed(format!(
            "{error}; the message was taken and is kept: it is answered once the service runs \
             again, and `telson chat --session {}` shows it",
            self.session
        ))
    }

    /// Says what went wrong with a message.
    fn fail(&mut self, text: &str) {
        self.has_failed = true;
        self.remark(Tone::Bad, text);
    }

    fn prompt(&self) {
        if self.is_typed {
            self.tell(&self.output.paint(Tone::Bold, "> "));
        }
    }

    fn remark(&self, tone: Tone, text: &str) {
        self.tell(&format!("{}\n", self.output.paint(tone, text)));
    }

    /// Prints something that is no answer: beside the answers, where a program reads those.
    fn tell(&self, text: &str) {
        match (self.is_script, text.trim_end()) {
            (false, _) => self.print(text),
            (true, "") => {}
            (true, text) => self.output.aside(text),
        }
    }

    /// Prints at once, and only for people.
    fn print(&self, text: &str) {
        if !self.output.is_json() {
            self.output.write(text);
        }
    }
}

/// What a person is told when nobody knows whether a message was taken.
fn unsure(error: &GatewayError) -> Failure {
    let text = error.to_string();
    match error {
        GatewayError::Refused(body) if body.code == "INVALID_REQUEST" => Failure::rejected(text),
        GatewayError::Lost { .. } | GatewayError::Late { .. } => Failure::failed(format!(
            "{text}; nobody can say whether the message was taken: look before you send it again"
        )),
        _ => Failure::failed(text),
    }
}

/// Under which the gateway knows a message that comes again.
fn fresh_key() -> Result<String, Failure> {
    let key = crate::hex::random::<16>();
    key.map_err(|error| Failure::failed(format!("no randomness: {error}")))
}
